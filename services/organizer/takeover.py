"""Takes over, at the first start on it, a data folder that an earlier version (or a lost database)
left behind: folders stay as they are, the history becomes rows, what was not sent will be.
"""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dicom_router.archive import Archive, ReceiptId, person_name
from dicom_router.database import Database, Session
from dicom_router.errors import Unprocessable
from dicom_router.history import stamp
from dicom_router.ledger import note
from dicom_router.log import Log, get_logger
from dicom_router.models import Receipt, ReceiptState, Series, Study, StudyState
from dicom_router.part10 import FileMeta, read_file_meta
from services.organizer import queries
from services.organizer.header import Header, read_header

MILESTONE = "takeover"
ASSOCIATION_ID = "takeover"

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of an earlier version's study folder."""

    path: Path
    size: int
    modified_at: datetime
    meta: FileMeta
    header: Header


class Takeover:
    """Done once for a database; finds nothing to do in a new folder."""

    def __init__(self, archive: Archive, database: Database, clock: Callable[[], datetime]) -> None:
        self._archive, self._database, self._clock = archive, database, clock

    def run(self) -> None:
        """Take the folder over, unless that was done; all or nothing."""
        with self._database.read() as session:
            if queries.has_milestone(session, MILESTONE):
                return
        with self._database.write() as session:
            if not queries.claim_milestone(session, MILESTONE, self._clock()):
                return
            history = self._history()
            folders = {folder.name: folder for folder in self._archive.study_folders()}
            for study_uid, entry in history.items():
                folder = folders.pop(str(entry.get("folder", "")), None)
                files = self._files(folder, study_uid) if folder else []
                self._import(session, study_uid, entry, files)
            for folder in folders.values():
                self._import_folder(session, folder)
        if history or folders:
            log.info(Log.TAKEOVER, studies=len(history), folders_without_history=len(folders))

    def _history(self) -> dict[str, dict[str, Any]]:
        """All entries of `.metadata.json` and the older months' files, by Study Instance UID."""
        found: dict[str, dict[str, Any]] = {}
        for path in self._archive.history_files():
            try:
                content = json.loads(path.read_text("utf-8"))
                found |= {uid: entry for uid, entry in content.items() if isinstance(entry, dict)}
            except (ValueError, AttributeError):
                kept = path.with_name(f"{path.name}.unreadable")
                os.link(path, kept)  # the next writing of the history replaces the original
                log.exception(Log.TAKEOVER, why=f"{path.name} can't be read: kept as {kept.name}")
        return found

    def _files(self, folder: Path, study_uid: str | None) -> list[_Found]:
        """The files of a folder that belong to the study; the others become loose files.

        Without `study_uid` it is that of the first file.
        """
        files = []
        for path in sorted(folder.iterdir()):
            found = _read(path)
            if found is None:
                continue
            study_uid = study_uid or found.header.study_uid
            if found.header.study_uid == study_uid:
                files.append(found)
            else:
                self._archive.make_loose(path)
        return files

    def _import_folder(self, session: Session, folder: Path) -> None:
        """A folder of which the history knows nothing: its files tell what it is."""
        files = self._files(folder, None)
        if not files:
            return
        header = files[0].header
        created = _moment(folder.name[:15]) or files[0].modified_at
        entry = {
            "folder": folder.name,
            "patient_id": header.patient_id,
            "patient_name": person_name(header.patient_name),
            "study_date": header.study_date,
            "study_time": header.study_time.partition(".")[0],
            "modality": header.modality or "OT",
            "created_at": stamp(created),
            "study_description": header.study_description,
            "image_count": len(files),
            "sent": False,
        }
        self._import(session, header.study_uid, entry, files)

    def _import(
        self, session: Session, study_uid: str, entry: dict[str, Any], files: list[_Found]
    ) -> None:
        now = self._clock()
        sent = entry.get("sent") is True
        queries.insert_rows(session, Study, [_study_row(study_uid, entry, files, now)])
        queries.insert_rows(
            session,
            Receipt,
            [_receipt_row(study_uid, n, f, sent, now) for n, f in enumerate(files, 1)],
        )
        queries.insert_rows(session, Series, _series_rows(study_uid, files))
        study = queries.get_study(session, study_uid)
        if study is not None and files:
            queries.derive_counts(session, {study_uid: study})
        note(
            session,
            study_uid,
            now,
            "taken-over",
            f"Taken over from an earlier version with {len(files)} files on disk, "
            + ("sent by it" if sent else "not sent by it"),
        )


def _read(path: Path) -> _Found | None:
    """A file and what identifies it; None if it is no DICOM file of a study."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        log.warning(Log.TAKEOVER, why=f"a file is left alone: {error.strerror}")
        return None
    try:
        meta, offset = read_file_meta(descriptor)
        header = read_header(descriptor, offset, meta.transfer_syntax_uid)
        state = os.fstat(descriptor)
    except (Unprocessable, OSError) as error:
        log.warning(Log.TAKEOVER, why=f"a file is left alone: {error}")
        return None
    finally:
        os.close(descriptor)
    if not header.study_uid or not meta.sop_instance_uid:
        return None
    modified_at = datetime.fromtimestamp(state.st_mtime, UTC)
    return _Found(path, state.st_size, modified_at, meta, header)


def _study_row(
    study_uid: str, entry: dict[str, Any], files: list[_Found], now: datetime
) -> dict[str, Any]:
    def text(key: str) -> str:
        return queries.shown(str(entry.get(key) or ""))

    sent = entry.get("sent") is True
    counted = entry.get("image_count")
    header = replace(
        files[0].header if files else Header(),
        study_uid=study_uid,
        patient_id=text("patient_id"),
        study_date=text("study_date"),
        study_time=text("study_time"),
        modality=text("modality"),
        study_description=text("study_description"),
    )
    created = _moment(text("created_at")) or now
    row = queries.study_row(
        header, text("folder"), text("patient_name"), created, text("created_at") or stamp(created)
    )
    gone = max(0, (counted if isinstance(counted, int) else 0) - len(files))
    waits = bool(files) and not sent  # the rest is over: sent, or its files are gone
    return row | {
        "study_time": text("study_time"),
        "modality": text("modality"),
        "image_count": gone,
        "taken_over": True,
        "taken_over_images": gone,
        "taken_over_sent": sent,
        "on_disk": bool(files),
        "receiving": waits,
        "revision": 0 if waits else 1,
        "routed_revision": 0 if waits else 1,
        "sent_revision": 1 if sent else 0,
        "sent_at": (_moment(text("sent_at")) or now) if sent else None,
        "state": _state(sent, waits),
        "last_activity_at": now,
    }


def _state(sent: bool, waits: bool) -> StudyState:
    if sent:
        return StudyState.SENT
    return StudyState.RECEIVING if waits else StudyState.UNROUTED


def _receipt_row(
    study_uid: str, number: int, found: _Found, sent: bool, now: datetime
) -> dict[str, Any]:
    digest = hashlib.sha256(f"{study_uid}\n{found.path.name}".encode()).hexdigest()[:16]
    return {
        "receipt_id": str(ReceiptId(found.modified_at, f"takeover-{digest}", number)),
        "association_id": ASSOCIATION_ID,
        "state": ReceiptState.ORGANIZED,
        "study_uid": study_uid,
        "series_uid": found.header.series_uid,
        "sop_class_uid": queries.shown(found.meta.sop_class_uid),
        "sop_instance_uid": queries.shown(found.meta.sop_instance_uid),
        "transfer_syntax_uid": queries.shown(found.meta.transfer_syntax_uid),
        "instance_number": found.header.instance_number[:64],
        "size": found.size,
        "sha256": "",  # read only if the instance comes again
        "spool_path": "",
        "file_name": found.path.name,
        "on_disk": True,
        "reason": None,
        "revision": 1 if sent else None,
        "received_at": found.modified_at,
        "organized_at": now,
    }


def _series_rows(study_uid: str, files: list[_Found]) -> list[dict[str, Any]]:
    first: dict[str, Header] = defaultdict(Header)
    for found in reversed(files):
        first[found.header.series_uid] = found.header
    return [
        {
            "study_uid": study_uid,
            "series_uid": series_uid,
            "modality": (header.modality or "OT")[:64],
            "series_number": header.series_number[:64],
            "series_description": header.series_description,
        }
        for series_uid, header in sorted(first.items())
        if series_uid
    ]


def _moment(stamp_: str) -> datetime | None:
    """A local `YYYYMMDD_HHMMSS` as a moment in time."""
    try:
        return datetime.strptime(stamp_, "%Y%m%d_%H%M%S").astimezone()
    except ValueError:
        return None
