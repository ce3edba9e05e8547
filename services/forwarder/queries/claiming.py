"""Deliveries that are due, and the lease on each."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
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
    UtcDateTime,
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


_now = bindparam("now", type_=UtcDateTime())
_never = bindparam("never", type_=UtcDateTime())  # nothing is put off until then


def _moments(now: datetime) -> dict[str, datetime]:
    """The parameters of what asks whether a delivery is due."""
    return {"now": now, "never": now + NEVER_PUT_OFF_FOR}


# Another delivery of the study is on its way to the same destination. One after the other: where an
# instance came again with other bytes, the newest arrive last.
_other = aliased(Delivery)
_another_is_in_hand = exists().where(
    _other.study_uid == Delivery.study_uid,
    _other.destination == Delivery.destination,
    _other.id != Delivery.id,
    _other.state == DeliveryState.SENDING,
    _other.lease_until >= _now,
)
_is_due = and_(
    # said by the rest already, but not so that a database finds these few among all that ended
    among(Delivery.state, OPEN_DELIVERY_STATES),
    or_(
        and_(
            among(Delivery.state, (DeliveryState.WAITING, DeliveryState.RETRYING)),
            or_(Delivery.next_attempt_at <= _now, Delivery.next_attempt_at > _never),
        ),
        and_(Delivery.state == DeliveryState.SENDING, Delivery.lease_until < _now),
    ),
    ~_another_is_in_hand,
)


def _is_suspect() -> ColumnElement[bool]:
    """Whether the destination went down over an instance, by an abort or for want of resources."""
    status = func.coalesce(DeliveryInstance.dicom_status, 0)  # NULL would be neither in nor out
    return or_(DeliveryInstance.aborts > 0, status.between(0xA700, 0xA7FF))


_innocent = exists().where(
    DeliveryInstance.delivery_id == Delivery.id,
    DeliveryInstance.state == DeliveryInstanceState.WAITING,
    ~_is_suspect(),
)
_DUE = (
    select(Delivery.id, Delivery.study_uid)
    .join(Study, Study.study_uid == Delivery.study_uid)
    .where(Delivery.destination == bindparam("name"), _is_due, ~Study.held, ~Study.deleted)
    .order_by(case((_innocent, 0), else_=1), Delivery.created_at, Delivery.id)
    .limit(bindparam("most", type_=Integer()))
)


def due_deliveries(session: Session, name: str, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Deliveries (id, study) that may be claimed, oldest first.

    Those come last of which nothing waits but instances that the destination went down over: the
    others tell better whether it is well again, and don't wait behind one that may be to blame.
    """
    rows = session.execute(_DUE, {"name": name, "most": limit, **_moments(now)})
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


_LEASE = (
    update(Delivery)
    .where(Delivery.id == bindparam("which"), _is_due)
    .values(
        state=DeliveryState.SENDING,
        started_at=func.coalesce(Delivery.started_at, _now),
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        reason=None,
    )
    .returning(Delivery.id)
    .execution_options(synchronize_session=False)
)


def lease(
    session: Session, delivery_id: str, owner: str, now: datetime, until: datetime
) -> Delivery | None:
    """Take a delivery that is due; None if it is not (any more)."""
    parameters = {"which": delivery_id, "owner": owner, "until": until, **_moments(now)}
    taken = session.execute(_LEASE, parameters)
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


# Not "none that is organized": without statistics, as they are missing at first, PostgreSQL looked
# for it among all that are, for each instance anew.
_SUPERSEDED = (
    update(DeliveryInstance)
    .where(
        DeliveryInstance.delivery_id == bindparam("which"),
        DeliveryInstance.state == DeliveryInstanceState.WAITING,
        exists().where(
            Receipt.receipt_id == DeliveryInstance.receipt_id,
            Receipt.state != ReceiptState.ORGANIZED,
        ),
    )
    .values(state=DeliveryInstanceState.SUPERSEDED)
    .execution_options(synchronize_session=False)
)


def drop_superseded(session: Session, delivery_id: str) -> None:
    """Instances whose bytes were replaced before they were sent are no longer owed."""
    session.execute(_SUPERSEDED, {"which": delivery_id})


_WAITING = (
    select(
        Receipt.receipt_id,
        Receipt.sop_class_uid,
        Receipt.sop_instance_uid,
        Receipt.transfer_syntax_uid,
        func.coalesce(Receipt.file_name, ""),
        Receipt.size,
        DeliveryInstance.attempts,
    )
    .join(DeliveryInstance, DeliveryInstance.receipt_id == Receipt.receipt_id)
    .where(
        DeliveryInstance.delivery_id == bindparam("delivery_id"),
        DeliveryInstance.state == DeliveryInstanceState.WAITING,
    )
    .order_by(case((_is_suspect(), 1), else_=0), Receipt.receipt_id)
)


def waiting_items(session: Session, delivery_id: str) -> list[Item]:
    """What is still to be sent, in the order it was received, the suspects last."""
    return [Item(*row) for row in session.execute(_WAITING, {"delivery_id": delivery_id})]
