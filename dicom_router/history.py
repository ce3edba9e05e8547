"""A study as `.metadata.json` has it: the twelve keys that outside readers rely on."""

from datetime import datetime

from dicom_router.models import Study


def stamp(at: datetime) -> str:
    """`YYYYMMDD_HHMMSS` in the site's time zone (TZ)."""
    return f"{at.astimezone():%Y%m%d_%H%M%S}"


def moment(stamp_: str) -> datetime | None:
    """A local `YYYYMMDD_HHMMSS` as a moment in time; None if it is not exactly that."""
    try:
        found = datetime.strptime(stamp_, "%Y%m%d_%H%M%S").astimezone()
    except (ValueError, OverflowError):
        return None
    return found if len(stamp_) == 15 and found.year >= 1900 else None


def history_entry(study: Study) -> dict[str, str | int | bool | None]:
    """A study's entry, with these keys and these types and no others."""
    return {
        "folder": study.folder,
        "patient_id": study.patient_id,
        "patient_name": study.patient_name,
        "study_uid": study.study_uid,
        "study_date": study.study_date,
        "study_time": study.study_time,
        "modality": study.modality,
        "created_at": study.created_stamp,
        "image_count": study.image_count,
        "study_description": study.study_description,
        "sent": study.sent,
        "sent_at": stamp(study.sent_at) if study.sent and study.sent_at else None,
    }
