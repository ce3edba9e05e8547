"""Destinations and their outages."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryState,
    Destination,
    DestinationOutage,
    among,
)
from dicom_router.retry import NEVER_PUT_OFF_FOR


@dataclass(frozen=True, slots=True)
class Outage:
    """A destination that is down."""

    since: datetime
    probe: str  # echo, or image
    next_probe_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A destination as it is configured now, and whether it is down."""

    name: str
    host: str
    port: int
    ae_title: str
    calling_ae_title: str  # empty: the router's own
    paused: bool
    tls: bool
    outage: Outage | None


def destination_names(session: Session) -> set[str]:
    """All destinations."""
    return set(session.scalars(select(Destination.name)))


def standing(session: Session, name: str) -> Standing | None:
    """A destination; None once it was deleted."""
    row = session.execute(
        select(Destination, DestinationOutage)
        .outerjoin(DestinationOutage, DestinationOutage.destination == Destination.name)
        .where(Destination.name == name)
    ).one_or_none()
    if row is None:
        return None
    found: Destination = row[0]
    outage: DestinationOutage | None = row[1]
    return Standing(
        name=found.name,
        host=found.host,
        port=found.port,
        ae_title=found.ae_title,
        calling_ae_title=found.calling_ae_title,
        paused=found.paused,
        tls=found.tls,
        outage=Outage(outage.since, outage.probe, outage.next_probe_at) if outage else None,
    )


def lock_destination(session: Session, name: str) -> bool:
    """Lock a destination's row until the transaction ends; False if it was deleted."""
    return session.get(Destination, name, with_for_update=True) is not None


def outage_of(session: Session, name: str) -> DestinationOutage | None:
    """The outage of a destination; lock the destination before changing it."""
    return session.get(DestinationOutage, name, populate_existing=True)


def hold_outage(session: Session, name: str) -> DestinationOutage | None:
    """The outage of a destination: until the transaction ends none begins there, and none ends."""
    session.execute(
        select(Destination.name)
        .where(Destination.name == name)
        .with_for_update(read=True, key_share=True)  # many may hold it at once
    )
    return outage_of(session, name)


def insert_outage(session: Session, outage: DestinationOutage) -> None:
    """A destination went down: what waits for it says why."""
    session.add(outage)
    session.execute(
        update(Delivery)
        .where(Delivery.destination == outage.destination, Delivery.state == DeliveryState.WAITING)
        .values(reason=outage.reason)
    )


def delete_outage(session: Session, outage: DestinationOutage, now: datetime) -> None:
    """A destination is up again: whatever is open there is due at once."""
    session.delete(outage)
    mine = Delivery.destination == outage.destination
    session.execute(
        update(Delivery).where(mine, Delivery.state == DeliveryState.WAITING).values(reason=None)
    )
    open_states = among(Delivery.state, (DeliveryState.WAITING, DeliveryState.RETRYING))
    session.execute(
        update(Delivery)
        .where(mine, open_states, Delivery.next_attempt_at > now)
        .values(next_attempt_at=now)
    )


def take_probe(session: Session, name: str, now: datetime, next_at: datetime) -> bool:
    """Be the one who probes now; of several forwarders only one gets True."""
    taken = session.execute(
        update(DestinationOutage)
        .where(
            DestinationOutage.destination == name,
            or_(
                DestinationOutage.next_probe_at <= now,
                DestinationOutage.next_probe_at > now + NEVER_PUT_OFF_FOR,
            ),
        )
        .values(next_probe_at=next_at)
        .returning(DestinationOutage.destination)
    )
    return taken.first() is not None


def probe_now(session: Session, name: str, now: datetime) -> None:
    """Have a destination probed at once, if it is down."""
    session.execute(
        update(DestinationOutage)
        .where(DestinationOutage.destination == name)
        .values(next_probe_at=now)
    )


def count_open(session: Session, name: str) -> int:
    """How many deliveries to a destination have not ended."""
    mine = Delivery.destination == name, among(Delivery.state, OPEN_DELIVERY_STATES)
    return session.scalar(select(func.count()).select_from(Delivery).where(*mine)) or 0


def orphans(session: Session) -> list[str]:
    """Open deliveries to destinations that were deleted."""
    is_there = exists().where(Destination.name == Delivery.destination)
    return list(
        session.scalars(
            select(Delivery.id).where(among(Delivery.state, OPEN_DELIVERY_STATES), ~is_there)
        )
    )


def delete_orphan_outages(session: Session) -> None:
    """Forget the outages of destinations that were deleted."""
    is_there = exists().where(Destination.name == DestinationOutage.destination)
    session.execute(delete(DestinationOutage).where(~is_there))
