"""Destinations and scanners: whether they answer a C-ECHO, and if not, how far it came.

They are asked side by side and with short limits, and not again for a while: scanners above all
have other things to do.
"""

from dicom_router.dimse import PeerAddress
from dicom_router.models import Sender
from dicom_router.said import Said, restored, said
from services.api.checks.certificates import EXPIRES_SOON
from services.api.checks.outcomes import warn, well
from services.api.context import Context
from services.api.echo import Peer, Remembered
from services.api.queries import destinations as destination_queries
from services.api.queries import senders as sender_queries
from services.api.queries.destinations import DestinationStatus
from services.api.schemas import Check, EchoResult, EchoStage
from services.api.targets import HOW_TO_SET_ONE, NO_DESTINATION

_DESTINATIONS_GOOD_FOR = Remembered(ok_seconds=20, failed_seconds=8)
_SENDERS_GOOD_FOR = Remembered(ok_seconds=300, failed_seconds=60)
_MOST_SENDERS = 500

_NO_ANSWER = EchoResult(
    ok=False,
    stage=EchoStage.DNS,
    latency_ms=None,
    detail=said("There was no answer within 4 seconds, not even whether its name is known"),
)


def destinations(context: Context) -> list[Check]:
    """There are some, and each answers."""
    name, title = "destinations", said("Destinations")
    with context.database.read() as session:
        known = destination_queries.destinations(session)
    if not known:
        return [warn(name, title, NO_DESTINATION, said("Either {how}", how=HOW_TO_SET_ONE))]
    peers = {each.row.name: _peer(context, each) for each in known if each.row.enabled}
    answers = context.echoes.of(peers, _DESTINATIONS_GOOD_FOR, context.stopping)
    told = said("1 known") if len(known) == 1 else said("{count} known", count=len(known))
    overall = well(name, title, told)
    if not peers:
        detail = said("None is enabled: nothing is owed to anybody, and new studies go nowhere")
        overall = warn(name, title, detail, said("Enable one on the dashboard's page of them"))
    return [
        overall,
        *(_destination(context, each, peers.get(each.row.name), answers) for each in known),
    ]


def senders(context: Context) -> list[Check]:
    """Those whose host and port are known answer."""
    with context.database.read() as session:
        known = sender_queries.senders(session, "", _MOST_SENDERS)
    peers = {each.name: _scanner(context, each) for each in known if each.host and each.port}
    answers = context.echoes.of(peers, _SENDERS_GOOD_FOR, context.stopping)
    return [_sender(name, peer, answers[name] or _NO_ANSWER) for name, peer in peers.items()]


def _destination(
    context: Context,
    each: DestinationStatus,
    peer: Peer | None,
    answers: dict[str, EchoResult | None],
) -> Check:
    row = each.row
    name, title = f"destination:{row.name}", said("Destination {name}", name=row.name)
    if peer is None:
        return well(name, title, said("It is disabled: nothing new is owed to it"))
    answer = answers[row.name] or _NO_ANSWER
    if each.outage is not None:
        detail = said(
            "Down since {since:%Y-%m-%d %H:%M}, {waiting}: {why}",
            since=each.outage.since.astimezone(),
            waiting=_waiting(each.waiting),
            why=restored(each.outage.reason).get("text", ""),
        )
        now = said("It answers a C-ECHO now") if answer.ok else _fix(peer, answer)
        fix = said("{now}. What waits goes out by itself", now=now)
        return warn(name, title, detail, fix)
    if not answer.ok:
        return warn(name, title, _failed(answer), _fix(peer, answer))
    if row.paused and each.waiting:
        detail = said("It is paused; {waiting}", waiting=_waiting(each.waiting))
        return warn(name, title, detail, said("End the pause once it may be sent to"))
    end = answer.certificate_expires_at
    if end is not None and end - context.clock() < EXPIRES_SOON:
        detail = said(
            "{answer}; its certificate expires {end:%Y-%m-%d %H:%M}",
            answer=_answered(answer),
            end=end.astimezone(),
        )
        fix = said("Have a new certificate put in place there: nothing is sent with an expired one")
        return warn(name, title, detail, fix)
    return well(name, title, _answered(answer))


def _waiting(count: int) -> Said:
    if count < 2:
        return said("1 delivery waits") if count else said("nothing waits for it")
    return said("{count} deliveries wait", count=count)


def _sender(name: str, peer: Peer, answer: EchoResult) -> Check:
    check, title = f"sender:{name}", said("Scanner {name}", name=name)
    if answer.ok:
        return well(check, title, _answered(answer))
    fix = said("{fix}. If it is only switched off, there is nothing to do", fix=_fix(peer, answer))
    return warn(check, title, _failed(answer), fix)


def _answered(answer: EchoResult) -> Said:
    return said("{answer} in {ms} ms", answer=answer.detail, ms=answer.latency_ms)


def _failed(answer: EchoResult) -> Said:
    return said("C-ECHO failed at the stage {stage}: {why}", stage=answer.stage, why=answer.detail)


def _fix(peer: Peer, answer: EchoResult) -> Said:
    """What to do about a peer, by the stage that it failed at."""
    at = peer.address
    match answer.stage:
        case EchoStage.DNS:
            return said(
                "Correct the host, or the DNS server that this machine asks (getent hosts {host} "
                "shows what it finds); an IP address as host does without",
                host=at.host,
            )
        case EchoStage.CONNECT:
            return said(
                "See that it runs and listens, that host and port are right, and that no firewall "
                "between here and there closes the port: nc -vz {host} {port}",
                host=at.host,
                port=at.port,
            )
        case EchoStage.TLS:
            return said(
                "See that both sides use TLS on this port and trust each other's certificates"
            )
        case EchoStage.NEGOTIATE:
            return said(
                "Have {ours}, from this machine's address, registered there as a DICOM node, and "
                "see that its AE title is really {theirs}",
                ours=at.calling_ae_title,
                theirs=at.ae_title,
            )
        case EchoStage.ECHO:
            return said("It takes associations but does not serve them: see its own log")


def _peer(context: Context, each: DestinationStatus) -> Peer:
    row = each.row
    ours = row.calling_ae_title or context.settings.ae_title
    address = PeerAddress(row.host, row.port, row.ae_title, ours)
    return Peer(address, context.tls_files if row.tls else None)


def _scanner(context: Context, row: Sender) -> Peer:
    return Peer(PeerAddress(row.host, row.port or 0, row.ae_title, context.settings.ae_title))
