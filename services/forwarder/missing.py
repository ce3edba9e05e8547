"""What a destination has not got of a study, and how it comes to it: pure decisions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dicom_router.models import DeliveryState

_TRIED_AGAIN = (DeliveryState.RETRYING, DeliveryState.FAILED, DeliveryState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image in one delivery to the destination."""

    delivery_id: str
    delivery_state: str
    replaced: bool  # another delivery is owed it
    receipt_id: str
    delivered: bool
    current: bool  # its bytes are still those of the instance


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do so that the destination gets what was asked for."""

    try_again: tuple[str, ...] = ()  # deliveries
    replace: tuple[str, ...] = ()  # deliveries; `send` holds all that they still owe
    send: tuple[str, ...] = ()  # receipts, in a new delivery
    images: int = 0  # that the destination gets by this


def what_is_missing(at_hand: Sequence[str], entries: Collection[Entry]) -> Plan:
    """Only what the destination has not got, and nothing that is on its way there.

    Deliveries that have ended badly or wait for another attempt are tried again, whatever else the
    destination had before: somebody wanted it to get their images once more.
    """
    standing = [each for each in entries if not each.replaced]
    again = {each.delivery_id for each in standing if each.delivery_state in _TRIED_AGAIN}
    accounted = {each.receipt_id for each in entries if each.delivered} | {
        each.receipt_id for each in standing
    }
    new = tuple(each for each in at_hand if each not in accounted)
    owed = {e.receipt_id for e in standing if e.delivery_id in again and _is_owed(e)}
    return Plan(try_again=_ordered(again), send=new, images=len(owed) + len(new))


def everything(at_hand: Sequence[str], entries: Collection[Entry]) -> Plan:
    """All there is, once more, in the place of what was not delivered until now."""
    replaced = {
        each.delivery_id: None
        for each in entries
        if not each.replaced and each.delivery_state != DeliveryState.DELIVERED
    }
    still_owed = (e.receipt_id for e in entries if e.delivery_id in replaced and _is_owed(e))
    sent = tuple(dict.fromkeys((*at_hand, *still_owed)))
    return Plan(replace=_ordered(replaced), send=sent, images=len(sent)) if at_hand else Plan()


def _is_owed(entry: Entry) -> bool:
    return entry.current and not entry.delivered


def _ordered(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(ids))
