"""Whether all is well: for orchestrators (ready, or why not) and for people (what to do)."""

from contextlib import suppress
from datetime import timedelta

from dicom_router.archive import WrongFolder
from dicom_router.bus import BrokerUnavailable
from dicom_router.data_folder import learn
from dicom_router.errors import ConfigurationError, Unavailable
from dicom_router.ledger import enabled_destinations, enabled_routes
from dicom_router.migrations import require_current
from dicom_router.tls import TlsFiles, is_good_until
from services.api.context import Context
from services.api.disk import hours_to_full, least_free_bytes
from services.api.queries import destinations as queries
from services.api.queries import studies
from services.api.schemas import Check, CheckStatus
from services.api.standing import known_queues, standing, without_consumers
from services.api.targets import HOW_TO_SET_ONE, NO_DESTINATION

_GIBIBYTE = 1 << 30
_FULL_SOON_HOURS = 24
_EXPIRES_SOON = timedelta(days=30)
_TAKEN_UP = {
    "dicom-tls": "it is used from the next connection on",
    "http-tls": "then restart the api",
}


def not_ready(context: Context) -> list[str]:
    """Why work can't be done now; empty when it can."""
    reasons = [_database_trouble(context), _broker_trouble(context)]
    reasons += [check() for check in context.ready_checks]
    return [reason for reason in reasons if reason]


def diagnose(context: Context) -> list[Check]:
    """Every check. Those that need the database are left out while it is away."""
    found = [_database(context), _broker(context), _data_folder(context), _disk(context)]
    found += _certificates(context)
    if found[0].status == CheckStatus.OK:
        found += [*_destinations(context), _routes(context), _attention(context), *_queues(context)]
    return found


def _database_trouble(context: Context) -> str | None:
    try:
        require_current(context.database)
    except (Unavailable, ConfigurationError) as error:
        return str(error)
    return None


def _broker_trouble(context: Context) -> str | None:
    return None if context.bus.connected else "The message broker can't be reached"


def _database(context: Context) -> Check:
    trouble = _database_trouble(context)
    return _check(
        "database",
        "Database",
        trouble,
        "It answers, and its schema is this version's",
        "See that the database runs and that ROUTER_DATABASE_URL is right; images are received and "
        "kept meanwhile. For another schema: python -m dicom_router.migrations",
    )


def _broker(context: Context) -> Check:
    return _check(
        "broker",
        "Message broker",
        _broker_trouble(context),
        "It is connected",
        "See that RabbitMQ runs and that ROUTER_AMQP_URL is right; images are received and kept "
        "meanwhile",
    )


def _data_folder(context: Context) -> Check:
    trouble = None
    try:
        with suppress(Unavailable):  # then what was known last counts
            learn(context.archive, context.database)
        context.archive.require()
    except WrongFolder as error:
        trouble = str(error)
    return _check(
        "data-folder",
        "Data folder",
        trouble,
        "It is the database's",
        f"Mount the right disk at {context.archive.root}: images are refused (A700) and nothing is "
        "deleted or given up meanwhile. Only if that disk is gone for good: "
        "GET /api/v1/data-folder, then POST /api/v1/data-folder/adopt",
    )


def _disk(context: Context) -> Check:
    try:
        space = context.archive.space()
    except OSError as error:
        return Check(
            id="disk",
            title="Disk",
            status=CheckStatus.FAIL,
            detail=f"The data folder can't be read: {error.strerror}",
            fix=f"See that {context.archive.root} exists and belongs to the router's user",
        )
    least = least_free_bytes(space, context.settings)
    short, close = space.free < least, space.free < 2 * least
    hours = None
    with suppress(Unavailable):  # then there is no forecast
        hours = hours_to_full(space, least, context.disk.use().growth_per_hour)
    soon = hours is not None and hours < _FULL_SOON_HOURS
    status = CheckStatus.FAIL if short else CheckStatus.WARN if close or soon else CheckStatus.OK
    forecast = f"; full in {hours:.0f} hours at the rate of the last day" if soon else ""
    return Check(
        id="disk",
        title="Disk",
        status=status,
        detail=f"{space.free / _GIBIBYTE:.1f} of {space.total / _GIBIBYTE:.1f} GiB are free"
        + ("; images are refused (A700)" if short else forecast),
        fix="" if status == CheckStatus.OK else "Make room, or shorten ROUTER_RETENTION_HOURS",
    )


def _certificates(context: Context) -> list[Check]:
    """Those that are set, judged by the files as they are now."""
    found, settings = [], context.settings
    dicom = context.tls_files
    if dicom.certificate or dicom.authorities:
        found.append(_certificate(context, "dicom-tls", "Certificates of DICOM over TLS", dicom))
    if settings.http_tls_cert:
        files = TlsFiles(settings.http_tls_cert, settings.http_tls_key, None, "ROUTER_HTTP_TLS")
        found.append(_certificate(context, "http-tls", "Certificate of HTTPS", files))
    return found


def _certificate(context: Context, name: str, title: str, files: TlsFiles) -> Check:
    try:
        end, path = is_good_until(files)
    except ConfigurationError as error:
        return Check(
            id=name,
            title=title,
            status=CheckStatus.FAIL,
            detail=str(error),
            fix="Put files in place that go together and that the router's user may read; what was "
            "loaded before is used until then, but not after a restart",
        )
    left = end - context.clock()
    soon, over = left < _EXPIRES_SOON, left <= timedelta(0)
    return Check(
        id=name,
        title=title,
        status=CheckStatus.FAIL if over else CheckStatus.WARN if soon else CheckStatus.OK,
        detail=f"{path} {'expired' if over else 'is good until'} {end:%Y-%m-%d %H:%M} UTC",
        fix=f"Put a new certificate in the place of {path}; {_TAKEN_UP[name]}" if soon else "",
    )


def _destinations(context: Context) -> list[Check]:
    with context.database.read() as session:
        known = queries.destinations(session)
    down = [each for each in known if each.outage is not None]
    names = ", ".join(each.row.name for each in down)
    waiting = sum(each.waiting for each in down)
    return [
        _check(
            "destinations",
            "Destinations",
            None if known else NO_DESTINATION,
            f"{len(known)} known",
            f"Either {HOW_TO_SET_ONE}",
        ),
        _check(
            "destinations-up",
            "Destinations take images",
            f"Down: {names}; {waiting} deliveries wait and go out by themselves" if down else None,
            "None is known to be down",
            "See that it runs and lets the router in; POST /api/v1/destinations/{name}/echo says "
            "how far the router gets",
        ),
    ]


def _routes(context: Context) -> Check:
    with context.database.read() as session:
        usable = set(enabled_destinations(session))
        known = enabled_routes(session)
    lost = {each.name: sorted(set(each.destinations) - usable) for each in known}
    said = [f"{name} ({', '.join(names)})" for name, names in lost.items() if names]
    return _check(
        "routes",
        "Routes lead to destinations",
        f"These name destinations that are disabled or not there: {', '.join(said)}"
        if said
        else None,
        f"{len(known)} are followed" if known else "None: studies go to every enabled destination",
        "Enable the destination, or take it out of the route: PUT /api/v1/routes/{name}",
    )


def _attention(context: Context) -> Check:
    with context.database.read() as session:
        count = studies.count_needing_attention(session)
    return _check(
        "attention",
        "Studies that need attention",
        f"{count} studies need a person to look at them" if count else None,
        "There are none",
        "GET /api/v1/studies?needs_attention=true lists them; `attention` of each says why",
    )


def _queues(context: Context) -> list[Check]:
    """Queues that nobody consumes, and dead letters; nothing while the broker is away."""
    try:
        found = standing(context, known_queues(context).values())
        idle = without_consumers(context)
    except BrokerUnavailable:
        return []
    waiting = sum(each.work.messages for each in idle)
    names = ", ".join(each.queue.name for each in idle)
    dead = [f"{each.queue.name} ({each.dead})" for each in found if each.dead]
    return [
        Check(
            id="queues",
            title="Queues are consumed",
            status=CheckStatus.FAIL if waiting else CheckStatus.WARN if idle else CheckStatus.OK,
            detail=f"Nobody consumes {names}; {waiting} messages wait"
            if idle
            else f"{len(found)} queues, each with a consumer",
            fix="Start the service that the queue's name begins with; nothing is lost meanwhile"
            if idle
            else "",
        ),
        _check(
            "dead-letters",
            "Dead letters",
            f"There are some in {', '.join(dead)}" if dead else None,
            "There are none",
            "GET /api/v1/queues/{name}/dlq says why; mend that, then "
            "POST /api/v1/queues/{name}/dlq/replay",
        ),
    ]


_WARNINGS = {
    "destinations",
    "destinations-up",
    "routes",
    "attention",
    "dead-letters",
}  # nothing is lost by these


def _check(name: str, title: str, trouble: str | None, well: str, fix: str) -> Check:
    status = CheckStatus.OK
    if trouble:
        status = CheckStatus.WARN if name in _WARNINGS else CheckStatus.FAIL
    return Check(
        id=name,
        title=title,
        status=status,
        detail=trouble or well,
        fix=fix if trouble else "",
    )
