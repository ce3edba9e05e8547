"""Destinations: reading and changing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dicom_router.events import DeliveryReason
from dicom_router.ledger import lock_studies, note, refresh_state
from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryState,
    Destination,
    DestinationOutage,
    Study,
    among,
)
from dicom_router.said import said
from services.api.queries.locks import CONFIGURATION, lock


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """A destination, whether it is down, and how many deliveries to it have not ended."""

    row: Destination
    outage: DestinationOutage | None
    waiting: int


def destinations(session: Session, after: str = "", limit: int = 500) -> list[DestinationStatus]:
    """The next destinations, by name."""
    query = select(Destination).where(Destination.name > after).order_by(Destination.name)
    return _with_status(session, session.scalars(query.limit(limit)).all())


def destination(session: Session, name: str) -> DestinationStatus | None:
    """One destination."""
    row = session.get(Destination, name)
    return _with_status(session, [row])[0] if row else None


def any_destination(session: Session) -> bool:
    """Whether there is one at all."""
    return session.scalar(select(Destination.name).limit(1)) is not None


def create_destination(
    session: Session, name: str, values: Mapping[str, Any], now: datetime
) -> Destination | None:
    """A new destination; None if there is one of this name already."""
    lock(session, CONFIGURATION)
    if session.get(Destination, name) is not None:
        return None
    row = Destination(**values, name=name, created_at=now, updated_at=now)
    session.add(row)
    session.flush()
    return row


def lock_destination(session: Session, name: str) -> Destination | None:
    """One destination, for changing it."""
    return session.get(Destination, name, with_for_update=True)


def change_destination(row: Destination, values: Mapping[str, Any], now: datetime) -> bool:
    """Give a destination these values; whether any of them is new."""
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    for key, value in changed.items():
        setattr(row, key, value)
    if changed:
        row.updated_at = now
    return bool(changed)


def managed_destinations(session: Session, variable: str) -> Sequence[Destination]:
    """The destinations that a variable owns, for changing them."""
    return session.scalars(
        select(Destination).where(Destination.managed_by == variable).with_for_update()
    ).all()


def open_deliveries(session: Session, name: str) -> int:
    """How many deliveries to a destination have not ended."""
    return session.scalar(select(func.count()).where(*_open(name))) or 0


def delete_destination(session: Session, row: Destination) -> None:
    """Remove a destination."""
    session.execute(delete(Destination).where(Destination.name == row.name))


def cancel_deliveries(session: Session, name: str, by: str, now: datetime, studies: int) -> int:
    """Cancel what so many studies still owe a destination, under their locks; how many deliveries.

    0 once nothing is owed to it.
    """
    uids = session.scalars(
        select(Delivery.study_uid).where(*_open(name)).distinct().limit(studies)
    ).all()
    locked = lock_studies(session, Study.study_uid.in_(uids))
    cancelled = session.scalars(
        select(Delivery)
        .where(*_open(name), Delivery.study_uid.in_(uids))
        .order_by(Delivery.id)
        .with_for_update()
    ).all()
    text = said("The destination {name} was deleted by {by}", name=name, by=by)
    for each in cancelled:
        each.state = DeliveryState.CANCELLED
        each.reason = DeliveryReason(kind="cancelled", text=text).as_row()
        each.finished_at, each.next_attempt_at = now, None
        each.lease_owner = each.lease_until = None
        note(session, each.study_uid, now, "delivery-cancelled", text, destination=name)
    for study in locked.values():
        refresh_state(session, study, now)
    return len(cancelled)


def _open(name: str) -> tuple[Any, ...]:
    return Delivery.destination == name, among(Delivery.state, OPEN_DELIVERY_STATES)


def _with_status(session: Session, rows: Sequence[Destination]) -> list[DestinationStatus]:
    names = [row.name for row in rows]
    outages = {
        outage.destination: outage
        for outage in session.scalars(
            select(DestinationOutage).where(DestinationOutage.destination.in_(names))
        )
    }
    counts = session.execute(
        select(Delivery.destination, func.count())
        .where(Delivery.destination.in_(names), among(Delivery.state, OPEN_DELIVERY_STATES))
        .group_by(Delivery.destination)
    )
    waiting = {row.destination: row[1] for row in counts}
    return [DestinationStatus(row, outages.get(row.name), waiting.get(row.name, 0)) for row in rows]
