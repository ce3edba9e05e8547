"""Which data folder is the database's, and the studies that are not in another one."""

from collections.abc import Container
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from dicom_router.ledger import lock_studies
from dicom_router.models import DataFolder, DeliveryInstance, Receipt, ReceiptState, Study

_CHUNK = 500  # values in one IN list


def data_folder(session: Session) -> DataFolder | None:
    """The folder that is the database's; None before the first start."""
    return session.get(DataFolder, 1)


def record(session: Session, router_id: str, now: datetime) -> None:
    """From now on the folder with this id is the database's."""
    session.merge(DataFolder(id=1, router_id=router_id, adopted_at=now))


def missing(session: Session, present: Container[str]) -> list[tuple[str, str]]:
    """UID and folder of the studies on disk whose folder is none of these, by UID."""
    rows = session.execute(
        select(Study.study_uid, Study.folder).where(Study.on_disk).order_by(Study.study_uid)
    )
    return [(uid, folder) for uid, folder in rows if folder not in present]


def lock_missing(session: Session, present: Container[str]) -> list[Study]:
    """The studies on disk whose folder is none of these, by UID and locked."""
    uids = [uid for uid, _folder in missing(session, present)]
    found: list[Study] = []
    for start in range(0, len(uids), _CHUNK):
        found += lock_studies(session, Study.study_uid.in_(uids[start : start + _CHUNK])).values()
    return found


def mark_gone(session: Session, study: Study) -> None:
    """Note that a study's files are gone; lock it before.

    What no delivery has yet stays as it is: it will be owed, and its delivery then fails for it.
    """
    is_owed = exists().where(DeliveryInstance.receipt_id == Receipt.receipt_id)
    session.execute(
        update(Receipt)
        .where(
            Receipt.study_uid == study.study_uid, Receipt.state == ReceiptState.ORGANIZED, is_owed
        )
        .values(on_disk=False)
        .execution_options(synchronize_session=False)
    )
    study.on_disk = False
