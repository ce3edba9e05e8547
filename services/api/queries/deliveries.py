"""Deliveries: what destinations are owed, and how far that is."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from dicom_router.ledger import lock_study
from dicom_router.models import (
    Delivery,
    DeliveryInstance,
    DeliveryInstanceState,
    DeliveryState,
    Study,
    UtcDateTime,
    among,
)
from dicom_router.said import said
from services.api.paging import Cursor
from services.api.problems import Problem

ORDER = "newest"


@dataclass(frozen=True, slots=True)
class CountedDelivery:
    """A delivery, and how many of its instances are there."""

    row: Delivery
    sent: int
    total: int


def deliveries(
    session: Session,
    states: Collection[DeliveryState],
    destination: str,
    replaced: bool | None,
    after: Cursor | None,
    limit: int,
) -> list[CountedDelivery]:
    """The next deliveries, newest first."""
    query = select(Delivery)
    if states:
        query = query.where(among(Delivery.state, states))
    if destination:
        query = query.where(Delivery.destination == destination)
    if replaced is not None:
        query = query.where(Delivery.replaced_by.is_not(None) == replaced)
    if after is not None:
        last = tuple_(literal(_moment(after.key), UtcDateTime()), literal(after.id))
        query = query.where(tuple_(Delivery.created_at, Delivery.id) < last)
    query = query.order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)
    return counted(session, session.scalars(query).all())


def cursor_of(delivery: Delivery) -> Cursor:
    """Where a page that ends with this delivery ends."""
    return Cursor(ORDER, delivery.created_at.isoformat(), delivery.id)


def delivery(session: Session, delivery_id: str) -> Delivery | None:
    """One delivery."""
    return session.get(Delivery, delivery_id)


def lock_delivery(session: Session, delivery_id: str) -> tuple[Study, Delivery] | None:
    """One delivery with its study, both locked."""
    row = session.get(Delivery, delivery_id)
    study = lock_study(session, row.study_uid) if row is not None else None
    if row is None or study is None:
        return None
    session.refresh(row, with_for_update=True)
    return study, row


def deliveries_of(session: Session, study_uids: Sequence[str]) -> dict[str, list[CountedDelivery]]:
    """All deliveries of these studies, newest last."""
    rows = session.scalars(
        select(Delivery)
        .where(Delivery.study_uid.in_(study_uids))
        .order_by(Delivery.created_at, Delivery.revision, Delivery.id)
    ).all()
    found: dict[str, list[CountedDelivery]] = defaultdict(list)
    for each in counted(session, rows):
        found[each.row.study_uid].append(each)
    return found


def counted(session: Session, rows: Sequence[Delivery]) -> list[CountedDelivery]:
    """Deliveries with how far they are: counted, unless they are delivered."""
    counts = {
        row.id: (row.images, row.images)
        for row in rows
        if row.state == DeliveryState.DELIVERED and row.images is not None
    }
    sent = func.count().filter(DeliveryInstance.state == DeliveryInstanceState.DELIVERED)
    owed = func.count().filter(DeliveryInstance.state != DeliveryInstanceState.SUPERSEDED)
    uncounted = [row.id for row in rows if row.id not in counts]
    if uncounted:
        of_each = (
            select(DeliveryInstance.delivery_id, sent, owed)
            .where(DeliveryInstance.delivery_id.in_(uncounted))
            .group_by(DeliveryInstance.delivery_id)
        )
        counts |= {each: (some, all_) for each, some, all_ in session.execute(of_each)}
    return [CountedDelivery(row, *counts.get(row.id, (0, 0))) for row in rows]


def _moment(key: str | int) -> datetime:
    try:
        return datetime.fromisoformat(str(key)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem.field("cursor", said("it is none that this API gave out")) from None
