"""Removes studies from disk once every destination has them and the time to keep them is over."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from dicom_router.archive import LEAST_FREE_BYTES, Archive
from dicom_router.database import Database
from dicom_router.events import StudyDeleted, message
from dicom_router.ledger import lock_study, note
from dicom_router.log import Log, get_logger
from dicom_router.models import StudyState
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.said import images, said
from dicom_router.settings import Settings
from dicom_router.tasks import for_each
from services.organizer import queries
from services.organizer.deletion import is_at_hand, own_files

FOR_EVER = -1
_AT_A_TIME = 100

log = get_logger()


class Retention:
    """Deletes only what was delivered, under the study's lock, and remembers that it was."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        relay: OutboxRelay,
        source: str,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        self._archive, self._database, self._relay = archive, database, relay
        self._source, self._clock, self._settings = source, clock, settings

    def run(self) -> None:
        """Delete what is due, then the oldest while the disk is short of room."""
        if self._settings.retention_hours != FOR_EVER:
            kept = timedelta(hours=self._settings.retention_hours)
            due = self._deletable(self._clock() - kept, _AT_A_TIME)
            for_each("retention", due, lambda study_uid: self._delete(study_uid, "retention"))
        if self._disk_is_short():
            for_each("retention", self._deletable(None, _AT_A_TIME), self._delete_while_short)

    def _delete_while_short(self, study_uid: str) -> None:
        if self._disk_is_short():
            self._delete(study_uid, "disk")

    def _deletable(self, sent_before: datetime | None, limit: int) -> list[str]:
        with self._database.read() as session:
            return queries.deletable_studies(
                session, sent_before, self._settings.retention_is_explicit, limit
            )

    def _disk_is_short(self) -> bool:
        space = self._archive.space()
        least = 2 * self._settings.disk_min_free_percent
        return space.free_percent < min(least, 100.0) or space.free < 2 * LEAST_FREE_BYTES

    def _delete(self, study_uid: str, why: Literal["retention", "disk"]) -> None:
        """Delete one study's files if it is still so that they may go."""
        now = self._clock()
        with self._database.write() as session:
            study = lock_study(session, study_uid)
            if study is None or study.state != StudyState.SENT or not study.on_disk:
                return
            assigned = queries.assigned_of(session, study_uid)
            if any(is_at_hand(self._archive, each, study) for each in assigned):
                return  # an image is in its folder, or on its way there, and not recorded yet
            names = own_files(session, self._archive, study)
            if not self._archive.remove_study_files(study.folder, names):
                log.warning(Log.FOLDER_NOT_EMPTY, study_uid=study_uid)
            queries.mark_deleted(session, study, now)
            note(
                session,
                study_uid,
                now,
                "deleted",
                said(
                    "Removed from this disk to make room, every destination has them: {images}",
                    images=images(len(names)),
                )
                if why == "disk"
                else said(
                    "Removed from this disk as kept long enough, every destination has them: "
                    "{images}",
                    images=images(len(names)),
                ),
                why=why,
            )
            event = StudyDeleted(study_uid=study_uid, why=why, by="organizer")
            told = message(event, id=uuid.uuid4().hex, source=self._source, time=now)
            enqueue(session, "organizer", [told])
        self._relay.wake()
        log.info(Log.STUDY_DELETED, study_uid=study_uid, why=why, images=len(names))
