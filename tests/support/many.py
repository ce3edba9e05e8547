"""Thousands of studies, written straight into a router's database: they have no files."""

from datetime import datetime, timedelta

from sqlalchemy import insert

from dicom_router.database import Database
from dicom_router.models import Study, StudyState

_MODALITIES = ("CT", "MR", "DX", "US", "MG", "CR")
_STATES = (StudyState.SENT,) * 9 + (StudyState.FAILED,)


def add_studies(database: Database, count: int, *, newest: datetime) -> None:
    """Add so many, one a minute: MUITOS_0000 is the newest, every tenth has failed."""
    rows = [_row(number, newest - timedelta(minutes=number)) for number in range(count)]
    with database.write() as session:
        session.execute(insert(Study), rows)


def _row(number: int, at: datetime) -> dict[str, object]:
    modality = _MODALITIES[number % len(_MODALITIES)]
    return {
        "study_uid": f"1.2.826.0.1.3680043.10.543.{number}",
        "folder": f"20260101_000000_{number}_MUITOS",
        "patient_id": f"{number:07}",
        "patient_name": f"MUITOS_{number:04}",
        "study_date": f"{at:%Y%m%d}",
        "study_time": "120000",
        "modality": modality,
        "modalities": [modality],
        "accession_number": f"A{number:07}",
        "study_description": f"{modality} {number % 17}",
        "created_at": at,
        "created_stamp": f"{at.astimezone():%Y%m%d_%H%M%S}",
        "state": _STATES[number % len(_STATES)],
        "receiving": False,
        "revision": 1,
        "routed_revision": 1,
        "sent_revision": 1,
        "image_count": 1 + number % 900,
        "series_count": 1,
        "size_bytes": (1 + number % 900) * 512_000,
        "on_disk": False,
        "projected": True,
        "last_activity_at": at,
        "sent_at": at,
    }
