"""Associations: who called, from where, and what came of it."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from dicom_router.models import Association, UtcDateTime
from dicom_router.said import said
from services.api.paging import Cursor
from services.api.problems import Problem

ORDER = "newest"


def associations(
    session: Session,
    outcomes: Collection[str | None],
    calling_ae_title: str,
    after: Cursor | None,
    limit: int,
) -> Sequence[Association]:
    """The next associations, newest first; the outcome None is that of an open one."""
    return session.scalars(listing(outcomes, calling_ae_title, after).limit(limit)).all()


def listing(
    outcomes: Collection[str | None], calling_ae_title: str, after: Cursor | None
) -> Select[Association]:
    """The query behind it, for which there are indexes."""
    query = select(Association).where(Association.opened_at.is_not(None))
    if outcomes:
        ended = Association.outcome.in_([each for each in outcomes if each is not None])
        is_open = Association.outcome.is_(None)
        query = query.where(or_(ended, is_open) if None in outcomes else ended)
    if calling_ae_title:
        query = query.where(Association.calling_ae_title == calling_ae_title)
    if after is not None:
        last = tuple_(literal(_moment(after.key), UtcDateTime()), literal(after.id))
        query = query.where(tuple_(Association.opened_at, Association.association_id) < last)
    order = Association.opened_at.desc(), Association.association_id.desc()
    return query.order_by(*order)


def cursor_of(row: Association) -> Cursor:
    """Where a page that ends with this association ends."""
    assert row.opened_at is not None  # noqa: S101 - others are not listed
    return Cursor(ORDER, row.opened_at.isoformat(), row.association_id)


def _moment(key: str | int) -> datetime:
    try:
        return datetime.fromisoformat(str(key)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem.field("cursor", said("it is none that this API gave out")) from None
