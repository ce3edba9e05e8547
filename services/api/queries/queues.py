"""What the database says of the messages in queues."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryState,
    Destination,
    Receipt,
    Study,
    among,
)

_CHUNK = 500  # values in one IN list


def destination_names(session: Session) -> set[str]:
    """All destinations."""
    return set(session.scalars(select(Destination.name)))


def past_destination_names(session: Session) -> set[str]:
    """Destinations that deliveries were made for and failed, those that are gone among them."""
    failed = select(Delivery.destination).where(Delivery.state == DeliveryState.FAILED)
    return set(session.scalars(failed.distinct()))


def open_deliveries(session: Session) -> dict[str, tuple[int, datetime | None]]:
    """How many deliveries have not ended and when the oldest was made, by destination."""
    is_open = among(Delivery.state, OPEN_DELIVERY_STATES)
    found = select(Delivery.destination, func.count(), func.min(Delivery.created_at)).where(is_open)
    rows = session.execute(found.group_by(Delivery.destination))
    return {destination: (count, oldest) for destination, count, oldest in rows}


def retryable(session: Session, delivery_ids: Collection[str]) -> set[str]:
    """Which of these deliveries have failed and would be tried again if somebody asked."""
    found: set[str] = set()
    for chunk in _chunks(delivery_ids):
        found |= set(
            session.scalars(
                select(Delivery.id)
                .join(Study, Study.study_uid == Delivery.study_uid)
                .join(Destination, Destination.name == Delivery.destination)
                .where(
                    Delivery.id.in_(chunk),
                    Delivery.state == DeliveryState.FAILED,
                    Delivery.replaced_by.is_(None),
                    ~Study.deleted,
                )
            )
        )
    return found


def studies_of_receipts(session: Session, receipt_ids: Collection[str]) -> dict[str, str]:
    """The studies of receipts that are known, by receipt."""
    found: dict[str, str] = {}
    for chunk in _chunks(receipt_ids):
        rows = session.execute(
            select(Receipt.receipt_id, Receipt.study_uid).where(Receipt.receipt_id.in_(chunk))
        )
        found.update({receipt_id: study for receipt_id, study in rows if study})
    return found


def studies_of_deliveries(session: Session, delivery_ids: Collection[str]) -> dict[str, str]:
    """The studies of deliveries, by delivery."""
    found: dict[str, str] = {}
    for chunk in _chunks(delivery_ids):
        found.update(
            session.execute(
                select(Delivery.id, Delivery.study_uid).where(Delivery.id.in_(chunk))
            ).all()
        )
    return found


def _chunks(values: Collection[str]) -> list[list[str]]:
    listed = sorted(values)
    return [listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK)]
