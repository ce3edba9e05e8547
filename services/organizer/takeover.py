"""Takes over, at the first start on it, a data folder that an earlier version (or a lost database)
left behind: folders stay as they are, the history becomes rows, what was not sent will be.

Files are read outside any transaction and rows written a few studies at a time, a study with all
that belongs to it or not at all. Whoever inserts a study's row writes the rest of it, so that
several organizers may do this at once, and one that was stopped begins again: done is last.
"""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dicom_router.archive import Archive, DiskTrouble, ReceiptId, write_atomically
from dicom_router.database import Database, Session
from dicom_router.errors import Unavailable, Unprocessable
from dicom_router.history import moment, stamp
from dicom_router.ledger import note, refresh_state
from dicom_router.log import Log, get_logger
from dicom_router.models import Receipt, ReceiptState, Series, StudyState
from dicom_router.part10 import FileMeta, read_file_meta
from dicom_router.said import Said, said
from services.organizer import queries
from services.organizer.header import MOST_CHARACTERS, Header, read_header
from services.organizer.identity import check_identity
from services.organizer.names import folder_name, person_name

MILESTONE = "takeover"
ASSOCIATION_ID = "takeover"

_STUDIES_AT_A_TIME = 100
_FILES_AT_A_TIME = 2000
_MOST_IMAGES = 10**9  # a count above this is no count, and none that a column holds
_MOST_FOLDER_BYTES = 255

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of an earlier version's study folder."""

    path: Path
    size: int
    modified_at: datetime
    meta: FileMeta
    header: Header


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the history says of a study, or would if it knew of it."""

    where: str  # for the log: never a name
    study_uid: str
    folder: str  # always a plain name
    created_at: datetime
    created_stamp: str
    values: dict[str, Any]

    @property
    def sent(self) -> bool:
        return self.values.get("sent") is True

    @property
    def images(self) -> int:
        counted = self.values.get("image_count")
        return max(0, min(counted, _MOST_IMAGES)) if isinstance(counted, int) else 0

    def text(self, key: str) -> str:
        """A value as text that every database takes."""
        return _text(self.values.get(key))


@dataclass(frozen=True, slots=True)
class _Rows:
    """All that is written of one study."""

    where: str
    study: dict[str, Any]
    receipts: list[dict[str, Any]]
    series: list[dict[str, Any]]
    detail: Said


class Takeover:
    """Done once for a database; finds nothing to do in a new folder."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        clock: Callable[[], datetime],
        *,
        hold_conflicts: bool = False,
    ) -> None:
        self._archive, self._database, self._clock = archive, database, clock
        self._hold_conflicts = hold_conflicts
        self._refused = 0

    def run(self) -> None:
        """Take the folder over, unless that was done; `Unavailable` to be called again."""
        with self._database.read() as session:
            if queries.has_milestone(session, MILESTONE):
                return
        self._refused = 0
        history = self._history()
        folders = _Folders(self._archive, history)
        for batch in _batches(self._studies(history, folders)):
            self._write(batch)
        if self._refused:
            self._keep_history()
        folders.let_strangers_go()  # last: what they belong to has its row by now
        self._conclude(len(history))

    def _conclude(self, known: int) -> None:
        now = self._clock()
        with self._database.write() as session:
            is_first = queries.claim_milestone(session, MILESTONE, now)
        if is_first and (known or self._refused):
            log.info(Log.TAKEOVER, studies=known, refused=self._refused)

    # -- the history ---------------------------------------------------------------------------

    def _history(self) -> list[_Entry]:
        """All entries of `.metadata.json` and the older months' files, the later of two."""
        found: dict[str, _Entry] = {}
        now = self._clock()
        for path in self._archive.history_files():
            for number, (uid, values) in enumerate(self._content(path).items(), 1):
                where = f"entry {number} of {path.name}"
                try:
                    found[uid] = _entry(where, uid, values, now)
                except Unprocessable as error:
                    self._refuse(where, str(error))
        return list(found.values())

    def _content(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text("utf-8"))
        except OSError as error:  # without it everything would be sent again: no, wait for it
            raise DiskTrouble(f"{path.name} can't be read: {error.strerror}") from error
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            return content
        self._refuse(path.name, "it can't be read")
        return {}

    def _keep_history(self) -> None:
        """Copy what was not understood: the next writing of the history replaces the original."""
        for path in self._archive.history_files():
            kept = path.with_name(f"{path.name}.unreadable")
            try:
                if not os.path.lexists(kept):
                    write_atomically(kept, path.read_bytes())
            except OSError as error:
                raise DiskTrouble(f"{path.name} can't be copied: {error.strerror}") from error

    def _refuse(self, where: str, why: str) -> None:
        self._refused += 1
        log.error(Log.TAKEOVER, why=f"{where} is not taken over: {why}")

    # -- what becomes rows ---------------------------------------------------------------------

    def _studies(self, history: list[_Entry], folders: "_Folders") -> Iterator[_Rows]:
        """The studies of the history, then those of folders of which it knows nothing."""
        for entry in history:
            name, files = folders.of(entry)
            # Files that come back as loose ones will be counted then.
            gone = max(0, entry.images - len(files) - folders.strangers_of[entry.study_uid])
            yield _rows(replace(entry, folder=name), files, gone, self._clock())
        for folder in folders.unknown():
            files = folders.files(folder, None)
            if files:
                yield _rows(_entry_of(folder, files), files, 0, self._clock())

    def _write(self, studies: list[_Rows]) -> None:
        """Write studies in one transaction, or each in its own if one of them is refused."""
        try:
            with self._database.write() as session:
                for rows in studies:
                    self._insert(session, rows)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told by its type: its text may name a patient
            if len(studies) == 1:
                self._refuse(studies[0].where, type(error).__name__)
                return
            for rows in studies:
                self._write([rows])

    def _insert(self, session: Session, rows: _Rows) -> None:
        """Write a study and all that belongs to it, unless it has a row by now."""
        study_uid, now = rows.study["study_uid"], rows.study["last_activity_at"]
        if not queries.insert_taken_over(session, rows.study):
            return
        queries.insert_rows(session, Receipt, rows.receipts)
        queries.insert_rows(session, Series, rows.series)
        note(session, study_uid, now, "taken-over", rows.detail)
        study = queries.get_study(session, study_uid)
        if study is None or not rows.receipts:
            return
        queries.derive_counts(session, {study_uid: study})
        for receipt in rows.receipts:
            check_identity(
                session,
                study,
                receipt["patient_id"],
                now,
                receipt_id=receipt["receipt_id"],
                hold=self._hold_conflicts and study.receiving,  # else nothing is to go out
            )
        if study.held:
            refresh_state(session, study, now)


class _Folders:
    """The folders on disk, and whose they are.

    Of two studies that the history puts into one folder the first has it. The second's row gets a
    name of its own, `<folder>_2`, and its files stay where they are if it was sent: they are left
    alone. If it was not, they become loose files, as all files of other studies do.
    """

    def __init__(self, archive: Archive, history: Iterable[_Entry]) -> None:
        self._archive = archive
        self._unclaimed = {folder.name: folder for folder in archive.study_folders()}
        self._names = set(self._unclaimed)
        self._taken: set[str] = set()
        self._sent_in: dict[str, set[str]] = defaultdict(set)
        for entry in history:
            self._names.add(entry.folder)
            if entry.sent:
                self._sent_in[entry.folder].add(entry.study_uid)
        self._strangers: list[Path] = []
        self.strangers_of: Counter[str] = Counter()

    def of(self, entry: _Entry) -> tuple[str, list[_Found]]:
        """The name of an entry's folder, and the study's files that are in it."""
        if entry.folder in self._taken:
            return self._another_name(entry.folder), []
        self._taken.add(entry.folder)
        folder = self._unclaimed.pop(entry.folder, None)
        return entry.folder, self.files(folder, entry.study_uid) if folder else []

    def unknown(self) -> list[Path]:
        """The folders that no entry has asked for."""
        return list(self._unclaimed.values())

    def files(self, folder: Path, study_uid: str | None) -> list[_Found]:
        """The files of a folder that belong to the study; without `study_uid` the first file's."""
        files = []
        for path in self._listed(folder):
            found = self._read(path)
            if found is None:
                continue
            study_uid = study_uid or found.header.study_uid
            if found.header.study_uid == study_uid:
                files.append(found)
            elif found.header.study_uid not in self._sent_in[folder.name]:
                self._strangers.append(path)
                self.strangers_of[found.header.study_uid] += 1
        return files

    def let_strangers_go(self) -> None:
        """Make loose files of those that lie in another study's folder."""
        for path in self._strangers:
            try:
                self._archive.make_loose(path)
            except FileNotFoundError:
                continue  # another organizer was quicker
            except OSError as error:
                self._leave_alone("file", error)

    def _another_name(self, folder: str) -> str:
        number = 2
        while f"{folder}_{number}" in self._names:
            number += 1
        self._names.add(f"{folder}_{number}")
        return f"{folder}_{number}"

    def _listed(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except OSError as error:  # such as lost+found, which is root's
            self._leave_alone("folder", error)
            return []

    def _read(self, path: Path) -> _Found | None:
        try:
            return _read(path)
        except Unprocessable as error:
            log.warning(Log.TAKEOVER, why=f"a file is left alone: {error}")
        except OSError as error:
            self._leave_alone("file", error)
        return None

    def _leave_alone(self, what: str, error: OSError) -> None:
        """Go on without it; `DiskTrouble` if it is the disk that is away."""
        trouble = self._archive.trouble(error)
        if isinstance(trouble, Unavailable):
            raise trouble from error
        log.warning(Log.TAKEOVER, why=f"a {what} is left alone: {error.strerror}")


def _read(path: Path) -> _Found | None:
    """A file and what identifies it; None if it is no file of a study."""
    if _text(path.name) != path.name:
        raise Unprocessable("its name is no text")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        meta, offset = read_file_meta(descriptor)
        header = read_header(descriptor, offset, meta.transfer_syntax_uid)
        state = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not header.study_uid or not meta.sop_instance_uid:
        return None
    modified_at = datetime.fromtimestamp(state.st_mtime, UTC)
    return _Found(path, state.st_size, modified_at, meta, header)


def _batches(studies: Iterable[_Rows]) -> Iterator[list[_Rows]]:
    """So many at a time that a transaction stays short."""
    batch: list[_Rows] = []
    files = 0
    for rows in studies:
        batch.append(rows)
        files += len(rows.receipts)
        if len(batch) >= _STUDIES_AT_A_TIME or files >= _FILES_AT_A_TIME:
            yield batch
            batch, files = [], 0
    if batch:
        yield batch


# -- from an entry to rows ---------------------------------------------------------------------


def _entry(where: str, study_uid: str, values: Any, now: datetime) -> _Entry:
    """An entry of the history; `Unprocessable` if it can't be one."""
    if not isinstance(values, dict):
        raise Unprocessable("it is no object")
    if not study_uid or _text(study_uid) != study_uid:
        raise Unprocessable("its key is no Study Instance UID")
    folder, given = str(values.get("folder") or ""), _text(values.get("created_at"))
    created = moment(given) or moment(folder[:15]) or now
    if not _is_plain_name(folder):
        patient_id, patient_name = (
            _text(values.get("patient_id")),
            _text(values.get("patient_name")),
        )
        folder = folder_name(created.astimezone(), patient_id, patient_name)
    given = given if moment(given) else stamp(created)
    return _Entry(where, study_uid, folder, created, given, values)


def _entry_of(folder: Path, files: list[_Found]) -> _Entry:
    """The entry of a folder of which the history knows nothing: its files tell what it is."""
    header = files[0].header
    created = moment(folder.name[:15]) or files[0].modified_at
    values = {
        "patient_id": header.patient_id,
        "patient_name": person_name(header.patient_name),
        "study_date": header.study_date,
        "study_time": header.study_time.partition(".")[0],
        "modality": header.modality or "OT",
        "study_description": header.study_description,
        "image_count": len(files),
        "sent": False,
    }
    where = "a folder without history"
    return _Entry(where, header.study_uid, folder.name, created, stamp(created), values)


def _rows(entry: _Entry, files: list[_Found], gone: int, now: datetime) -> _Rows:
    """All rows of a study of which `gone` images are no longer on disk."""
    receipts = [_receipt_row(entry, n, found, now) for n, found in enumerate(files, 1)]
    return _Rows(
        where=entry.where,
        study=_study_row(entry, files, gone, now),
        receipts=receipts,
        series=_series_rows(entry.study_uid, files),
        detail=said(
            "Taken over from an earlier version, which had sent it; {count} files on disk",
            count=len(files),
        )
        if entry.sent
        else said(
            "Taken over from an earlier version, which had not sent it; {count} files on disk",
            count=len(files),
        ),
    )


def _study_row(entry: _Entry, files: list[_Found], gone: int, now: datetime) -> dict[str, Any]:
    header = replace(
        files[0].header if files else Header(),
        study_uid=entry.study_uid,
        patient_id=_patient_id(entry.text("patient_id"), files),
        study_date=entry.text("study_date"),
        study_time=entry.text("study_time"),
        modality=entry.text("modality"),
        study_description=entry.text("study_description"),
    )
    row = queries.study_row(
        header, entry.folder, entry.text("patient_name"), entry.created_at, entry.created_stamp
    )
    sent = entry.sent
    waits = bool(files) and not sent  # the rest is over: sent, or its files are gone
    return row | {
        "study_time": entry.text("study_time"),
        "modality": entry.text("modality")[:64],
        "image_count": gone,
        "taken_over": True,
        "taken_over_images": gone,
        "taken_over_sent": sent,
        "on_disk": bool(files),
        "receiving": waits,
        "revision": 0 if waits else 1,
        "routed_revision": 0 if waits else 1,
        "sent_revision": 1 if sent else 0,
        "sent_at": (moment(entry.text("sent_at")) or now) if sent else None,
        "state": _state(sent, waits),
        "last_activity_at": now,
    }


def _patient_id(given: str, files: list[_Found]) -> str:
    """The history's, unless the files know better: it may have been put into shape for a name."""
    found = [file.header.patient_id for file in files if file.header.patient_id]
    return found[0] if found and given not in found else given


def _state(sent: bool, waits: bool) -> StudyState:
    if sent:
        return StudyState.SENT
    return StudyState.RECEIVING if waits else StudyState.UNROUTED


def _receipt_row(entry: _Entry, number: int, found: _Found, now: datetime) -> dict[str, Any]:
    receipt_id = found.meta.receipt_id  # of an earlier database's time: the file's own
    if ReceiptId.parse(receipt_id) is None:
        digest = hashlib.sha256(f"{entry.study_uid}\n{found.path.name}".encode()).hexdigest()[:16]
        receipt_id = str(ReceiptId(found.modified_at, f"takeover-{digest}", number))
    return {
        "receipt_id": receipt_id,
        "association_id": ASSOCIATION_ID,
        "state": ReceiptState.ORGANIZED,
        "study_uid": entry.study_uid,
        "series_uid": found.header.series_uid,
        "patient_id": found.header.patient_id,
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
        "revision": 1 if entry.sent else None,
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


def _text(value: object) -> str:
    """Anything as text that every database takes: no NUL, nothing that UTF-8 can't say, not long.

    What is no text and no number is none.
    """
    text = str(value) if isinstance(value, str | int | float) else ""
    return queries.shown(text.encode("utf-8", "replace").decode("utf-8"))[:MOST_CHARACTERS]


def _is_plain_name(folder: str) -> bool:
    """Whether this names a study folder directly in the data folder, and nothing else."""
    fits = 0 < len(folder.encode("utf-8", "replace")) <= _MOST_FOLDER_BYTES
    return fits and _text(folder) == folder and "/" not in folder and folder[0] != "."
