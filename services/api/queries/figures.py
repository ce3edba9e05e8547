"""Figures for metrics and checks, each from an index."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicom_router.archive import ReceiptId
from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryState,
    Destination,
    DestinationOutage,
    Receipt,
    ReceiptState,
    Study,
    StudyState,
    among,
)


def studies_by_state(session: Session, states: Collection[StudyState]) -> dict[str, int]:
    """How many studies are in each of these states."""
    counted = select(Study.state, func.count()).where(among(Study.state, states))
    return {row.state: row[1] for row in session.execute(counted.group_by(Study.state))}


def deliveries_by_state(
    session: Session, states: Collection[DeliveryState]
) -> dict[tuple[str, str], int]:
    """How many deliveries each destination has in each of these states."""
    rows = session.execute(
        select(Delivery.destination, Delivery.state, func.count())
        .where(among(Delivery.state, states))
        .group_by(Delivery.destination, Delivery.state)
    )
    return {(destination, state): count for destination, state, count in rows}


def destinations_down(session: Session) -> dict[str, bool]:
    """Whether each destination is down."""
    rows = session.execute(
        select(Destination.name, DestinationOutage.destination).outerjoin(
            DestinationOutage, DestinationOutage.destination == Destination.name
        )
    )
    return {name: outage is not None for name, outage in rows}


def receipts_before(session: Session, moment: datetime) -> int:
    """How many receipts were received before a moment, by the time in their ids."""
    query = select(func.count()).where(Receipt.receipt_id < first_id(moment))
    return session.scalar(query) or 0


def receipts_since(session: Session, moment: datetime) -> int:
    """How many receipts were received since a moment, by the time in their ids."""
    query = select(func.count()).where(Receipt.receipt_id >= first_id(moment))
    return session.scalar(query) or 0


def studies_since(session: Session, moment: datetime) -> int:
    """How many studies began to arrive since a moment."""
    query = select(func.count()).select_from(Study).where(Study.created_at >= moment)
    return session.scalar(query) or 0


def open_deliveries(session: Session) -> int:
    """How many deliveries have not ended."""
    query = select(func.count()).select_from(Delivery)
    return session.scalar(query.where(among(Delivery.state, OPEN_DELIVERY_STATES))) or 0


def files_in_quarantine(session: Session) -> int:
    """How many receipts ended in quarantine."""
    states = (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)
    query = select(func.count()).where(among(Receipt.state, states), Receipt.on_disk)
    return session.scalar(query) or 0


def first_id(moment: datetime) -> str:
    """What every receipt's id of this moment or later sorts after: they begin with their time."""
    return str(ReceiptId(moment, "", 0)).partition("Z")[0]
