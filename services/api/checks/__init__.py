"""Whether all is well: for orchestrators (ready, or why not) and for people (what to do)."""

from collections.abc import Callable, Sequence
from functools import partial

from dicom_router.said import Said, as_said, said
from services.api.checks import certificates, peers, ports, servers, storage, work
from services.api.checkup import Look
from services.api.context import Context
from services.api.schemas import Check, CheckStatus

_DATABASE = "database"
_Looker = Callable[[Context], Sequence[Check]]
_ALWAYS: dict[str, tuple[Said, _Looker]] = {
    _DATABASE: (said("Database"), servers.database),
    "broker": (said("Message broker"), servers.broker),
    "data-folder": (said("Data folder"), storage.data_folder),
    "disk": (said("Disk"), storage.disk),
    "spool": (said("Images received are organized"), storage.spool),
    "dicom-port": (said("DICOM ports"), ports.ports),
    "dicom-tls": (said("Certificates of DICOM over TLS"), certificates.dicom_tls),
    "http-tls": (said("Certificate of HTTPS"), certificates.http_tls),
    "versions": (said("Versions"), servers.versions),
}
_WITH_THE_DATABASE: dict[str, tuple[Said, _Looker]] = {
    "destinations": (said("Destinations"), peers.destinations),
    "sender": (said("Scanners"), peers.senders),
    "routes": (said("Routes lead to destinations"), work.routes),
    "attention": (said("Studies that need attention"), work.attention),
    "unrouted": (said("Studies without a destination"), work.unrouted),
    "failed": (said("Studies that failed"), work.failed),
    "held": (said("Studies that are held"), work.held),
    "quarantine": (said("Quarantine"), work.quarantine),
    "queues": (said("Queues are consumed"), work.queues),
    "dead-letters": (said("Dead letters"), work.dead_letters),
    "clock": (said("Clock"), servers.clock),
}
LOOKS = _ALWAYS | _WITH_THE_DATABASE
_NOT_TO_WAKE_FOR = {"sender"}  # scanners are switched off at night


def not_ready(context: Context) -> list[Said]:
    """Why work can't be done now; empty when it can."""
    reasons = [servers.database_trouble(context), servers.broker_trouble(context)]
    reasons += [as_said(why) for check in context.ready_checks if (why := check())]
    return [reason for reason in reasons if reason]


def diagnose(context: Context) -> list[Check]:
    """Every check. Those that need the database are left out while it is away."""
    return _run(context, LOOKS)


def to_wake_for(context: Context) -> list[Check]:
    """The checks of which somebody is told who does not look at them."""
    return _run(context, {name: LOOKS[name] for name in LOOKS if name not in _NOT_TO_WAKE_FOR})


def _run(context: Context, looks: dict[str, tuple[Said, _Looker]]) -> list[Check]:
    begun = [Look(name, title, partial(look, context)) for name, (title, look) in looks.items()]
    found = context.checkup.run(begun)
    if any(check.status != CheckStatus.OK for check in found[_DATABASE]):
        found = {name: found[name] for name in _ALWAYS}
    return [check for checks in found.values() for check in checks]
