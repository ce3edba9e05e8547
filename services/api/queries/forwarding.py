"""Who has a study."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicom_router.models import (
    Delivery,
    DeliveryInstance,
    DeliveryInstanceState,
    Receipt,
    ReceiptState,
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A destination that has so many of a study's instances, the last of them since a moment."""

    destination: str
    images: int
    since: datetime


def holders(session: Session, study_uid: str) -> list[Holder]:
    """The destinations that have something of a study as it is now, by name."""
    rows = session.execute(
        select(
            Delivery.destination,
            func.count(DeliveryInstance.receipt_id.distinct()),
            func.max(DeliveryInstance.delivered_at),
        )
        .join(DeliveryInstance, DeliveryInstance.delivery_id == Delivery.id)
        .join(Receipt, Receipt.receipt_id == DeliveryInstance.receipt_id)
        .where(
            Delivery.study_uid == study_uid,
            DeliveryInstance.state == DeliveryInstanceState.DELIVERED,
            Receipt.state == ReceiptState.ORGANIZED,
        )
        .group_by(Delivery.destination)
        .order_by(Delivery.destination)
    )
    return [Holder(name, images, since) for name, images, since in rows if since is not None]
