"""/logs: what the services say, now and a little while back."""

import re
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from dicom_router.said import said
from services.api.context import LIMIT, Api, CursorText, Limit, Viewer
from services.api.logbook import Line, Logbook, LogFilter
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries.studies import ids_of
from services.api.schemas import LogEntry, LogLevel, Page
from services.api.streams import streamed

router = APIRouter(prefix="/logs", tags=["logs"])

_SORT = "logs"
_NO_NUL = r"^[^\x00]*$"


def _wanted(
    api: Api,
    level: Annotated[LogLevel | None, Query(description="This one and what matters more.")] = None,
    service: Annotated[
        str, Query(description="receiver, organizer, forwarder, api or router.")
    ] = "",
    q: Annotated[
        str, Query(pattern=_NO_NUL, description="Text in the line, such as an AE title.")
    ] = "",
    study: Annotated[
        str,
        Query(
            pattern=_NO_NUL,
            description="A Study Instance UID: its lines, and those of the associations and "
            "deliveries that are known of it when this is asked.",
        ),
    ] = "",
) -> LogFilter:
    if not study:
        return LogFilter(level, service, q)
    with api.database.read() as session:
        return LogFilter(level, service, q, frozenset(ids_of(session, study)))


Wanted = Annotated[LogFilter, Depends(_wanted)]


@router.get("", summary="The newest log lines")
def list_logs(
    api: Api, _who: Viewer, wanted: Wanted, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[LogEntry]:
    """Of all services, the newest first: the last 5,000 since the api was started."""
    after = parse_cursor(cursor, _SORT)
    if after is not None and (after.id != api.logbook.name or not isinstance(after.key, int)):
        raise Problem.field("cursor", said("the api was started anew since; begin without one"))
    lines = api.logbook.newest(wanted, int(after.key) if after else None, limit + 1)
    return Page(
        items=[line.entry for line in lines[:limit]],
        next=next_cursor(lines, limit, lambda line: Cursor(_SORT, line.number, api.logbook.name)),
    )


@router.get(
    "/stream",
    summary="Follow the log as it is written",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/LogEntry"}}},
            "description": "Server-sent events, with such `data` each.",
        }
    },
)
async def stream_logs(
    api: Api,
    who: Viewer,
    wanted: Wanted,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Server-sent events `log`, each with an entry as GET /logs shows it, from now on.

    With `Last-Event-ID` from there; if the api was started anew since, all it has.
    """
    return streamed(api, who, _stream(api.logbook, _start(api.logbook, last_event_id), wanted))


def _start(logbook: Logbook, last_event_id: str | None) -> int:
    if not last_event_id:
        return logbook.position
    found = re.fullmatch(r"([0-9a-f]{8})\.([0-9]{1,15})", last_event_id)
    if found is None:
        raise Problem.field("Last-Event-ID", said("it is the id of an event of this stream"))
    return int(found[2]) if found[1] == logbook.name else 0


async def _stream(
    logbook: Logbook, position: int, wanted: LogFilter
) -> AsyncGenerator[bytes, None]:
    yield b": following\n\n"
    async for line in logbook.follow(position, wanted):
        yield b": still here\n\n" if line is None else _encoded(line)


def _encoded(line: Line) -> bytes:
    return f"event: log\nid: {line.entry.id}\ndata: {line.entry.model_dump_json()}\n\n".encode()
