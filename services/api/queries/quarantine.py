"""Receipts that ended in quarantine."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, literal, select, tuple_
from sqlalchemy.orm import Session

from dicom_router.models import Association, Receipt, ReceiptState, UtcDateTime, among
from dicom_router.said import said
from services.api.paging import Cursor
from services.api.problems import Problem

ORDER = "newest"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A receipt in quarantine, and who sent it, if that is known."""

    receipt: Receipt
    association: Association | None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What is in quarantine: images that went nowhere, and those that newer bytes replaced."""

    images: int
    oldest: datetime | None  # of the images, when it was received
    superseded: int


def left_behind(session: Session) -> LeftBehind:
    """How much is in quarantine, and since when."""
    lost = Receipt.state == ReceiptState.QUARANTINED
    counted = select(
        func.count().filter(lost),
        func.min(Receipt.received_at).filter(lost),
        func.count().filter(~lost),
    ).where(_is_set_aside(), Receipt.on_disk)
    images, oldest, superseded = session.execute(counted).one()
    return LeftBehind(images, oldest, superseded)


def set_aside(
    session: Session, reason: str, on_disk: bool, after: Cursor | None, limit: int
) -> list[SetAside]:
    """The next receipts in quarantine, those received last first."""
    query = (
        select(Receipt, Association)
        .outerjoin(Association, Association.association_id == Receipt.association_id)
        .where(_is_set_aside(), Receipt.on_disk == on_disk)
    )
    if reason:
        query = query.where(Receipt.reason.icontains(reason, autoescape=True))
    if after is not None:
        last = tuple_(literal(_moment(after.key), UtcDateTime()), literal(after.id))
        query = query.where(tuple_(Receipt.received_at, Receipt.receipt_id) < last)
    query = query.order_by(Receipt.received_at.desc(), Receipt.receipt_id.desc()).limit(limit)
    return [SetAside(receipt, association) for receipt, association in session.execute(query)]


def one_set_aside(session: Session, receipt_id: str) -> Receipt | None:
    """A receipt in quarantine."""
    return session.scalars(
        select(Receipt).where(Receipt.receipt_id == receipt_id, _is_set_aside())
    ).one_or_none()


def cursor_of(row: SetAside) -> Cursor:
    """Where a page that ends with this receipt ends."""
    return Cursor(ORDER, row.receipt.received_at.isoformat(), row.receipt.receipt_id)


def _is_set_aside() -> ColumnElement[bool]:
    """A superseded one without a reason was replaced by the same bytes: its file is in use."""
    ended = among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED))
    return ended & Receipt.reason.is_not(None)


def _moment(key: str | int) -> datetime:
    try:
        return datetime.fromisoformat(str(key)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem.field("cursor", said("it is none that this API gave out")) from None
