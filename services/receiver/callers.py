"""Who may send: a pure decision over the known senders and the setting ROUTER_ACCEPT_CALLERS."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal

from dicom_router.events import RefusalKind
from dicom_router.said import Said, said

AcceptCallers = Literal["auto", "any", "known"]


@dataclass(frozen=True, slots=True)
class KnownSender:
    """A registered scanner; no addresses means any."""

    name: str
    ae_title: str
    addresses: tuple[str, ...]  # CIDR


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing comes of an association: by its kind, and as a sentence."""

    kind: RefusalKind
    why: Said


def refusal(
    rule: AcceptCallers, senders: Sequence[KnownSender], calling_ae_title: str, address: str
) -> Refused | None:
    """Why this caller is refused; None when it may send.

    `auto` takes anyone until the first sender is registered, known ones only from then on.
    """
    if rule == "any" or (rule == "auto" and not senders):
        return None
    same_title = [sender for sender in senders if sender.ae_title == calling_ae_title]
    if any(_is_from(sender, address) for sender in same_title):
        return None
    who = said("calling AE title {title!r} from {address}", title=calling_ae_title, address=address)
    if same_title:
        why = said(
            "{who} is refused: {sender} may not send from this address",
            who=who,
            sender=same_title[0].name,
        )
        return Refused(RefusalKind.WRONG_ADDRESS, why)
    renamed = next((s for s in senders if s.addresses and _is_from(s, address)), None)
    if renamed:
        why = said(
            "{who} is not a known sender; renamed? the address is that of {sender} ({title})",
            who=who,
            sender=renamed.name,
            title=renamed.ae_title,
        )
        return Refused(RefusalKind.RENAMED_CALLER, why)
    why = said("{who} is not a known sender: register it to admit it", who=who)
    return Refused(RefusalKind.UNKNOWN_CALLER, why)


def _is_from(sender: KnownSender, address: str) -> bool:
    if not sender.addresses:
        return True
    try:
        peer = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return any((mapped or peer) in ip_network(each, strict=False) for each in sender.addresses)
