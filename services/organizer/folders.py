"""Compares study folders with the rows of their studies: files with no row, rows with no file.

Both come of a database that went back to an older backup, or of a hand in the data folder. A few
folders at a time, so that it costs the same at every moment, whatever there is on disk.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from dicom_router.archive import Archive, ReceiptId
from dicom_router.database import Database, Session
from dicom_router.errors import Unavailable
from dicom_router.ledger import FILES_MISSING, call_attention, lock_study, note
from dicom_router.log import Log, get_logger
from dicom_router.models import Receipt, Study, StudyState
from dicom_router.said import Said, images, said
from services.organizer import queries

EVERY_SECONDS = 5.0
AT_A_TIME = 50  # folders; some 3 ms each
_ROUND = timedelta(hours=1)
_FILES_AT_A_TIME = 100
_NAMED = 5  # files that a sentence names
MISSING = "missing"  # the kind of attention, and the entry in the timeline
_FOUND = "found"  # the entry that ends it

TakeIn = Callable[[Sequence[Path], str], int]

log = get_logger()


class Folders:
    """Looks through all study folders, once at start and then every hour.

    `take_in` organizes files that lie in a folder.
    """

    def __init__(
        self,
        archive: Archive,
        database: Database,
        take_in: TakeIn,
        clock: Callable[[], datetime],
    ) -> None:
        self._archive, self._database = archive, database
        self._take_in, self._clock = take_in, clock
        self._left: list[str] = []
        self._next_round: datetime | None = None
        self._told: set[str] = set()  # folders with unknown files, told of once

    def run(self) -> None:
        """Look at the next few folders, if a round is not over or another is due."""
        now = self._clock()
        if not self._left and (self._next_round is None or now >= self._next_round):
            self._next_round = now + _ROUND
            self._left = self._all()
        for _ in range(min(AT_A_TIME, len(self._left))):
            self._try(self._left.pop())

    def _all(self) -> list[str]:
        """The folders on disk, and those that ought to be."""
        with self._database.read() as session:
            expected = queries.folders_on_disk(session)
        found = [path.name for path in self._archive.study_folders()]
        self._archive.identity.require()
        return sorted({*expected, *found}, reverse=True)

    def _try(self, folder: str) -> None:
        """What is wrong with one folder must not keep the others from being looked at."""
        try:
            self._look_at(folder)
        except Unavailable:
            raise
        except OSError as error:  # such as lost+found, which is root's
            trouble = self._archive.trouble(error)
            if isinstance(trouble, Unavailable):
                raise trouble from error
            self._tell_once(folder, why=error.strerror)

    def _look_at(self, folder: str) -> None:
        """Compare one folder with its rows, without any lock: what is amiss is looked at again."""
        files = self._archive.study_files(folder)
        with self._database.read() as session:
            study = queries.study_of_folder(session, folder)
            rows = queries.organized_receipts(session, study.study_uid) if study else []
        known = {row.file_name: row for row in rows if row.on_disk}
        given_up = {row.file_name for row in rows if not row.on_disk}
        strange = [name for name, at in files.items() if not _is_of(known.get(name), at)]
        if strange:
            self._sort(folder, study, strange)
        differs = known.keys() - files.keys() or given_up & files.keys()
        if study and not study.deleted and (differs or _was_missing(study)):
            self._compare(study.study_uid)

    # -- files with no row ---------------------------------------------------------------------

    def _sort(self, folder: str, study: Study | None, names: Sequence[str]) -> None:
        """Take in again what was received and is not known; tell of what is not the router's."""
        paths = {name: self._archive.study_file(folder, name) for name in names}
        ids = {name: self._archive.receipt_in(path) or "" for name, path in paths.items()}
        with self._database.read() as session:
            states = queries.receipt_states(session, list(ids.values()))
        lost = [
            path
            for name, path in sorted(paths.items())
            if ids[name] not in states and ReceiptId.parse(ids[name])
        ]
        if not all(ids.values()):
            self._tell_once(
                folder,
                study_uid=study.study_uid if study else "",
                files=sum(not each for each in ids.values()),
                why="they are not the router's: they are neither sent nor deleted",
            )
        for start in range(0, len(lost), _FILES_AT_A_TIME):
            self._restore(folder, lost[start : start + _FILES_AT_A_TIME])

    def _restore(self, folder: str, paths: Sequence[Path]) -> None:
        """Organize files where they are, into the folder they are in if it is nobody else's."""
        ids = [self._archive.receipt_in(path) or "" for path in paths]
        if not self._take_in(paths, folder):
            return
        now = self._clock()
        with self._database.write() as session:
            studies = queries.studies_with(session, ids)
            for study_uid, number in studies.items():
                text = said(
                    "{images} in a study folder and not in the database, as after going back to "
                    "an older backup: taken in again",
                    images=images(number),
                )
                note(session, study_uid, now, "restored", text, images=number)
            if queries.study_of_folder(session, folder) is None:
                self._archive.remove_study_files(folder, ())  # all of it went elsewhere
        for study_uid, number in studies.items():
            log.warning(Log.FOLDER_RESTORED, study_uid=study_uid, images=number)

    def _tell_once(self, folder: str, **about: object) -> None:
        """By the beginning of its name, the moment it was made: the rest names a patient."""
        if folder not in self._told:
            self._told.add(folder)
            log.warning(Log.FOLDER_UNKNOWN_FILES, folder=f"{folder[:15]}…", **about)

    # -- rows with no file ---------------------------------------------------------------------

    def _compare(self, study_uid: str) -> None:
        """Under the study's lock: who else moves its files has none of them in hand."""
        now = self._clock()
        with self._database.write() as session:
            study = lock_study(session, study_uid)
            if study is None or study.deleted:
                return
            files = self._archive.study_files(study.folder)
            self._archive.identity.require()
            rows = queries.organized_receipts(session, study_uid)
            self._take_back(session, study, [row for row in rows if not row.on_disk], now)
            here = [row for row in rows if row.on_disk]
            gone = [row for row in here if row.file_name not in files]
            if not gone:
                missed = {MISSING} if len(here) < len(rows) else {MISSING, FILES_MISSING}
                _found_again(session, study, missed, now)
            elif study.state == StudyState.SENT:
                _gone_after_sending(session, study, gone, len(here), now)
            else:
                _missing(session, study, gone, now)

    def _take_back(
        self, session: Session, study: Study, given_up: Sequence[Receipt], now: datetime
    ) -> None:
        """Know of files again that were given up: their disk was away, and another was adopted."""
        back = [row for row in given_up if self._holds(study, row)]
        for row in back:
            row.on_disk = True
        if back:
            study.on_disk, study.projected, study.history_month = True, False, None
            text = said("In the study's folder again: {images}", images=_images(back))
            note(session, study.study_uid, now, _FOUND, text, images=len(back))

    def _holds(self, study: Study, row: Receipt) -> bool:
        """Whether the bytes of a receipt lie where its row says."""
        path = self._archive.study_file(study.folder, row.file_name or "")
        return self._archive.receipt_in(path) == row.receipt_id


def _is_of(row: Receipt | None, written_at: float) -> bool:
    """Whether a file is the one that its row means: nothing was written there since."""
    return row is not None and row.is_untouched(written_at)


def _was_missing(study: Study) -> bool:
    return any(each["kind"] == MISSING for each in study.attention)


def _found_again(session: Session, study: Study, missed: Collection[str], now: datetime) -> None:
    """Nothing is missing any more of what a person was to look at for one of these kinds."""
    left = [each for each in study.attention if each["kind"] not in missed]
    if len(left) < len(study.attention):
        study.attention, study.needs_attention = left, bool(left)
        note(session, study.study_uid, now, _FOUND, said("The missing images are there again"))


def _gone_after_sending(
    session: Session, study: Study, gone: Sequence[Receipt], known: int, now: datetime
) -> None:
    """Nothing is lost by that: the rows follow the folder."""
    for row in gone:
        row.on_disk = False
    study.on_disk = known > len(gone)
    study.projected = False
    text = said(
        "No longer in the study's folder, but every destination has them: {images}",
        images=_images(gone),
    )
    note(session, study.study_uid, now, MISSING, text, images=len(gone))
    log.warning(Log.INSTANCE_MISSING, study_uid=study.study_uid, count=len(gone), sent=True)


def _missing(session: Session, study: Study, gone: Sequence[Receipt], now: datetime) -> None:
    """Have a person look, once for each set of missing images; their deliveries fail by it."""
    receipt_ids = sorted(row.receipt_id for row in gone)
    told = queries.last_noted(session, study.study_uid, MISSING, _FOUND)
    if told.get("receipt_ids") == receipt_ids:
        return
    text = said(
        "Not in the study's folder: {images}. Put the files back, or have the scanner send the "
        "study again",
        images=_images(gone),
    )
    call_attention(study, MISSING, text, now)
    note(session, study.study_uid, now, MISSING, text, receipt_ids=receipt_ids)
    log.error(Log.INSTANCE_MISSING, study_uid=study.study_uid, count=len(gone), sent=False)


def _images(rows: Sequence[Receipt]) -> Said:
    names = sorted(str(row.file_name) for row in rows)
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return said("{images} ({names})", images=images(len(names)), names=shown)
