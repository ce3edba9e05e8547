"""What is on disk, as the database knows it."""

import json
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicom_router.archive import ReceiptId
from dicom_router.events import StudyDeleted
from dicom_router.models import Receipt, ReceiptState, RecordedEvent, Study, among
from services.api.queries.figures import first_id

_AT_A_TIME = 500


def bytes_by_state(session: Session) -> dict[str, int]:
    """Of the studies whose files are on disk, by the studies' state."""
    rows = session.execute(
        select(Study.state, func.sum(Study.size_bytes)).where(Study.on_disk).group_by(Study.state)
    )
    return {state: int(total or 0) for state, total in rows}


def bytes_in_quarantine(session: Session) -> int:
    """Of the files that are set aside."""
    states = (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)
    query = select(func.sum(Receipt.size)).where(among(Receipt.state, states), Receipt.on_disk)
    return int(session.scalar(query) or 0)


def first_receipt_at(session: Session) -> datetime | None:
    """When the first image of all was received."""
    found = ReceiptId.parse(session.scalar(select(func.min(Receipt.receipt_id))) or "")
    return found.received_at if found else None


def received_bytes(session: Session, since: datetime) -> int:
    """Of what was received since then."""
    query = select(func.sum(Receipt.size)).where(Receipt.receipt_id >= first_id(since))
    return int(session.scalar(query) or 0)


def deleted_bytes(session: Session, since: datetime) -> int:
    """Of the studies whose files were removed since then."""
    told = session.scalars(
        select(RecordedEvent.body).where(
            RecordedEvent.time >= since, RecordedEvent.name == StudyDeleted.name
        )
    )
    uids = [str(json.loads(body)["data"]["study_uid"]) for body in told]
    total = 0
    for start in range(0, len(uids), _AT_A_TIME):
        some = uids[start : start + _AT_A_TIME]
        query = select(func.sum(Study.size_bytes)).where(Study.study_uid.in_(some))
        total += int(session.scalar(query) or 0)
    return total
