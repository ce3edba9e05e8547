"""Studies and their series: found, made, counted, deleted."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from dicom_router.database import insert_or_ignore, one_of, texts
from dicom_router.ledger import refresh_state
from dicom_router.models import Receipt, ReceiptState, Series, Study, StudyState, among
from services.organizer.header import Header

_KNOWN = select(Study.study_uid).where(one_of(Study.study_uid, texts("study_uids")))


def known_studies(session: Session, study_uids: Collection[str]) -> set[str]:
    """Which of these studies have a row."""
    return set(session.scalars(_KNOWN, {"study_uids": study_uids}))


def insert_study(
    session: Session, header: Header, folder: str, patient_name: str, now: datetime, stamp: str
) -> bool:
    """Give a study its folder for ever; False if the study or the folder's name is taken by now."""
    insert_or_ignore(session, Study, [study_row(header, folder, patient_name, now, stamp)])
    found = session.scalar(select(Study.folder).where(Study.study_uid == header.study_uid))
    return found is not None


def study_row(
    header: Header, folder: str, patient_name: str, now: datetime, stamp: str
) -> dict[str, Any]:
    """A new study's row, complete with what `INSERT` needs."""
    modality = header.modality or "OT"
    return {
        "study_uid": header.study_uid,
        "folder": folder,
        "patient_id": header.patient_id,
        "patient_name": patient_name,
        "study_date": header.study_date,
        "study_time": header.study_time.partition(".")[0],
        "modality": modality[:64],
        "modalities": [modality[:64]],
        "accession_number": header.accession_number,
        "study_description": header.study_description,
        "created_at": now,
        "created_stamp": stamp,
        "state": StudyState.RECEIVING,
        "receiving": True,
        "held": False,
        "deleted": False,
        "attention": [],
        "needs_attention": False,
        "other_patient_ids": [],
        "revision": 0,
        "routed_revision": 0,
        "sent_revision": 0,
        "last_activity_at": now,
        "image_count": 0,
        "series_count": 0,
        "size_bytes": 0,
        "on_disk": True,
        "taken_over": False,
        "taken_over_images": 0,
        "taken_over_sent": False,
        "projected": False,
    }


def folder_is_taken(session: Session, folder: str) -> bool:
    """Whether a study has this folder's name."""
    return session.scalar(select(Study.study_uid).where(Study.folder == folder)) is not None


def upsert_series(session: Session, headers: Iterable[Header]) -> None:
    """Record the series that images belong to, unless they are known."""
    first = {(h.study_uid, h.series_uid): h for h in headers if h.series_uid}
    rows = [
        {
            "study_uid": study_uid,
            "series_uid": series_uid,
            "modality": (header.modality or "OT")[:64],
            "series_number": header.series_number[:64],
            "series_description": header.series_description,
        }
        for (study_uid, series_uid), header in sorted(first.items(), key=lambda item: item[0])
    ]
    insert_or_ignore(session, Series, rows)


_IMAGES = (
    select(Receipt.study_uid, func.count(), func.sum(Receipt.size))
    .where(
        one_of(Receipt.study_uid, texts("study_uids")),
        among(Receipt.state, [ReceiptState.ORGANIZED]),
    )
    .group_by(Receipt.study_uid)
)
_SERIES = select(Series.study_uid, Series.modality).where(
    one_of(Series.study_uid, texts("study_uids"))
)


def derive_counts(session: Session, studies: Mapping[str, Study]) -> None:
    """Count anew what the studies hold; the caller holds their locks.

    What has become of receipts is in the database by now; the studies are written once, later.
    """
    with session.no_autoflush:
        images = session.execute(_IMAGES, {"study_uids": studies}).all()
        series = session.execute(_SERIES, {"study_uids": studies}).all()
    for study_uid, count, size in images:
        study = studies[str(study_uid)]
        study.image_count = count + study.taken_over_images
        study.size_bytes = int(size or 0)
    modalities: dict[str, list[str]] = defaultdict(list)
    for study_uid, modality in series:
        modalities[study_uid].append(modality)
    for study_uid, found in modalities.items():
        study = studies[study_uid]
        study.series_count = len(found)
        study.modalities = sorted({study.modality} - {""} | set(found))


def deletable_studies(
    session: Session, sent_before: datetime | None, with_taken_over: bool, limit: int
) -> list[str]:
    """Studies on disk that every destination has, those sent longest ago first."""
    wanted = select(Study.study_uid).where(Study.on_disk, Study.state == StudyState.SENT)
    if sent_before is not None:
        wanted = wanted.where(Study.sent_at <= sent_before)
    if not with_taken_over:
        wanted = wanted.where(~Study.taken_over)
    return list(session.scalars(wanted.order_by(Study.sent_at).limit(limit)))


def studies_to_delete(session: Session, after: str, limit: int) -> list[str]:
    """Studies that a person had deleted and whose files are still there, after a UID."""
    return list(
        session.scalars(
            select(Study.study_uid)
            .where(Study.deleted, Study.on_disk, Study.study_uid > after)
            .order_by(Study.study_uid)
            .limit(limit)
        )
    )


_OFF_DISK = (
    update(Receipt)
    .where(Receipt.study_uid == bindparam("whose"), Receipt.state == ReceiptState.ORGANIZED)
    .values(on_disk=False)
    .execution_options(synchronize_session=False)
)


def mark_deleted(session: Session, study: Study, now: datetime) -> None:
    """A study's files are gone; the caller holds its lock."""
    session.execute(_OFF_DISK, {"whose": study.study_uid})
    study.on_disk = False
    refresh_state(session, study, now)
