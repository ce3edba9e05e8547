"""/events: what happened, for clients that follow and for those that were away."""

import json
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from dicom_router.events import EVENT_TYPES
from dicom_router.said import said
from services.api.context import LIMIT, Api, Limit, Viewer
from services.api.feed import Feed
from services.api.problems import Problem
from services.api.queries.events import EventRow, events_after
from services.api.schemas import Page, RecordedEvent
from services.api.streams import streamed

router = APIRouter(prefix="/events", tags=["events"])

_MOST = 2**63 - 1

After = Annotated[int | None, Query(ge=0, le=_MOST, description="The id of the last one seen.")]

EventName = StrEnum("EventName", {each.name: each.name for each in EVENT_TYPES})  # type: ignore[misc]


@router.get("", summary="Events of the last 7 days")
def list_events(
    api: Api,
    _who: Viewer,
    after: After = None,
    type: EventName | None = None,  # noqa: A002 - the contract's name
    limit: Limit = LIMIT,
    cursor: After = None,
) -> Page[RecordedEvent]:
    """In the order in which they were recorded; the last item's id is where to go on from."""
    start = max(after or 0, cursor or 0)
    with api.database.read() as session:
        rows = events_after(session, start, limit + 1, type or "")
    shown = [
        RecordedEvent(id=row.id, name=row.name, event=json.loads(row.body)) for row in rows[:limit]
    ]
    return Page(items=shown, next=str(rows[limit - 1].id) if len(rows) > limit else None)


@router.get(
    "/stream",
    summary="Follow events as they happen",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/CloudEvent"}}
            },
            "description": "Server-sent events, with such `data` each.",
        }
    },
)
async def stream_events(
    api: Api,
    who: Viewer,
    after: After = None,
    type: EventName | None = None,  # noqa: A002 - the contract's name
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Server-sent events from now on, or after the one given: each a CloudEvent by its name.

    The answer's headers come once nothing can be missed any more.
    """
    start = _start(after, last_event_id)
    position = await api.feed.newest() if start is None else start
    return streamed(api, who, _stream(api.feed, position, type))


def _start(after: int | None, last_event_id: str | None) -> int | None:
    """A browser that reconnects knows better than its address where it was."""
    if not last_event_id:
        return after
    if not (last_event_id.isascii() and last_event_id.isdigit()) or int(last_event_id) > _MOST:
        raise Problem.field("Last-Event-ID", said("it is the id of an event of this stream"))
    return int(last_event_id)


async def _stream(feed: Feed, position: int, name: str | None) -> AsyncGenerator[bytes, None]:
    yield b": following\n\n"
    async for row in feed.follow(position):
        if row is None:
            yield b": still here\n\n"
        elif name is None or row.name == name:
            yield _encoded(row)


def _encoded(row: EventRow) -> bytes:
    return f"event: {row.name}\nid: {row.id}\ndata: {row.body}\n\n".encode()
