"""The work itself: routes, studies that need somebody, queues and their dead letters."""

from dicom_router.bus import BrokerUnavailable
from dicom_router.ledger import enabled_destinations, enabled_routes
from dicom_router.models import StudyState
from dicom_router.said import Said, joined, said
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
from services.api.queries import quarantine as quarantine_queries
from services.api.queries import studies
from services.api.schemas import Check
from services.api.standing import known_queues, standing, without_consumers


def routes(context: Context) -> list[Check]:
    """They lead to destinations that are there."""
    name, title = "routes", said("Routes lead to destinations")
    with context.database.read() as session:
        usable = set(enabled_destinations(session))
        known = enabled_routes(session)
    lost = {each.name: sorted(set(each.destinations) - usable) for each in known}
    shown = ", ".join(f"{route} ({', '.join(names)})" for route, names in lost.items() if names)
    if shown:
        detail = said(
            "These name destinations that are disabled or not there: {routes}", routes=shown
        )
        fix = said("Enable the destination, or take it out of the route")
        return [warn(name, title, detail, fix)]
    if not known:
        return [well(name, title, said("None: studies go to every enabled destination"))]
    if len(known) == 1:
        return [well(name, title, said("1 route is in use"))]
    return [well(name, title, said("{count} routes are in use", count=len(known)))]


def attention(context: Context) -> list[Check]:
    """No study waits for a person."""
    name, title = "attention", said("Studies that need attention")
    with context.database.read() as session:
        count = studies.count_needing_attention(session)
    if not count:
        return [well(name, title, said("There are none"))]
    detail = (
        said("1 study needs a person to look at it")
        if count == 1
        else said("{count} studies need a person to look at them", count=count)
    )
    fix = said("Look at each: its own page says why, and what to do")
    return [warn(name, title, detail, fix)]


def unrouted(context: Context) -> list[Check]:
    """No study goes nowhere."""
    fix = said("Add or enable a destination: what is unrouted is sent then")
    with context.database.read() as session:
        if enabled_routes(session):
            fix = said(
                "Change the routes, or enable the destinations that they lead to: what is unrouted "
                "is sent once one applies. Or send a study from its own page"
            )
    return _none_in(context, StudyState.UNROUTED, said("Studies without a destination"), fix)


def failed(context: Context) -> list[Check]:
    """No study has failed."""
    fix = said(
        "Each study's page says which destination refused what, or that a delivery was cancelled; "
        "put that right, then send it again"
    )
    return _none_in(context, StudyState.FAILED, said("Studies that failed"), fix)


def held(context: Context) -> list[Check]:
    """No study is held back and forgotten."""
    fix = said("Release each on its page, or delete it; nothing more of it goes out until then")
    return _none_in(context, StudyState.HELD, said("Studies that are held"), fix)


def _none_in(context: Context, state: StudyState, title: Said, fix: Said) -> list[Check]:
    with context.database.read() as session:
        count = context.counts.studies(session).get(state, 0)
    if not count:
        return [well(state, title, said("There are none"))]
    detail = said("1 study") if count == 1 else said("{count} studies", count=count)
    return [warn(state, title, detail, fix)]


def quarantine(context: Context) -> list[Check]:
    """No image was left behind; those that newer bytes replaced are kept on purpose."""
    name, title = "quarantine", said("Quarantine")
    with context.database.read() as session:
        found = quarantine_queries.left_behind(session)
    kept = [_superseded(found.superseded)] if found.superseded else []
    if found.oldest is None:
        return [well(name, title, joined("; ", [said("No image was left behind"), *kept]))]
    since = found.oldest.astimezone()
    detail = said(
        "{count} images could not be organized and went nowhere; the oldest is of "
        "{since:%Y-%m-%d %H:%M}",
        count=found.images,
        since=since,
    )
    if found.images == 1:
        detail = said(
            "1 image (received {since:%Y-%m-%d %H:%M}) could not be organized and went nowhere",
            since=since,
        )
    fix = said(
        "The dashboard's page of the quarantine says why and from whom: have it sent again or "
        "press “Try again” there, then remove what is of no use"
    )
    return [warn(name, title, joined("; ", [detail, *kept]), fix)]


def _superseded(count: int) -> Said:
    if count == 1:
        return said("1 image replaced by newer bytes")
    return said("{count} images replaced by newer bytes", count=count)


def queues(context: Context) -> list[Check]:
    """Each has a consumer; nothing is said while the broker is away."""
    name, title = "queues", said("Queues are consumed")
    try:
        count = len(standing(context, known_queues(context).values()))
        idle = without_consumers(context)
    except BrokerUnavailable:
        return []
    if not idle:
        return [well(name, title, said("{count} queues, each with a consumer", count=count))]
    waiting = sum(each.work.messages for each in idle)
    detail = said(
        "Nobody consumes {names}; messages that wait: {waiting}",
        names=", ".join(each.queue.name for each in idle),
        waiting=waiting,
    )
    fix = said("Start the service that the queue's name begins with; nothing is lost meanwhile")
    return [(fail if waiting else warn)(name, title, detail, fix)]


def dead_letters(context: Context) -> list[Check]:
    """There are none; nothing is said while the broker is away."""
    name, title = "dead-letters", said("Dead letters")
    try:
        found = standing(context, known_queues(context).values())
    except BrokerUnavailable:
        return []
    dead = ", ".join(f"{each.queue.name} ({each.dead})" for each in found if each.dead)
    if not dead:
        return [well(name, title, said("There are none"))]
    fix = said("The dashboard's page of queues says why; put that right, then replay them there")
    return [warn(name, title, said("In {queues}", queues=dead), fix)]
