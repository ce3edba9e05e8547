"""What became of a delivery and its instances.

What is asked or told for every few images is made once: to make it takes longer than to ask.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from dicom_router.database import one_of, table_of, texts
from dicom_router.events import DeliveryReason
from dicom_router.models import (
    Delivery,
    DeliveryInstance,
    DeliveryInstanceState,
    DeliveryState,
    Destination,
    Receipt,
    ReceiptState,
    Study,
)
from services.forwarder.policy import Tally


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has an instance; `dicom_status` may be a warning."""

    receipt_id: str
    dicom_status: int


_instances = table_of(DeliveryInstance)
_DELIVERED = (
    update(_instances)
    .where(
        _instances.c.delivery_id == bindparam("delivery"),
        one_of(_instances.c.receipt_id, texts("receipts")),
    )
    .values(
        state=DeliveryInstanceState.DELIVERED,
        dicom_status=bindparam("status"),
        detail=None,
        delivered_at=bindparam("now"),
    )
)


def record_delivered(
    session: Session, delivery_id: str, results: Sequence[Delivered], now: datetime
) -> None:
    """The destination has these instances, whoever holds the lease by now."""
    arrived = defaultdict[int, list[str]](list)
    for each in results:
        arrived[each.dicom_status].append(each.receipt_id)
    for dicom_status, receipt_ids in arrived.items():
        session.execute(
            _DELIVERED,
            {
                "delivery": delivery_id,
                "receipts": receipt_ids,
                "status": dicom_status,
                "now": now,
            },
        )


def waiting_instance(
    session: Session, delivery_id: str, receipt_id: str
) -> DeliveryInstance | None:
    """An instance of a delivery that is still to be sent; None once it has ended."""
    found = session.get(DeliveryInstance, (delivery_id, receipt_id), with_for_update=True)
    return found if found and found.state == DeliveryInstanceState.WAITING else None


def is_current(session: Session, receipt_id: str) -> bool:
    """Whether a receipt's bytes are still those of its instance."""
    state = session.scalar(select(Receipt.state).where(Receipt.receipt_id == receipt_id))
    return state == ReceiptState.ORGANIZED


_HOLDS = select(Delivery.id).where(
    Delivery.id == bindparam("delivery_id"),
    Delivery.state == DeliveryState.SENDING,
    Delivery.lease_owner == bindparam("owner"),
)


def holds(session: Session, delivery_id: str, owner: str) -> bool:
    """Whether this forwarder still has the lease on a delivery."""
    found = session.execute(_HOLDS, {"delivery_id": delivery_id, "owner": owner})
    return found.first() is not None


_MAY_GO_ON = (
    select(Delivery.id)
    .join(Study, Study.study_uid == Delivery.study_uid)
    .join(Destination, Destination.name == Delivery.destination)
    .where(
        Delivery.id == bindparam("delivery_id"),
        Delivery.state == DeliveryState.SENDING,
        Delivery.lease_owner == bindparam("owner"),
        ~Study.held,
        ~Study.deleted,
        ~Destination.paused,
    )
)


def may_go_on(session: Session, delivery_id: str, owner: str) -> bool:
    """Whether the next image may be sent: the lease is ours, nobody has said stop."""
    found = session.execute(_MAY_GO_ON, {"delivery_id": delivery_id, "owner": owner})
    return found.first() is not None


_TALLY = (
    select(DeliveryInstance.state, func.count(), func.max(DeliveryInstance.attempts))
    .where(DeliveryInstance.delivery_id == bindparam("delivery_id"))
    .group_by(DeliveryInstance.state)
)


def tally(session: Session, delivery_id: str) -> Tally:
    """Count how the instances of a delivery stand."""
    rows = session.execute(_TALLY, {"delivery_id": delivery_id})
    counts, attempts = dict[str, int](), dict[str, int]()
    for state, count, most in rows:
        counts[state], attempts[state] = count, most
    counts.pop(DeliveryInstanceState.SUPERSEDED, None)
    return Tally(
        total=sum(counts.values()),
        delivered=counts.get(DeliveryInstanceState.DELIVERED, 0),
        failed=counts.get(DeliveryInstanceState.FAILED, 0),
        waiting=counts.get(DeliveryInstanceState.WAITING, 0),
        attempts=attempts.get(DeliveryInstanceState.WAITING, 0),
    )


def status_of_failed(session: Session, delivery_id: str) -> int | None:
    """The status that an instance was refused with; None if the peer gave none."""
    return session.scalar(
        select(DeliveryInstance.dicom_status)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state != DeliveryInstanceState.DELIVERED,
            DeliveryInstance.attempts > 0,
        )
        .order_by(DeliveryInstance.dicom_status.is_(None), DeliveryInstance.receipt_id)
        .limit(1)
    )


def reset_failed(session: Session, delivery_id: str) -> None:
    """Give the instances that are not delivered all their attempts again."""
    session.execute(
        update(DeliveryInstance)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state.in_(
                (DeliveryInstanceState.WAITING, DeliveryInstanceState.FAILED)
            ),
        )
        .values(
            state=DeliveryInstanceState.WAITING,
            attempts=0,
            aborts=0,
            dicom_status=None,
            detail=None,
        )
        .execution_options(synchronize_session=False)
    )


def reason_row(reason: DeliveryReason | None) -> dict[str, Any] | None:
    """A reason as its column holds it."""
    return reason.as_row() if reason else None
