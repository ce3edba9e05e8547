"""Many studies at once: counted, and asked for batch by batch in the order of their UIDs."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from dicom_router.models import BulkForward, OutboxMessage, Study
from services.api.queries.studies import StudyFilter, conditions


@dataclass(frozen=True, slots=True)
class Counts:
    """How many studies fit a filter."""

    studies: int
    instances: int
    not_on_disk: int


def count(session: Session, wanted: StudyFilter) -> Counts:
    """How many studies fit and can be sent, with how many instances; how many are elsewhere."""
    complete = and_(~Study.deleted, Study.revision > 0)
    here = and_(complete, Study.on_disk)
    row = session.execute(
        select(
            func.count().filter(here),
            func.coalesce(func.sum(Study.image_count).filter(here), 0),
            func.count().filter(and_(complete, ~Study.on_disk)),
        )
        .select_from(Study)
        .where(*conditions(session, wanted))
    ).one()
    return Counts(*row)


def create(
    session: Session,
    wanted: dict[str, Any],
    destination: str | None,
    only_missing: bool,
    *,
    by: str,
    studies: int,
    now: datetime,
) -> BulkForward:
    """Keep what is asked for."""
    row = BulkForward(
        id=uuid.uuid4().hex,
        wanted=wanted,
        destination=destination,
        only_missing=only_missing,
        by=by,
        studies=studies,
        asked=0,
        after="",
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def get(session: Session, bulk_id: str, *, locked: bool = False) -> BulkForward | None:
    """One bulk; `locked` for changing it."""
    return session.get(BulkForward, bulk_id, with_for_update=locked)


def any_unfinished(session: Session) -> bool:
    """Whether studies are left to be asked for."""
    return session.scalar(select(BulkForward.id).where(_unfinished()).limit(1)) is not None


def outbox_waits(session: Session, service: str) -> bool:
    """Whether messages of a service are not published yet."""
    waiting = select(OutboxMessage.id).where(OutboxMessage.service == service).limit(1)
    return session.scalar(waiting) is not None


def oldest_unfinished(session: Session) -> BulkForward | None:
    """The bulk to go on with, locked; None if there is none that nobody else has in hand."""
    return session.scalars(
        select(BulkForward)
        .where(_unfinished())
        .order_by(BulkForward.created_at, BulkForward.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()


def next_studies(
    session: Session, wanted: StudyFilter, row: BulkForward, limit: int
) -> Sequence[str]:
    """The next studies of a bulk that can be sent; none that came after it was asked for."""
    return session.scalars(
        select(Study.study_uid)
        .where(
            *conditions(session, wanted),
            ~Study.deleted,
            Study.on_disk,
            Study.revision > 0,
            Study.created_at <= row.created_at,
            Study.study_uid > row.after,
        )
        .order_by(Study.study_uid)
        .limit(limit)
    ).all()


def advance(row: BulkForward, study_uids: Sequence[str], now: datetime, *, is_last: bool) -> None:
    """These studies have been asked for."""
    row.asked += len(study_uids)
    if study_uids:
        row.after = study_uids[-1]
    if is_last:
        row.finished_at = now


def end(row: BulkForward, why: str, now: datetime) -> None:
    """No more of its studies are asked for."""
    row.reason, row.finished_at = why, now


def _unfinished() -> ColumnElement[bool]:
    return BulkForward.finished_at.is_(None)
