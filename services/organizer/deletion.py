"""Removes the files of studies that a person had deleted; the API marks them, under their lock.

A new image brings such a study back: what was deleted is removed first, so that only the new is
there. Nobody but a person decides that an image goes.
"""

import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from dicom_router.archive import Archive, is_plain_file
from dicom_router.database import Database, Session
from dicom_router.events import StudyDeleted, message
from dicom_router.ledger import lock_study, note
from dicom_router.log import Log, get_logger
from dicom_router.models import Receipt, Study
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.said import images, said
from dicom_router.tasks import for_each
from services.organizer import queries

EVERY_SECONDS = 60.0  # for what no command told

_AT_A_TIME = 100

log = get_logger()


class Deletion:
    """Removes what a person had deleted, under the study's lock; doing so again changes nothing."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        relay: OutboxRelay,
        source: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._archive, self._database, self._relay = archive, database, relay
        self._source, self._clock = source, clock

    def run(self) -> None:
        """Remove the files of all studies that are deleted and still on disk."""
        after = ""
        while True:
            with self._database.read() as session:
                found = queries.studies_to_delete(session, after, _AT_A_TIME)
            for_each("deletion", found, self._remove)
            if len(found) < _AT_A_TIME:
                return
            after = found[-1]

    def _remove(self, study_uid: str) -> None:
        try:
            with self._database.write() as session:
                study = lock_study(session, study_uid)
                if study is not None and study.deleted:
                    remove_deleted(session, self._archive, study, self._source, self._clock())
        except OSError as error:
            raise self._archive.trouble(error) from error
        self._relay.wake()


def remove_deleted(
    session: Session, archive: Archive, study: Study, source: str, now: datetime
) -> None:
    """Remove the files of a deleted study that are still there, and tell; lock it before."""
    if not study.on_disk:
        return
    by = study.deleted_by or ""
    names = set(own_files(session, archive, study))
    names -= _new_files(archive, study, queries.assigned_of(session, study.study_uid))
    if not archive.remove_study_files(study.folder, sorted(names)):
        log.warning(Log.FOLDER_NOT_EMPTY, study_uid=study.study_uid)
    queries.mark_deleted(session, study, now)
    text = said("Removed from this disk: {images}", images=images(len(names)))
    note(session, study.study_uid, now, "files-removed", text, by=by, instances=len(names))
    event = StudyDeleted(study_uid=study.study_uid, why="user", by=by)
    enqueue(session, "organizer", [message(event, id=uuid.uuid4().hex, source=source, time=now)])
    log.info(Log.STUDY_DELETED, study_uid=study.study_uid, why="user", images=len(names))


def revive(session: Session, archive: Archive, study: Study, source: str, now: datetime) -> None:
    """A new image came for a deleted study: what was deleted goes, then it is as any other."""
    remove_deleted(session, archive, study, source, now)
    study.deleted, study.deleted_by = False, None
    text = said(
        "A new image came after the deletion: the study is received again, with what is new only"
    )
    note(session, study.study_uid, now, "revived", text)


def is_at_hand(archive: Archive, receipt: Receipt, study: Study) -> bool:
    """Whether an assigned receipt's file is in one of its two places."""
    if is_plain_file(archive.path(receipt.spool_path)):
        return True
    target = archive.study_file(study.folder, receipt.file_name or "")
    return archive.receipt_in(target) == receipt.receipt_id


def own_files(session: Session, archive: Archive, study: Study) -> list[str]:
    """The names of a study's files, but of those that hold newer bytes than its rows know of.

    An older database lacks what came after it: it is taken in again once `folders` finds it.
    """
    rows = queries.organized_receipts(session, study.study_uid)
    return [
        row.file_name
        for row in rows
        if row.on_disk
        and row.file_name
        and not _holds_newer(archive, archive.study_file(study.folder, row.file_name), row)
    ]


def _holds_newer(archive: Archive, path: Path, row: Receipt) -> bool:
    try:
        written_at = path.lstat().st_mtime
    except FileNotFoundError:
        return False
    if row.organized_at is not None and written_at <= row.organized_at.timestamp():
        return False  # without opening each file
    return archive.receipt_in(path) not in (None, "", row.receipt_id)


def _new_files(archive: Archive, study: Study, assigned: Collection[Receipt]) -> set[str]:
    """The files of receipts that were moved into the folder and not recorded, for a crash.

    One of them may have the name of a file that was deleted: it is new, and stays.
    """
    return {
        receipt.file_name
        for receipt in assigned
        if receipt.file_name
        and archive.receipt_in(archive.study_file(study.folder, receipt.file_name))
        == receipt.receipt_id
    }
