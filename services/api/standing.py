"""How the queues stand, whoever consumes them, and what it means when one grows."""

from collections.abc import Iterable

from dicom_router.bus import Queue, QueueDepth
from dicom_router.queues import (
    FORWARDER_COMMANDS,
    INTAKE,
    ORGANIZER_COMMANDS,
    STUDY_COMPLETE,
    delivery_queue,
    destination_of,
)
from dicom_router.said import said
from services.api.context import Context
from services.api.handlers import EVENTS_QUEUE
from services.api.queries import queues as queries
from services.api.queue_history import Standing

# What it means when one grows, as in `docs/operations.md`, "Queues".
_GROWS = {
    INTAKE.name: said(
        "the organizers are away, wait for the database, or are slower than the scanners"
    ),
    ORGANIZER_COMMANDS.name: said("the organizers are away"),
    STUDY_COMPLETE.name: said("the forwarders are away or wait for the database"),
    FORWARDER_COMMANDS.name: said("the forwarders are away"),
    EVENTS_QUEUE.name: said("no api runs, or the database is away"),
}
_DELIVERIES_GROW = said("the forwarders are away; what waits for the destination is in retry.30s")


def known_queues(context: Context) -> dict[str, Queue]:
    """All queues of the router by name; of deleted destinations those that may have letters."""
    with context.database.read() as session:
        names = queries.destination_names(session) | queries.past_destination_names(session)
    fixed = (INTAKE, ORGANIZER_COMMANDS, STUDY_COMPLETE, FORWARDER_COMMANDS, EVENTS_QUEUE)
    found = [*fixed, *map(delivery_queue, names)]
    return {queue.name: queue for queue in sorted(found, key=lambda queue: queue.name)}


def standing(context: Context, queues: Iterable[Queue]) -> list[Standing]:
    """How these queues stand; those that are not there are left out."""
    wanted = list(queues)
    depths = {each.name: each for each in context.bus.depths(wanted)}
    return [_standing(queue, depths) for queue in wanted if queue.name in depths]


def _standing(queue: Queue, depths: dict[str, QueueDepth]) -> Standing:
    tiers = [depths[name] for name in map(queue.retry_name, queue.tiers) if name in depths]
    dead = depths.get(queue.dead_letter_name)
    grows_when = _GROWS.get(queue.name, _DELIVERIES_GROW)
    return Standing(queue, grows_when, depths[queue.name], tiers, dead.messages if dead else 0)


def note_depths(context: Context) -> None:
    """Keep how deep all queues are now, for who looks later."""
    context.queue_history.note(standing(context, known_queues(context).values()))


def without_consumers(context: Context) -> list[Standing]:
    """Queues that somebody ought to consume and nobody does."""
    known = known_queues(context)
    with context.database.read() as session:
        destinations = queries.destination_names(session)
    needed = [q for q in known.values() if destination_of(q.name) in {None, *destinations}]
    return [each for each in standing(context, needed) if each.work.consumers == 0]
