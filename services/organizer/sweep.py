"""Makes up for every message that was lost and every step that was cut off: all of it is here.

| left behind | what is done | when |
|---|---|---|
| a file in the spool that nobody announced | taken in | start, reconnect, minute |
| a receipt that was assigned, never moved | moved, or `nowhere` | start, reconnect, minute |
| a loose file that was claimed, never copied | taken in | minute |
| a temporary file nobody writes to (a receiver sees to its own) | removed | minute |
| a file in quarantine without a row | recorded with its reason | start, reconnect |
| a file in a study folder without a row | taken in if it is ours, else told of | start, hour |
| a row whose file is not in the folder | a person is to look | start, hour |

The last two are `folders`, a few at a time. What is half done beyond the folder, routing and
deliveries, is the forwarder's sweep. Losing the broker with all its messages loses nothing that
this does not find.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from dicom_router.archive import Archive, ReceiptId, data_set_sha256, received_at
from dicom_router.database import Database
from dicom_router.errors import TryAgain, Unavailable, Unprocessable
from dicom_router.events import InstanceStored
from dicom_router.log import Log, get_logger
from services.organizer import queries
from services.organizer.announcement import announcement
from services.organizer.folders import Folders
from services.organizer.intake import Intake
from services.organizer.loose import LooseFiles
from services.organizer.names import stray_name
from services.organizer.nowhere import Nowhere

# A receiver announces at once: what is older than this has lost its message.
ANNOUNCED_WITHIN = timedelta(seconds=60)
ABANDONED_AFTER = timedelta(seconds=60)
EVERY_SECONDS = 60.0
_BATCH = 100

log = get_logger()


class Sweep:
    """One reconciliation of spool and rows; `swept` is set once it has been through."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        intake: Intake,
        loose: LooseFiles,
        clock: Callable[[], datetime],
    ) -> None:
        self._archive, self._database, self._intake = archive, database, intake
        self._loose, self._clock = loose, clock
        self.folders = Folders(archive, database, self._take_in_files, clock)
        self._nowhere = Nowhere(database, clock)
        self._everything = threading.Event()  # take in whatever is there, however fresh
        self._everything.set()
        self.swept = threading.Event()

    def everything_next(self) -> None:
        """After a reconnect messages may be lost that were never announced again."""
        self._everything.set()

    def run(self) -> None:
        """Reconcile once."""
        everything = self._everything.is_set()
        self._everything.clear()
        now = self._clock()
        fresh = timedelta(0) if everything else ANNOUNCED_WITHIN
        done = {
            "taken": self._take_in(now, fresh),
            "finished": self._finish_stranded(now, fresh),
            "claims": self._loose.take_up_abandoned(now, ABANDONED_AFTER),
            "recorded": self._record_quarantined() if everything else 0,
            "temporaries": self._archive.drop_stale_temporaries(now.timestamp()),
        }
        if any(done.values()):
            log.info(Log.SPOOL_SWEPT, **done)
        self.swept.set()

    def _take_in(self, now: datetime, fresh: timedelta) -> int:
        taken = 0
        # What seems to come from the future is not fresh: the clock was set back meanwhile.
        old_enough = (p for p in self._archive.spooled() if abs(now - received_at(p)) >= fresh)
        while batch := list(islice(old_enough, _BATCH)):
            ended = self._intake.ended([p.stem for p in batch if ReceiptId.parse(p.stem)])
            for path in batch:
                if path.stem in ended:
                    self._try_to_drop_copy(path, ended[path.stem])
            taken += self._take_in_files([path for path in batch if path.stem not in ended])
        return taken

    def _take_in_files(self, paths: Sequence[Path], folder: str = "") -> int:
        """Organize files of the spool, or of a study folder; how many.

        One that can't be organized must not keep the others from it.
        """
        try:
            found = [self._announcement(path, in_spool=not folder) for path in paths]
            stored = [event for event in found if event is not None]
            self._intake.organize(stored, folder)
        except TryAgain:  # taken by someone else meanwhile, or logged as missing
            return 0
        except Unavailable:
            raise
        except Exception:  # told with its receipt, and tried in the next sweep
            if len(paths) > 1:
                return sum(self._take_in_files([path], folder) for path in paths)
            log.exception(Log.TASK_FAILED, task="sweep", file=paths[0].name)
            return 0
        return len(stored)

    def _try_to_drop_copy(self, path: Path, sha256: str) -> None:
        """Drop or set aside one file; if that fails it must not keep the others waiting."""
        try:
            self._drop_copy(path, sha256)
        except OSError as error:
            trouble = self._archive.trouble(error)
            if isinstance(trouble, Unavailable):
                raise trouble from error
            log.exception(Log.TASK_FAILED, task="sweep", path=self._archive.relative(path))

    def _drop_copy(self, path: Path, sha256: str) -> None:
        """A spool file whose receipt has ended: a loose file, spooled again after a crash."""
        try:
            _meta, _size, found = data_set_sha256(path)
        except (FileNotFoundError, Unprocessable):
            return
        if found == sha256:
            path.unlink(missing_ok=True)
        else:
            why = "its receipt has ended with other bytes"
            self._intake.set_aside(path, f"{path.stem}-again", why)

    def _finish_stranded(self, now: datetime, fresh: timedelta) -> int:
        """Move receipts whose mover was stopped; those whose file is nowhere are told of."""
        finished, after = 0, ""
        missing: list[str] = []
        while True:
            with self._database.read() as session:
                stranded = queries.stranded_receipts(session, now, fresh, after, _BATCH)
            if not stranded:
                break
            after = stranded[-1]
            finished += self._finish(stranded, missing)
        self._nowhere.look(missing)
        return finished

    def _finish(self, receipt_ids: Sequence[str], missing: list[str]) -> int:
        """Finish receipts; one that can't be must not keep the others from it.

        Those whose file is nowhere are added to `missing`.
        """
        try:
            not_found = self._intake.finish(receipt_ids)
        except Unavailable:
            raise
        except Exception:  # told with its receipt, and tried in the next sweep
            if len(receipt_ids) > 1:
                return sum(self._finish([each], missing) for each in receipt_ids)
            log.exception(Log.TASK_FAILED, task="sweep", receipt_id=receipt_ids[0])
            return 0
        missing += not_found
        return len(receipt_ids) - len(not_found)

    def _record_quarantined(self) -> int:
        """Have a row for all that is in quarantine, whatever a crash or a person has left there."""
        with self._database.read() as session:
            known = queries.set_aside_files(session)
        files = {self._archive.relative(path): path for path in self._archive.quarantine.files()}
        returned = [name for name in files if known.get(name) is False]
        with self._database.write() as session:
            for name in returned:  # to be removed, and cut off before: a person may ask again
                queries.show_set_aside(session, name)
        unknown = [path for name, path in files.items() if name not in known]
        ids = [stray_name(path.stem) for path in unknown]
        with self._database.read() as session:
            begun = queries.receipt_states(session, ids)  # being superseded: not yet recorded
        new = [path for path, id_ in zip(unknown, ids, strict=True) if id_ not in begun]
        return len(returned) + sum(self._try_to_record(path) for path in new)

    def _try_to_record(self, path: Path) -> bool:
        """Record one file in quarantine; if that fails it must not keep the others."""
        try:
            return self._intake.record_quarantined(path)
        except Unavailable:
            raise
        except Exception:  # told, and tried in the next sweep after a reconnect
            log.exception(Log.TASK_FAILED, task="sweep", path=self._archive.relative(path))
            return False

    def _announcement(self, path: Path, *, in_spool: bool) -> InstanceStored | None:
        """The event that the file's receiver published or would have, from the file alone."""
        receipt_id = path.stem if in_spool else self._archive.receipt_in(path) or ""
        try:
            stored = announcement(self._archive, path, receipt_id)
        except FileNotFoundError:
            return None
        except Unprocessable as error:
            self._intake.set_aside(path, path.stem, str(error))
            return None
        if ReceiptId.parse(receipt_id) is None:
            self._intake.set_aside(path, path.stem, "its name is none that a receiver gives")
            return None
        return stored if in_spool else stored.model_copy(update={"receiver": ""})
