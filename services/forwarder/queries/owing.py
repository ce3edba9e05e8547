"""What studies owe to destinations, and to send it again."""

from datetime import datetime

from sqlalchemy import String, bindparam, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from dicom_router.database import one_of, table_of, texts
from dicom_router.models import (
    Delivery,
    DeliveryInstance,
    DeliveryInstanceState,
    DeliveryState,
    DestinationOutage,
    Receipt,
    ReceiptState,
    Study,
    TimelineEntry,
)
from services.forwarder.missing import Entry
from services.forwarder.routing import Frozen, Owed


def not_routed(session: Session, after: str, limit: int, *, unrouted: bool) -> list[str]:
    """Studies with a revision that has no deliveries; with `unrouted` also those with instances
    that no destination is owed.

    In the order of their UIDs, from the one that comes after `after`.
    """
    is_new = Study.routed_revision < Study.revision
    wanted = or_(Study.unrouted, is_new) if unrouted else is_new
    return list(
        session.scalars(
            select(Study.study_uid)
            .where(wanted, ~Study.deleted, Study.study_uid > after)
            .order_by(Study.study_uid)
            .limit(limit)
        )
    )


def destinations_owed(session: Session, study_uid: str) -> set[str]:
    """The destinations that a study has or had deliveries to."""
    query = select(Delivery.destination).where(Delivery.study_uid == study_uid).distinct()
    return set(session.scalars(query))


def unowed(session: Session, study: Study) -> list[Frozen]:
    """The study's instances in complete revisions that are in no delivery, oldest first.

    What an earlier version of the router has sent is owed to nobody.
    """
    sent_before = 1 if study.taken_over_sent else 0
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.revision)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.on_disk,
            Receipt.revision > sent_before,
            Receipt.revision <= study.revision,
            ~exists().where(DeliveryInstance.receipt_id == Receipt.receipt_id),
        )
        .order_by(Receipt.receipt_id)
    )
    return [Frozen(receipt_id, revision or 0) for receipt_id, revision in rows]


_OWED = insert(table_of(DeliveryInstance)).from_select(
    ["delivery_id", "receipt_id"],
    select(bindparam("delivery", type_=String()), Receipt.receipt_id).where(
        one_of(Receipt.receipt_id, texts("receipts"))
    ),
)


def insert_delivery(
    session: Session,
    delivery_id: str,
    study_uid: str,
    owed: Owed,
    outage: DestinationOutage | None,
    now: datetime,
) -> None:
    """Make a delivery that is due at once; it waits for the reason its destination is down for."""
    session.add(
        Delivery(
            id=delivery_id,
            study_uid=study_uid,
            revision=owed.revision,
            destination=owed.destination,
            state=DeliveryState.WAITING,
            next_attempt_at=now,
            reason=outage.reason if outage else None,
            created_at=now,
        )
    )
    session.flush()
    session.execute(_OWED, {"delivery": delivery_id, "receipts": owed.receipt_ids})


def was_requested(session: Session, study_uid: str, request: str) -> bool:
    """Whether a study was sent (again) for this request already."""
    done = session.scalars(
        select(TimelineEntry.data).where(
            TimelineEntry.study_uid == study_uid, TimelineEntry.event == "forward-requested"
        )
    )
    return any(data.get("request") == request for data in done)


def files_at_hand(session: Session, study: Study) -> dict[str, str]:
    """The study's instances in complete revisions that are on disk, oldest first: their files."""
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.file_name)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.on_disk,
            Receipt.revision <= study.revision,
        )
        .order_by(Receipt.receipt_id)
    )
    return {receipt_id: name or "" for receipt_id, name in rows}


def out_of_reach(session: Session, study: Study, destination: str) -> int:
    """How many of the study's instances are on disk no more and were not delivered there."""
    has_it = (
        exists()
        .where(
            DeliveryInstance.receipt_id == Receipt.receipt_id,
            DeliveryInstance.state == DeliveryInstanceState.DELIVERED,
            Delivery.id == DeliveryInstance.delivery_id,
            Delivery.destination == destination,
        )
        .correlate(Receipt)
    )
    lacks = (
        select(func.count())
        .select_from(Receipt)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.revision <= study.revision,
            ~Receipt.on_disk,
            ~has_it,
        )
    )
    return session.scalar(lacks) or 0


def entries(session: Session, study_uid: str, destination: str) -> list[Entry]:
    """All that is in a study's deliveries to a destination."""
    rows = session.execute(
        select(
            Delivery.id,
            Delivery.state,
            Delivery.replaced_by.is_not(None),
            DeliveryInstance.receipt_id,
            DeliveryInstance.state == DeliveryInstanceState.DELIVERED,
            Receipt.state == ReceiptState.ORGANIZED,
        )
        .join(DeliveryInstance, DeliveryInstance.delivery_id == Delivery.id)
        .join(Receipt, Receipt.receipt_id == DeliveryInstance.receipt_id)
        .where(Delivery.study_uid == study_uid, Delivery.destination == destination)
        .order_by(Delivery.created_at, Delivery.id, DeliveryInstance.receipt_id)
    )
    return [Entry(*row) for row in rows]
