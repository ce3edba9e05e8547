"""The audit trail: written by whoever changes or shows something, read by administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.orm import Session

from dicom_router.models import AuditEntry
from dicom_router.said import said
from services.api.paging import Cursor
from services.api.problems import Problem

ORDER = "-at"
_PRUNE_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; empty: all."""

    who: str = ""
    action: str = ""
    study_uid: str = ""
    since: datetime | None = None
    before: datetime | None = None


def record(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Add entries."""
    if rows:
        session.execute(insert(AuditEntry), list(rows))


def entries(
    session: Session, wanted: AuditFilter, after: Cursor | None, limit: int
) -> Sequence[AuditEntry]:
    """The next entries, the newest first."""
    query = select(AuditEntry)
    if wanted.who:
        query = query.where(AuditEntry.who == wanted.who)
    if wanted.action:
        query = query.where(AuditEntry.action == wanted.action)
    if wanted.study_uid:
        query = query.where(AuditEntry.study_uid == wanted.study_uid)
    if wanted.since is not None:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.before is not None:
        query = query.where(AuditEntry.at < wanted.before)
    if after is not None:
        at, last = _place(after)
        query = query.where(
            or_(AuditEntry.at < at, and_(AuditEntry.at == at, AuditEntry.id < last))
        )
    query = query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit)
    return session.scalars(query).all()


def cursor_of(row: AuditEntry) -> Cursor:
    """Where a page that ends with this entry ends."""
    return Cursor(ORDER, row.at.isoformat(), str(row.id))


def prune(session: Session, before: datetime) -> bool:
    """Forget some entries of before a time; whether there may be more."""
    old = select(AuditEntry.id).where(AuditEntry.at < before).order_by(AuditEntry.at)
    ids = session.scalars(old.limit(_PRUNE_BATCH)).all()
    session.execute(delete(AuditEntry).where(AuditEntry.id.in_(ids)))
    return len(ids) == _PRUNE_BATCH


def _place(cursor: Cursor) -> tuple[datetime, int]:
    try:
        at = datetime.fromisoformat(str(cursor.key)).astimezone(UTC)
        last = int(cursor.id)
        if not 0 <= last < 2**63:
            raise ValueError
    except (ValueError, OverflowError):
        raise Problem.field(
            "cursor", said("it is none that this API gave out; use `next` of the page before")
        ) from None
    return at, last
