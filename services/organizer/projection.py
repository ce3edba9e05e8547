"""Writes `.metadata.json`, the history that outside readers rely on, from the database.

The file holds the studies on disk and the newest 10,000; older ones go to their month's file,
`.metadata.d/YYYY-MM.json`. One row in the database is the lock from read to rename, so an older
state never replaces a newer. The organizer that wrote last keeps the entries in memory and renders
only what has changed; another writes only when it has let changes wait.
"""

import json
import time
from collections.abc import Callable, Iterable

from dicom_router.archive import Archive, write_atomically
from dicom_router.database import Database, Session
from dicom_router.history import history_entry
from dicom_router.models import Projection, Study
from services.organizer import queries

NEWEST = 10_000
_OUTGROWN_AT_A_TIME = 1_000
_CHANGED_AT_A_TIME = 5_000  # more change only when an earlier version's folder was taken over
# For how long changes wait before another organizer writes them than the one that wrote last. Less
# than the second between two looks: the file is never more than two seconds behind.
_PATIENCE_SECONDS = 0.9


class HistoryFile:
    """`.metadata.json` and the older months' files."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        holder: str,
        newest: int = NEWEST,
        *,
        at_a_time: int = _CHANGED_AT_A_TIME,
        patience: float = _PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive, self._database, self._holder = archive, database, holder
        self._newest, self._at_a_time = newest, at_a_time
        self._patience, self._clock = patience, clock
        self._generation = -1  # of the entries below; another organizer's writing outdates them
        self._entries: dict[str, str] = {}  # Study Instance UID → its entry, rendered
        # Which generation it was that changes wait for the holder to write, and since when.
        self._waiting: tuple[int, float] | None = None

    def write_if_changed(self) -> None:
        """Bring the files up to date, unless they are or another organizer is doing it."""
        while self._is_my_turn() and self._write():
            pass

    def _write(self) -> bool:
        """Write what has changed; whether there may be more."""
        with self._database.write() as session:
            lock = queries.lock_projection(session, self._holder)
            if lock is None:
                return False
            known, self._generation = self._generation, -1  # until this is committed
            changed = queries.take_unprojected(session, self._at_a_time)
            if lock.holder != self._holder or lock.generation != known:
                self._entries = _rendered(queries.recent_studies(session))
            else:
                self._entries |= _rendered(s for s in changed if s.history_month is None)
            self._archive.identity.require()
            months = {study.history_month for study in changed if study.history_month}
            self._write_months(session, months | self._outgrow(session))
            write_atomically(self._archive.history_path, _joined(self._entries))
            lock.holder, lock.generation = self._holder, lock.generation + 1
            generation = lock.generation
        self._generation = generation
        return len(changed) == self._at_a_time

    def _is_my_turn(self) -> bool:
        """Whether something has changed, and is this one's to write or has waited too long."""
        with self._database.read() as session:
            changed = queries.has_unprojected(session)
            last = session.get(Projection, 1)
        if not changed or last is None or last.holder == self._holder:
            self._waiting = None
            return changed
        now = self._clock()
        if self._waiting is None or self._waiting[0] != last.generation:
            self._waiting = last.generation, now  # the holder is at work
        return now - self._waiting[1] >= self._patience

    def _outgrow(self, session: Session) -> set[str]:
        """Hand the studies that are old by now to their months; which months those are."""
        if len(self._entries) <= self._newest:
            return set()
        months = set()
        for study in queries.outgrown_studies(session, self._newest, _OUTGROWN_AT_A_TIME):
            study.history_month = f"{study.created_stamp[:4]}-{study.created_stamp[4:6]}"
            months.add(study.history_month)
            self._entries.pop(study.study_uid, None)
        session.flush()
        return months

    def _write_months(self, session: Session, months: set[str]) -> None:
        for month in sorted(months):
            entries = _rendered(queries.studies_of_month(session, month))
            write_atomically(self._archive.older_history_path(month), _joined(entries))


def _rendered(studies: Iterable[Study]) -> dict[str, str]:
    return {
        study.study_uid: json.dumps(history_entry(study), ensure_ascii=False) for study in studies
    }


def _joined(entries: dict[str, str]) -> bytes:
    lines = (f"{json.dumps(uid, ensure_ascii=False)}: {text}" for uid, text in entries.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "replace")
