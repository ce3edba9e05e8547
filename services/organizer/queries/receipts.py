"""Receipts, from assigned to where each ends."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from dicom_router.database import insert_or_ignore, one_of, texts
from dicom_router.events import InstanceStored
from dicom_router.ledger import locking
from dicom_router.models import Receipt, ReceiptState, Study, UtcDateTime, among
from services.organizer.header import Header

# Of each study as well what was asked for of others, since the index has the study first.
_of_instances = (
    one_of(Receipt.study_uid, texts("study_uids")),
    one_of(Receipt.sop_instance_uid, texts("sop_instance_uids")),
)


def receipt_states(session: Session, receipt_ids: Collection[str]) -> dict[str, str]:
    """The states of those receipts that are known."""
    known = select(Receipt.receipt_id, Receipt.state).where(one_of(Receipt.receipt_id, receipt_ids))
    return dict(session.execute(known).all())


def ended_receipts(session: Session, receipt_ids: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of those receipts that have ended, by id."""
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.sha256).where(
            one_of(Receipt.receipt_id, receipt_ids), Receipt.state != ReceiptState.ASSIGNED
        )
    )
    return dict(rows.all())


@dataclass(frozen=True, slots=True)
class NewReceipt:
    """A receipt that is not known yet: what was announced, and what its header says."""

    stored: InstanceStored
    received_at: datetime
    header: Header
    file_name: str | None
    quarantined_because: str | None = None


def insert_receipts(session: Session, receipts: Sequence[NewReceipt], now: datetime) -> None:
    """Record receipts as `assigned` (or `quarantined`), unless they are known by now."""
    insert_or_ignore(session, Receipt, [_receipt_row(each, now) for each in receipts])


def _receipt_row(receipt: NewReceipt, now: datetime) -> dict[str, Any]:
    stored, header = receipt.stored, receipt.header
    aside = receipt.quarantined_because is not None
    return {
        "receipt_id": stored.receipt_id,
        "association_id": stored.association_id,
        "state": ReceiptState.QUARANTINED if aside else ReceiptState.ASSIGNED,
        "study_uid": None if aside else header.study_uid,
        "series_uid": header.series_uid,
        "patient_id": header.patient_id,
        "sop_class_uid": shown(stored.sop_class_uid),
        "sop_instance_uid": shown(stored.sop_instance_uid),
        "transfer_syntax_uid": shown(stored.transfer_syntax_uid),
        "instance_number": header.instance_number[:64],
        "size": stored.size,
        "sha256": stored.sha256,
        "spool_path": stored.spool_path,
        "file_name": receipt.file_name,
        "on_disk": True,
        "reason": receipt.quarantined_because,
        "revision": None,
        "received_at": receipt.received_at,
        "organized_at": now if aside else None,
    }


def shown(value: str) -> str:
    """Text as it is stored for display: without NUL, cut to 256 characters."""
    return value.replace("\0", "")[:256]


_INSTANCES = select(Receipt.study_uid, Receipt.sop_instance_uid).where(
    one_of(Receipt.receipt_id, texts("receipt_ids")),
    among(Receipt.state, [ReceiptState.ASSIGNED]),
)
_ASSIGNED = (
    select(Receipt)
    .where(*_of_instances, among(Receipt.state, [ReceiptState.ASSIGNED]))
    .order_by(Receipt.received_at, Receipt.receipt_id)
)


def assigned_receipts(session: Session, receipt_ids: Collection[str]) -> list[Receipt]:
    """Those of the receipts that are still to be moved, in the order they were received.

    With them all of the same instances: one may be in its folder already, unrecorded.
    """
    rows = session.execute(_INSTANCES, {"receipt_ids": receipt_ids})
    asked = {(study_uid or "", uid) for study_uid, uid in rows}
    return _receipts_of(session, _ASSIGNED, asked) if asked else []


def _receipts_of(
    session: Session, of_instances: Select[Receipt], wanted: Collection[tuple[str, str]]
) -> list[Receipt]:
    """The receipts that a statement finds of instances, given by (Study, SOP Instance UID)."""
    rows = session.scalars(
        of_instances,
        {
            "study_uids": {study_uid for study_uid, _uid in wanted},
            "sop_instance_uids": {uid for _study_uid, uid in wanted},
        },
    )
    return [row for row in rows if (row.study_uid, row.sop_instance_uid) in wanted]


def stranded_receipts(
    session: Session, now: datetime, fresh: timedelta, after: str, limit: int
) -> list[str]:
    """Receipts that were assigned and never ended: their mover was stopped. None that is fresh.

    In the order of their ids, those after `after`. Those from the future are not fresh: the clock
    was set back.
    """
    return list(
        session.scalars(
            select(Receipt.receipt_id)
            .where(
                Receipt.state == ReceiptState.ASSIGNED,
                or_(Receipt.received_at <= now - fresh, Receipt.received_at >= now + fresh),
                Receipt.receipt_id > after,
            )
            .order_by(Receipt.receipt_id)
            .limit(limit)
        )
    )


def set_aside_receipt(session: Session, receipt_id: str) -> Receipt | None:
    """A receipt that ended in quarantine; one that was only replaced did not."""
    return session.scalars(
        select(Receipt).where(
            Receipt.receipt_id == receipt_id,
            among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)),
            Receipt.reason.is_not(None),
        )
    ).one_or_none()


def set_aside_files(session: Session) -> dict[str, bool]:
    """The paths of all that ended in quarantine; whether each is there, as far as its row knows."""
    rows = session.execute(
        select(Receipt.file_name, Receipt.on_disk).where(
            among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)),
            Receipt.file_name.is_not(None),
        )
    )
    return {str(file_name): on_disk for file_name, on_disk in rows}


def show_set_aside(session: Session, file_name: str) -> None:
    """A file in quarantine that was to be removed is there."""
    session.execute(
        update(Receipt)
        .where(
            among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)),
            Receipt.file_name == file_name,
        )
        .values(on_disk=True)
    )


def claim_set_aside(session: Session, receipt_id: str) -> Receipt | None:
    """Have one that ended in quarantine be there no more; None if it was not, by now."""
    claimed = session.execute(
        update(Receipt)
        .where(Receipt.receipt_id == receipt_id, Receipt.on_disk)
        .values(on_disk=False)
        .returning(Receipt.receipt_id)
        .execution_options(synchronize_session=False)
    )
    return set_aside_receipt(session, receipt_id) if claimed.first() else None


def studies_of_receipts(
    receipt_ids: Collection[str] | BindParameter[Collection[str]],
) -> Select[str | None]:
    """The UIDs of the studies that assigned receipts belong to."""
    return select(Receipt.study_uid).where(
        one_of(Receipt.receipt_id, receipt_ids),
        among(Receipt.state, [ReceiptState.ASSIGNED]),
        Receipt.study_uid.is_not(None),
    )


_LOCKED = locking(Study.study_uid.in_(studies_of_receipts(texts("receipt_ids"))))


def lock_studies_of(session: Session, receipt_ids: Collection[str]) -> dict[str, Study]:
    """The studies that assigned receipts belong to, locked."""
    studies = session.scalars(_LOCKED, {"receipt_ids": receipt_ids})
    return {study.study_uid: study for study in studies}


_ASSIGNED_OF = select(Receipt).where(
    Receipt.study_uid == bindparam("study_uid"), Receipt.state == ReceiptState.ASSIGNED
)


def assigned_of(session: Session, study_uid: str) -> Sequence[Receipt]:
    """The receipts of a study that are between their assignment and their record."""
    return session.scalars(_ASSIGNED_OF, {"study_uid": study_uid}).all()


def spool_path_of_assigned(session: Session, receipt_id: str) -> str | None:
    """Where the file of a receipt was that is assigned and not recorded; None if it is not so."""
    return session.scalar(
        select(Receipt.spool_path).where(
            Receipt.receipt_id == receipt_id, Receipt.state == ReceiptState.ASSIGNED
        )
    )


_ORGANIZED = (
    update(Receipt)
    .where(one_of(Receipt.receipt_id, texts("receipt_ids")))
    .values(
        state=ReceiptState.ORGANIZED,
        organized_at=func.coalesce(Receipt.organized_at, bindparam("now", type_=UtcDateTime())),
    )
    .execution_options(synchronize_session=False, autoflush=False)
)


def record_placed(session: Session, receipts: Sequence[Receipt], now: datetime) -> None:
    """Record receipts as organized, by one statement; the objects do not show it."""
    if receipts:
        ids = [each.receipt_id for each in receipts]
        session.execute(_ORGANIZED, {"receipt_ids": ids, "now": now})


_CURRENT = select(Receipt).where(*_of_instances, among(Receipt.state, [ReceiptState.ORGANIZED]))


def current_instances(
    session: Session, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Receipt]:
    """The organized receipts by (Study, SOP Instance UID), of those asked for."""
    found = _receipts_of(session, _CURRENT, set(keys))
    return {(row.study_uid or "", row.sop_instance_uid): row for row in found}
