"""What the router stands on: the database, the broker, clocks, and which versions these are."""

import platform
import socket
from contextlib import suppress
from datetime import datetime, timedelta

from dicom_router import VERSION
from dicom_router.errors import ConfigurationError, Unavailable
from dicom_router.migrations import require_current
from dicom_router.said import Said, as_said, joined, said
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
from services.api.queries import server
from services.api.schemas import Check

_MOST_APART = timedelta(seconds=5)
_THE_DATABASE = said("the database's clock")
_CLOCK_FIX = said(
    "Set the time on both machines and keep it so with NTP (timedatectl set-ntp true): times in "
    "the timeline, quiet times and certificates are judged by it"
)


def database_trouble(context: Context) -> Said | None:
    """Why the database can't be worked with, if it can't."""
    try:
        require_current(context.database)
    except (Unavailable, ConfigurationError) as error:
        return as_said(error)
    return None


def broker_trouble(context: Context) -> Said | None:
    """Why nothing can be published, if nothing can."""
    return None if context.bus.connected else said("The message broker can't be reached")


def database(context: Context) -> list[Check]:
    """It answers, and has the schema of this version."""
    name, title = "database", said("Database")
    trouble = database_trouble(context)
    if trouble:
        fix = said(
            "See that the database runs and that ROUTER_DATABASE_URL is right; images are received "
            "and kept meanwhile. For another schema: python -m dicom_router.migrations"
        )
        return [fail(name, title, trouble, fix)]
    return [well(name, title, said("It answers, and its schema is this version's"))]


def broker(context: Context) -> list[Check]:
    """It is connected."""
    name, title = "broker", said("Message broker")
    trouble = broker_trouble(context)
    if trouble:
        fix = said(
            "See that RabbitMQ runs and that ROUTER_AMQP_URL is right; images are received and "
            "kept meanwhile"
        )
        return [fail(name, title, trouble, fix)]
    return [well(name, title, said("It is connected"))]


def clock(context: Context) -> list[Check]:
    """The database's clock, and those of the services as their log lines have them."""
    with context.database.read() as session:
        before = context.clock()
        theirs = server.now(session)
        after = context.clock()
    apart = {_THE_DATABASE: _apart(theirs, before, after)} if theirs else {}
    ahead = context.logbook.clocks_ahead()
    ahead.pop(socket.gethostname(), None)
    apart |= {said("the clock of {host}", host=host): by for host, by in ahead.items()}
    return [_judged(apart)]


def _judged(apart: dict[Said, timedelta]) -> Check:
    """How far other clocks are ahead of this host's."""
    name, title = "clock", said("Clock")
    wrong = [_said(whose, by) for whose, by in apart.items() if abs(by) > _MOST_APART]
    if wrong:
        detail = said("Compared with this machine's: {clocks}", clocks=joined(", ", wrong))
        return warn(name, title, detail, _CLOCK_FIX)
    if not apart:
        return well(name, title, said("Everything runs by this machine's clock"))
    detail = said(
        "Less than {seconds:.0f} s apart from this machine's: {clocks}",
        seconds=_MOST_APART.total_seconds(),
        clocks=joined(", ", apart),
    )
    return well(name, title, detail)


def versions(context: Context) -> list[Check]:
    """What runs, for whoever is asked for help."""
    found: list[object] = [
        said("Router {version}", version=VERSION),
        f"Python {platform.python_version()}",
    ]
    with suppress(Unavailable), context.database.read() as session:
        found.append(server.version(session))
    found.append(context.bus.server if context.settings.broker else said("in-process bus"))
    return [well("versions", said("Versions"), joined(", ", filter(None, found)))]


def _apart(theirs: datetime, before: datetime, after: datetime) -> timedelta:
    """How far their clock is ahead, if at all: the question took some time itself."""
    if before <= theirs <= after:
        return timedelta(0)
    return theirs - (after if theirs > after else before)


def _said(whose: Said, by: timedelta) -> Said:
    seconds = abs(by.total_seconds())
    if by > timedelta(0):
        return said("{clock} is {seconds:.0f} s ahead", clock=whose, seconds=seconds)
    return said("{clock} is {seconds:.0f} s behind", clock=whose, seconds=seconds)
