"""What people ask for a file in quarantine: to take it in once more, or to remove it.

To take it in is to store it anew: its data set is copied into the spool under a new receipt, which
is announced; then the old one says so; then the file goes. Cut off anywhere, the file is in
quarantine, in the spool, or in both, where the sweep finds it; doing it again makes no second one.
Of a superseded instance these bytes thus become the newest, and destinations are sent them.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from dicom_router.archive import Archive, ReceiptId, is_plain_file
from dicom_router.database import Database
from dicom_router.errors import TryAgain, Unprocessable
from dicom_router.events import Message
from dicom_router.ledger import note
from dicom_router.log import Log, get_logger
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.part10 import read_file_meta
from dicom_router.quarantine import NO_STUDY, RECEIVER
from dicom_router.said import Said, said
from services.organizer import queries
from services.organizer.announcement import announcement
from services.organizer.header import read_header
from services.organizer.spooling import announced, copy_to_spool

# A copy that nobody has written to for so long was cut off.
_COPYING_WITHIN = timedelta(seconds=60)

log = get_logger()


class Quarantine:
    """Carries out commands about files in quarantine; any number of organizers may."""

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

    def retry(self, receipt_id: str, by: str, asked_at: datetime) -> None:
        """Take a file in once more; one that still can't be organized stays, with the reason.

        `asked_at`, the command's time, is the new receipt's: the same when the command comes again.
        """
        try:
            path = self._to_do(receipt_id)
            if path is not None:
                self._retry(receipt_id, path, by, asked_at)
        except OSError as error:
            raise self._archive.trouble(error) from error

    def delete(self, receipt_id: str, by: str) -> None:
        """Remove a file; its row says who had it removed."""
        try:
            path = self._to_do(receipt_id)
            if path is not None:
                self._record(receipt_id, "quarantine-deleted", said("deleted by {by}", by=by))
                self._archive.quarantine.remove(path)
                log.info(Log.QUARANTINE_DELETED, receipt_id=receipt_id, by=by)
        except OSError as error:
            raise self._archive.trouble(error) from error

    def _to_do(self, receipt_id: str) -> Path | None:
        """The file, unless there is nothing left to be done about it but to remove it."""
        with self._database.read() as session:
            row = queries.set_aside_receipt(session, receipt_id)
        if row is None or row.file_name is None:
            return None
        path = self._archive.path(row.file_name)
        if row.on_disk:
            return path
        self._archive.quarantine.remove(path)  # a crash came before that
        return None

    def _retry(self, receipt_id: str, path: Path, by: str, asked_at: datetime) -> None:
        receipt = ReceiptId(asked_at, hashlib.sha256(receipt_id.encode()).hexdigest()[:16], 1)
        try:
            _require_organizable(path)
            messages = self._spool(path, receipt)
        except FileNotFoundError:
            if is_plain_file(path) or not self._archive.identity.is_right():
                raise  # it is the copy that is gone, or all of it: this file is to stay
            self._record(receipt_id, "quarantine-lost", said("its file is not there any more"))
            return
        except Unprocessable as error:
            self._keep(receipt_id, path, str(error))
            return
        what = said("taken in again as {receipt} for {by}", receipt=str(receipt), by=by)
        self._record(receipt_id, "quarantine-retried", what, messages)
        self._archive.quarantine.remove(path)
        log.info(Log.QUARANTINE_RETRIED, receipt_id=receipt_id, taken_in_as=str(receipt), by=by)

    def _spool(self, path: Path, receipt: ReceiptId) -> list[Message]:
        now = self._clock()
        if not self._archive.drop_temporary(RECEIVER, receipt, now, _COPYING_WITHIN):
            raise TryAgain(f"{receipt} is being taken in by another organizer")
        file, _meta = copy_to_spool(
            self._archive,
            path,
            RECEIVER,
            receipt,
            lambda found: replace(found, receipt_id=str(receipt)),
        )
        stored = announcement(self._archive, file.path, str(receipt))
        return announced(stored, receipt, self._source, now)

    def _keep(self, receipt_id: str, path: Path, why: str) -> None:
        """It can't be organized, still."""
        self._archive.quarantine.write_reason(path, why)
        with self._database.write() as session:
            row = queries.set_aside_receipt(session, receipt_id)
            if row is not None:
                row.reason = why
        log.warning(Log.INSTANCE_QUARANTINED, receipt_id=receipt_id, why=why)

    def _record(
        self, receipt_id: str, event: str, what: Said, messages: list[Message] | None = None
    ) -> None:
        """Have the row, and its study's timeline, say what became of the file; tell of the new."""
        now = self._clock()
        with self._database.write() as session:
            row = queries.claim_set_aside(session, receipt_id)
            if row is None:  # somebody else was quicker
                return
            row.reason = f"{row.reason}; {what} ({now.isoformat(timespec='seconds')})"
            if row.study_uid:
                detail = said(
                    "Instance {uid} in quarantine: {what}", uid=row.sop_instance_uid, what=what
                )
                note(session, row.study_uid, now, event, detail, receipt_id=receipt_id)
            enqueue(session, "organizer", messages or [])
        self._relay.wake()


def _require_organizable(path: Path) -> None:
    """Raise `Unprocessable` with what would put it into quarantine again."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        meta, offset = read_file_meta(descriptor)
        if not read_header(descriptor, offset, meta.transfer_syntax_uid).study_uid:
            raise Unprocessable(NO_STUDY)
    finally:
        os.close(descriptor)
