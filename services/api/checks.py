"""Whether all is well: for orchestrators (ready, or why not) and for people (what to do).

Every sentence is made by `said` and has its Portuguese in `portuguese.py`; what a check is called
there is the title's. A test holds that none is missing.
"""

from contextlib import suppress
from datetime import timedelta

from dicom_router.archive import WrongFolder
from dicom_router.bus import BrokerUnavailable
from dicom_router.data_folder import learn
from dicom_router.errors import ConfigurationError, Unavailable
from dicom_router.ledger import enabled_destinations, enabled_routes
from dicom_router.migrations import require_current
from dicom_router.said import Said, as_said, cause_of, joined, said
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
    "dicom-tls": said("it is used from the next connection on"),
    "http-tls": said("then restart the api"),
}


def not_ready(context: Context) -> list[Said]:
    """Why work can't be done now; empty when it can."""
    reasons = [_database_trouble(context), _broker_trouble(context)]
    reasons += [as_said(why) for check in context.ready_checks if (why := check())]
    return [reason for reason in reasons if reason]


def diagnose(context: Context) -> list[Check]:
    """Every check. Those that need the database are left out while it is away."""
    found = [_database(context), _broker(context), _data_folder(context), _disk(context)]
    found += _certificates(context)
    if found[0].status == CheckStatus.OK:
        found += [*_destinations(context), _routes(context), _attention(context), *_queues(context)]
    return found


def _database_trouble(context: Context) -> Said | None:
    try:
        require_current(context.database)
    except (Unavailable, ConfigurationError) as error:
        return as_said(error)
    return None


def _broker_trouble(context: Context) -> Said | None:
    return None if context.bus.connected else said("The message broker can't be reached")


def _database(context: Context) -> Check:
    trouble = _database_trouble(context)
    return _check(
        "database",
        said("Database"),
        trouble,
        said("It answers, and its schema is this version's"),
        said(
            "See that the database runs and that ROUTER_DATABASE_URL is right; images are received "
            "and kept meanwhile. For another schema: python -m dicom_router.migrations"
        ),
    )


def _broker(context: Context) -> Check:
    return _check(
        "broker",
        said("Message broker"),
        _broker_trouble(context),
        said("It is connected"),
        said(
            "See that RabbitMQ runs and that ROUTER_AMQP_URL is right; images are received and "
            "kept meanwhile"
        ),
    )


def _data_folder(context: Context) -> Check:
    trouble = None
    try:
        with suppress(Unavailable):  # then what was known last counts
            learn(context.archive, context.database)
        context.archive.require()
    except WrongFolder as error:
        trouble = as_said(error)
    return _check(
        "data-folder",
        said("Data folder"),
        trouble,
        said("It is the database's"),
        said(
            "Mount the right disk at {path}: images are refused (A700) and nothing is deleted or "
            "given up meanwhile. Only if that disk is gone for good: go on with the folder that is "
            "there, in the dashboard or by POST /api/v1/data-folder/adopt",
            path=context.archive.root,
        ),
    )


def _disk(context: Context) -> Check:
    try:
        space = context.archive.space()
    except OSError as error:
        return Check(
            id="disk",
            title=said("Disk"),
            status=CheckStatus.FAIL,
            detail=said("The data folder can't be read: {why}", why=cause_of(error)),
            fix=said(
                "See that {path} exists and belongs to the router's user", path=context.archive.root
            ),
        )
    least = least_free_bytes(space, context.settings)
    short, close = space.free < least, space.free < 2 * least
    hours = None
    with suppress(Unavailable):  # then there is no forecast
        hours = hours_to_full(space, least, context.disk.use().growth_per_hour)
    soon = hours is not None and hours < _FULL_SOON_HOURS
    status = CheckStatus.FAIL if short else CheckStatus.WARN if close or soon else CheckStatus.OK
    detail = [
        said(
            "{free:.1f} of {total:.1f} GiB are free",
            free=space.free / _GIBIBYTE,
            total=space.total / _GIBIBYTE,
        )
    ]
    if short:
        detail.append(said("images are refused (A700)"))
    elif soon:
        detail.append(said("full in {hours:.0f} hours at the rate of the last day", hours=hours))
    well = status == CheckStatus.OK
    return Check(
        id="disk",
        title=said("Disk"),
        status=status,
        detail=joined("; ", detail),
        fix=said("") if well else said("Make room, or shorten ROUTER_RETENTION_HOURS"),
    )


def _certificates(context: Context) -> list[Check]:
    """Those that are set, judged by the files as they are now."""
    found, settings = [], context.settings
    dicom = context.tls_files
    if dicom.certificate or dicom.authorities:
        found.append(
            _certificate(context, "dicom-tls", said("Certificates of DICOM over TLS"), dicom)
        )
    if settings.http_tls_cert:
        files = TlsFiles(settings.http_tls_cert, settings.http_tls_key, None, "ROUTER_HTTP_TLS")
        found.append(_certificate(context, "http-tls", said("Certificate of HTTPS"), files))
    return found


def _certificate(context: Context, name: str, title: Said, files: TlsFiles) -> Check:
    try:
        end, path = is_good_until(files)
    except ConfigurationError as error:
        return Check(
            id=name,
            title=title,
            status=CheckStatus.FAIL,
            detail=as_said(error),
            fix=said(
                "Put files in place that go together and that the router's user may read; what was "
                "loaded before is used until then, but not after a restart"
            ),
        )
    left = end - context.clock()
    soon, over = left < _EXPIRES_SOON, left <= timedelta(0)
    return Check(
        id=name,
        title=title,
        status=CheckStatus.FAIL if over else CheckStatus.WARN if soon else CheckStatus.OK,
        detail=said("{path} expired {end:%Y-%m-%d %H:%M} UTC", path=path, end=end)
        if over
        else said("{path} is good until {end:%Y-%m-%d %H:%M} UTC", path=path, end=end),
        fix=said(
            "Put a new certificate in the place of {path}; {then}", path=path, then=_TAKEN_UP[name]
        )
        if soon
        else said(""),
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
            said("Destinations"),
            None if known else NO_DESTINATION,
            said("{count} known", count=len(known)),
            said("Either {how}", how=HOW_TO_SET_ONE),
        ),
        _check(
            "destinations-up",
            said("Destinations take images"),
            said(
                "Down: {names}; {waiting} deliveries wait and go out by themselves",
                names=names,
                waiting=waiting,
            )
            if down
            else None,
            said("None is known to be down"),
            said(
                "See that it runs and lets the router in; the echo to the destination (or POST "
                "/api/v1/destinations/NAME/echo) says how far the router gets"
            ),
        ),
    ]


def _routes(context: Context) -> Check:
    with context.database.read() as session:
        usable = set(enabled_destinations(session))
        known = enabled_routes(session)
    lost = {each.name: sorted(set(each.destinations) - usable) for each in known}
    routes = ", ".join(f"{name} ({', '.join(names)})" for name, names in lost.items() if names)
    return _check(
        "routes",
        said("Routes lead to destinations"),
        said("These name destinations that are disabled or not there: {routes}", routes=routes)
        if routes
        else None,
        said("{count} are followed", count=len(known))
        if known
        else said("None: studies go to every enabled destination"),
        said("Enable the destination, or take it out of the route"),
    )


def _attention(context: Context) -> Check:
    with context.database.read() as session:
        count = studies.count_needing_attention(session)
    return _check(
        "attention",
        said("Studies that need attention"),
        said("{count} studies need a person to look at them", count=count) if count else None,
        said("There are none"),
        said(
            "The list of studies, filtered (GET /api/v1/studies?needs_attention=true), has them; "
            "each says why"
        ),
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
            title=said("Queues are consumed"),
            status=CheckStatus.FAIL if waiting else CheckStatus.WARN if idle else CheckStatus.OK,
            detail=said(
                "Nobody consumes {names}; {waiting} messages wait", names=names, waiting=waiting
            )
            if idle
            else said("{count} queues, each with a consumer", count=len(found)),
            fix=said(
                "Start the service that the queue's name begins with; nothing is lost meanwhile"
            )
            if idle
            else said(""),
        ),
        _check(
            "dead-letters",
            said("Dead letters"),
            said("There are some in {queues}", queues=", ".join(dead)) if dead else None,
            said("There are none"),
            said(
                "The page of queues (or GET /api/v1/queues/NAME/dlq) says why; mend that, then "
                "replay them"
            ),
        ),
    ]


_WARNINGS = {
    "destinations",
    "destinations-up",
    "routes",
    "attention",
    "dead-letters",
}  # nothing is lost by these


def _check(name: str, title: Said, trouble: Said | None, well: Said, fix: Said) -> Check:
    status = CheckStatus.OK
    if trouble:
        status = CheckStatus.WARN if name in _WARNINGS else CheckStatus.FAIL
    return Check(
        id=name,
        title=title,
        status=status,
        detail=trouble or well,
        fix=fix if trouble else said(""),
    )
