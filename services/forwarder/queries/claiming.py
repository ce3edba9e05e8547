"""Deliveries that are due, and the lease on each."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryInstance,
    DeliveryInstanceState,
    DeliveryState,
    Receipt,
    ReceiptState,
    Study,
    among,
)
from dicom_router.retry import NEVER_PUT_OFF_FOR


@dataclass(frozen=True, slots=True)
class Item:
    """An instance to send. `file_name` is its name in the study's folder."""

    receipt_id: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    file_name: str
    size: int  # bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this forwarder, and nobody else, sends now: `items` are what is missing."""

    delivery_id: str
    study_uid: str
    revision: int
    destination: str
    folder: str
    modality: str
    total: int
    items: tuple[Item, ...]

    @property
    def named(self) -> dict[str, str]:
        """As log lines name it."""
        return {
            "delivery": self.delivery_id,
            "destination": self.destination,
            "study_uid": self.study_uid,
        }


def _is_due(now: datetime) -> ColumnElement[bool]:
    waits = among(Delivery.state, (DeliveryState.WAITING, DeliveryState.RETRYING))
    abandoned = and_(Delivery.state == DeliveryState.SENDING, Delivery.lease_until < now)
    is_time = or_(
        Delivery.next_attempt_at <= now, Delivery.next_attempt_at > now + NEVER_PUT_OFF_FOR
    )
    is_its_turn = or_(and_(waits, is_time), abandoned)
    # said by the rest already, but not so that a database finds these few among all that ended
    is_open = among(Delivery.state, OPEN_DELIVERY_STATES)
    return and_(is_open, is_its_turn, ~_another_is_in_hand(now))


def _another_is_in_hand(now: datetime) -> ColumnElement[bool]:
    """Whether another delivery of the study is on its way to the same destination.

    One after the other: where an instance came again with other bytes, the newest arrive last.
    """
    other = aliased(Delivery)
    return exists().where(
        other.study_uid == Delivery.study_uid,
        other.destination == Delivery.destination,
        other.id != Delivery.id,
        other.state == DeliveryState.SENDING,
        other.lease_until >= now,
    )


def _is_suspect() -> ColumnElement[bool]:
    """Whether the destination went down over an instance, by an abort or for want of resources."""
    status = func.coalesce(DeliveryInstance.dicom_status, 0)  # NULL would be neither in nor out
    return or_(DeliveryInstance.aborts > 0, status.between(0xA700, 0xA7FF))


def due_deliveries(session: Session, name: str, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Deliveries (id, study) that may be claimed, oldest first.

    Those come last of which nothing waits but instances that the destination went down over: the
    others tell better whether it is well again, and don't wait behind one that may be to blame.
    """
    innocent = exists().where(
        DeliveryInstance.delivery_id == Delivery.id,
        DeliveryInstance.state == DeliveryInstanceState.WAITING,
        ~_is_suspect(),
    )
    rows = session.execute(
        select(Delivery.id, Delivery.study_uid)
        .join(Study, Study.study_uid == Delivery.study_uid)
        .where(Delivery.destination == name, _is_due(now), ~Study.held, ~Study.deleted)
        .order_by(case((innocent, 0), else_=1), Delivery.created_at, Delivery.id)
        .limit(limit)
    )
    return [(delivery_id, study_uid) for delivery_id, study_uid in rows]


def get_delivery(session: Session, delivery_id: str) -> Delivery | None:
    """A delivery, its row locked; lock the study and hold the destination's outage before."""
    return session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)


def whose(session: Session, delivery_id: str) -> tuple[str, str] | None:
    """Whose images a delivery sends, and where to: the study's UID and the destination."""
    query = select(Delivery.study_uid, Delivery.destination).where(Delivery.id == delivery_id)
    return session.execute(query).one_or_none()


def unclaimed(session: Session, delivery_ids: Collection[str], now: datetime) -> set[str]:
    """Which of these deliveries are open and in nobody's hand."""
    return set(
        session.scalars(
            select(Delivery.id).where(
                Delivery.id.in_(delivery_ids),
                among(Delivery.state, OPEN_DELIVERY_STATES),
                or_(Delivery.state != DeliveryState.SENDING, Delivery.lease_until < now),
            )
        )
    )


def lease(
    session: Session, delivery_id: str, owner: str, now: datetime, until: datetime
) -> Delivery | None:
    """Take a delivery that is due; None if it is not (any more)."""
    taken = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, _is_due(now))
        .values(
            state=DeliveryState.SENDING,
            started_at=func.coalesce(Delivery.started_at, now),
            lease_owner=owner,
            lease_until=until,
            reason=None,
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return get_delivery(session, delivery_id) if taken.first() else None


def renew(session: Session, delivery_ids: Iterable[str], owner: str, until: datetime) -> None:
    """Keep the leases on deliveries that are in hand."""
    session.execute(
        update(Delivery)
        .where(
            Delivery.id.in_(sorted(delivery_ids)),
            Delivery.state == DeliveryState.SENDING,
            Delivery.lease_owner == owner,
        )
        .values(lease_until=until)
    )


def end_all_leases(session: Session, now: datetime) -> None:
    """Let go of every delivery: whoever held one is no more."""
    session.execute(
        update(Delivery).where(Delivery.state == DeliveryState.SENDING).values(lease_until=now)
    )


def drop_superseded(session: Session, delivery_id: str) -> None:
    """Instances whose bytes were replaced before they were sent are no longer owed."""
    current = exists().where(
        Receipt.receipt_id == DeliveryInstance.receipt_id, Receipt.state == ReceiptState.ORGANIZED
    )
    session.execute(
        update(DeliveryInstance)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state == DeliveryInstanceState.WAITING,
            ~current,
        )
        .values(state=DeliveryInstanceState.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )


def waiting_items(session: Session, delivery_id: str) -> list[Item]:
    """What is still to be sent, in the order it was received, the suspects last."""
    rows = session.execute(
        select(Receipt, DeliveryInstance.attempts)
        .join(DeliveryInstance, DeliveryInstance.receipt_id == Receipt.receipt_id)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state == DeliveryInstanceState.WAITING,
        )
        .order_by(case((_is_suspect(), 1), else_=0), Receipt.receipt_id)
    )
    return [
        Item(
            receipt_id=receipt.receipt_id,
            sop_class_uid=receipt.sop_class_uid,
            sop_instance_uid=receipt.sop_instance_uid,
            transfer_syntax_uid=receipt.transfer_syntax_uid,
            file_name=receipt.file_name or "",
            size=receipt.size,
            attempts=attempts,
        )
        for receipt, attempts in rows
    ]
