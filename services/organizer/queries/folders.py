"""What the folders hold beside what the rows say."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dicom_router.database import insert_or_ignore
from dicom_router.models import Base, Milestone, Receipt, ReceiptState, Study, TimelineEntry


def folders_on_disk(session: Session) -> list[str]:
    """The folders of all studies whose files are on disk."""
    return list(session.scalars(select(Study.folder).where(Study.on_disk)))


def study_of_folder(session: Session, folder: str) -> Study | None:
    """The study that a folder belongs to."""
    return session.scalar(select(Study).where(Study.folder == folder))


_ORGANIZED = select(Receipt).where(
    Receipt.study_uid == bindparam("study_uid"), Receipt.state == ReceiptState.ORGANIZED
)


def organized_receipts(session: Session, study_uid: str) -> Sequence[Receipt]:
    """The receipts that are a study's instances; `on_disk` says whose files are in its folder."""
    return session.scalars(_ORGANIZED, {"study_uid": study_uid}).all()


def studies_with(session: Session, receipt_ids: Collection[str]) -> dict[str, int]:
    """The studies that organized receipts belong to, and how many of these each has."""
    rows = session.execute(
        select(Receipt.study_uid, func.count())
        .where(Receipt.receipt_id.in_(receipt_ids), Receipt.state == ReceiptState.ORGANIZED)
        .group_by(Receipt.study_uid)
    )
    return {str(study_uid): number for study_uid, number in rows}


def last_noted(session: Session, study_uid: str, *events: str) -> dict[str, Any]:
    """The data of the newest entry of these kinds in a study's timeline; empty if there is none."""
    found = session.scalar(
        select(TimelineEntry.data)
        .where(TimelineEntry.study_uid == study_uid, TimelineEntry.event.in_(events))
        .order_by(TimelineEntry.id.desc())
        .limit(1)
    )
    return found or {}


def has_milestone(session: Session, name: str) -> bool:
    """Whether something has been done once for ever."""
    return session.get(Milestone, name) is not None


def claim_milestone(session: Session, name: str, now: datetime) -> bool:
    """Record that something is done for ever; False if another was quicker to say so."""
    session.add(Milestone(name=name, at=now))
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        return False
    return True


def insert_taken_over(session: Session, row: dict[str, Any]) -> bool:
    """Insert a study's row; False if the study has one by now, whoever wrote it."""
    try:
        with session.begin_nested():
            session.execute(insert(Study), row)
    except IntegrityError:
        if session.get(Study, row["study_uid"]) is None:
            raise  # it is not the study that is there already, but another with its folder
        return False
    return True


def insert_rows(session: Session, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of a model, leaving alone those that are there."""
    insert_or_ignore(session, model, rows)


def get_study(session: Session, study_uid: str) -> Study | None:
    """A study, without its lock."""
    return session.get(Study, study_uid)
