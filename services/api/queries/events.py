"""The record of events. Its ids become visible in order, so that a reader misses none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dicom_router.database import insert_or_ignore
from dicom_router.models import RecordedEvent
from services.api.queries.locks import EVENTS, lock

_PRUNE_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class EventRow:
    """A recorded event; `body` is its envelope's JSON on one line."""

    id: int
    name: str
    body: str


def record(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Record events, leaving out those that are there already.

    A later id must not become visible before an earlier one: whoever has read up to it would never
    look for the other. So one writer at a time, until it has committed.
    """
    lock(session, EVENTS)
    insert_or_ignore(session, RecordedEvent, rows)


def events_after(session: Session, after: int, limit: int, name: str = "") -> list[EventRow]:
    """The next events, in the order in which they were recorded."""
    query = select(RecordedEvent.id, RecordedEvent.name, RecordedEvent.body)
    query = query.where(RecordedEvent.id > after)
    if name:
        query = query.where(RecordedEvent.name == name)
    return [
        EventRow(*row) for row in session.execute(query.order_by(RecordedEvent.id).limit(limit))
    ]


def newest_event(session: Session) -> int:
    """The id of the last event recorded; 0 if there is none."""
    return session.scalar(select(func.max(RecordedEvent.id))) or 0


def prune(session: Session, before: datetime) -> bool:
    """Forget some events of before a time; whether there may be more.

    The newest is kept, however old: SQLite would give its id out again.
    """
    old = (
        select(RecordedEvent.id)
        .where(RecordedEvent.time < before, RecordedEvent.id < newest_event(session))
        .order_by(RecordedEvent.id)
        .limit(_PRUNE_BATCH)
    )
    ids = session.scalars(old).all()
    session.execute(delete(RecordedEvent).where(RecordedEvent.id.in_(ids)))
    return len(ids) == _PRUNE_BATCH
