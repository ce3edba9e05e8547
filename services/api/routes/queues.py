"""/queues: what waits, what nobody handles, and dead letters back to work."""

from heapq import nsmallest

from fastapi import APIRouter

from dicom_router.bus import Queue
from dicom_router.log import Log, get_logger
from dicom_router.said import said
from services.api import letters, views
from services.api.context import LIMIT, Api, CursorText, Limit, Operator, Viewer
from services.api.letters import Replay
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import queues as queries
from services.api.queue_history import EVERY
from services.api.routes.studies import StudyUid
from services.api.schemas import DeadLetter, Page, QueueHistory, QueueStatus, Replayed, WhatToReplay
from services.api.standing import known_queues, standing

router = APIRouter(tags=["queues"])

log = get_logger()


@router.get("/queues", summary="List queues")
def list_queues(
    api: Api, _who: Viewer, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[QueueStatus]:
    """The router's queues by name: what waits in them, who consumes them, their dead letters."""
    after = parse_cursor(cursor, "name")
    known = [queue for name, queue in known_queues(api).items() if not after or name > after.id]
    rows = known[: limit + 1]
    with api.database.read() as session:
        owed = queries.open_deliveries(session)
    shown = [
        views.queue(each, api.oldest_letters.of(each.queue, each.dead), owed)
        for each in standing(api, rows[:limit])
    ]
    return Page(
        items=shown,
        next=next_cursor(rows, limit, lambda queue: Cursor("name", "", queue.name)),
    )


@router.get("/queues/history", summary="How deep the queues were")
def get_queue_history(api: Api, _who: Viewer) -> QueueHistory:
    """A sample every 30 s of the last six hours, in memory: a restart of the api begins anew."""
    return QueueHistory(
        every_seconds=EVERY.total_seconds(),
        samples=[views.queue_sample(each) for each in api.queue_history.samples()],
    )


@router.get("/queues/{name}/dlq", summary="A queue's dead letters")
def list_dead_letters(
    api: Api, _who: Viewer, name: str, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[DeadLetter]:
    """Messages that could not be handled, those that failed first at the top; they stay there."""
    queue = _known(api, name)
    after = parse_cursor(cursor, letters.ORDER)
    last = (str(after.key), after.id) if after else ("", "")
    with api.bus.dead_letters(queue) as found:
        later = (each for each in found if letters.place_of(each) > last)
        rows = nsmallest(limit + 1, later, key=letters.place_of)
    return Page(
        items=[views.dead_letter(each) for each in letters.understood(api, rows[:limit])],
        next=next_cursor(rows, limit, letters.cursor_of),
    )


@router.post("/queues/{name}/dlq/replay", status_code=202, summary="Take dead letters back to work")
def replay_dead_letters(api: Api, who: Operator, name: str, given: WhatToReplay) -> Replayed:
    """One message, those of a study, or with `{}` all of them, with all their attempts again.

    A failed delivery is tried again. Letters of deliveries that have not failed any more are
    dropped.
    """
    who.study_uid, who.detail["message_id"] = given.study_uid, given.message_id
    replay = Replay(api, _known(api, name), who.name, given.message_id, given.study_uid)
    _run([replay])
    who.detail["replayed"] = replay.replayed
    if given.message_id is not None and not replay.replayed + replay.dropped:
        raise Problem(
            404,
            said(
                "There is no dead letter {message_id!r} (any more); GET "
                "/api/v1/queues/{name}/dlq lists them.",
                message_id=given.message_id,
                name=name,
            ),
        )
    return _counted([replay])


@router.post(
    "/studies/{study_uid}/replay", status_code=202, summary="Take a study's dead letters to work"
)
def replay_study(api: Api, who: Operator, study_uid: StudyUid) -> Replayed:
    """Those of all queues, as POST /queues/{name}/dlq/replay does for one of them."""
    found = [each.queue for each in standing(api, known_queues(api).values()) if each.dead]
    replays = [Replay(api, queue, who.name, study_uid=study_uid) for queue in found]
    _run(replays)
    return _counted(replays)


def _run(replays: list[Replay]) -> None:
    for each in replays:
        try:
            each.run()
        finally:
            if each.replayed or each.dropped:
                log.info(
                    Log.QUEUE_REPLAYED,
                    queue=each.queue.name,
                    replayed=each.replayed,
                    dropped=each.dropped,
                    by=each.by,
                )


def _counted(replays: list[Replay]) -> Replayed:
    return Replayed(
        replayed=sum(each.replayed for each in replays),
        dropped=sum(each.dropped for each in replays),
    )


def _known(api: Api, name: str) -> Queue:
    queue = known_queues(api).get(name)
    if queue is None:
        raise Problem(
            404, said("There is no queue {name!r}; GET /api/v1/queues lists them.", name=name)
        )
    return queue
