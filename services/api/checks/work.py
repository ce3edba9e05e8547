"""The work itself: routes, studies that need somebody, queues and their dead letters."""

from dicom_router.bus import BrokerUnavailable
from dicom_router.ledger import enabled_destinations, enabled_routes
from dicom_router.said import said
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
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
        return [well(name, title, said("1 is followed"))]
    return [well(name, title, said("{count} are followed", count=len(known)))]


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
    fix = said("The dashboard's page of queues says why; mend that, then replay them there")
    return [warn(name, title, said("There are some in {queues}", queues=dead), fix)]
