"""Makes up for every message that was lost and every step that was cut off.

At start, on reconnect and every minute: spool files that nobody announced are taken in, receipts
that were assigned and never moved are moved, temporary files that nobody writes are removed. Losing
the broker with all its messages loses nothing that this does not find.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from dicom_router.archive import Archive, ReceiptId, data_set_sha256
from dicom_router.database import Database
from dicom_router.errors import TryAgain, Unprocessable
from dicom_router.events import InstanceStored
from dicom_router.log import Log, get_logger
from services.organizer import queries
from services.organizer.intake import Intake

# A receiver announces at once: what is older than this has lost its message.
ANNOUNCED_WITHIN = timedelta(seconds=60)
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
        clock: Callable[[], datetime],
    ) -> None:
        self._archive, self._database, self._intake = archive, database, intake
        self._clock = clock
        self._everything = threading.Event()  # take in whatever is there, however fresh
        self._everything.set()
        self.swept = threading.Event()

    def everything_next(self) -> None:
        """After a reconnect messages may be lost that were never announced again."""
        self._everything.set()

    def run(self) -> None:
        """Reconcile once."""
        patience = timedelta(0) if self._everything.is_set() else ANNOUNCED_WITHIN
        self._everything.clear()
        taken = self._take_in(self._clock() - patience)
        finished = self._finish_stranded(self._clock() - patience)
        dropped = self._archive.drop_stale_temporaries(time.time())
        if taken or finished or dropped:
            log.info(Log.SPOOL_SWEPT, taken=taken, finished=finished, temporaries=dropped)
        self.swept.set()

    def _take_in(self, received_before: datetime) -> int:
        taken = 0
        old_enough = (p for p in self._archive.spooled() if _received(p) <= received_before)
        while batch := list(islice(old_enough, _BATCH)):
            stored = [event for event in map(self._announcement, batch) if event is not None]
            try:
                self._intake.organize(stored)
            except TryAgain:  # taken by someone else meanwhile, or logged as missing
                continue
            taken += len(stored)
        return taken

    def _finish_stranded(self, received_before: datetime) -> int:
        with self._database.read() as session:
            stranded = queries.stranded_receipts(session, received_before, _BATCH)
        if not stranded:
            return 0
        return len(stranded) - len(self._intake.finish(stranded))

    def _announcement(self, path: Path) -> InstanceStored | None:
        """The event that the file's receiver published or would have, from the file alone."""
        receipt = ReceiptId.parse(path.stem)
        try:
            meta, size, sha256 = data_set_sha256(path)
        except FileNotFoundError:
            return None
        except Unprocessable as error:
            self._set_aside(path, str(error))
            return None
        if receipt is None:
            self._set_aside(path, "its name is none that a receiver gives")
            return None
        return InstanceStored(
            receipt_id=str(receipt),
            receiver=path.parent.name,
            association_id=receipt.association_id,
            calling_ae_title=meta.calling_ae_title,
            called_ae_title=meta.called_ae_title,
            peer_address=host_of(meta.peer_address),
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=meta.sop_instance_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            spool_path=self._archive.relative(path),
            size=size,
            sha256=sha256,
        )

    def _set_aside(self, path: Path, why: str) -> None:
        aside = self._archive.quarantine(path, path.name, why)
        log.warning(Log.INSTANCE_QUARANTINED, why=why, path=aside)


def host_of(presentation_address: str) -> str:
    """The host in `dicom://host:port`."""
    authority = presentation_address.removeprefix("dicom://")
    return authority.rpartition(":")[0].strip("[]") or authority


def _received(path: Path) -> datetime:
    receipt = ReceiptId.parse(path.stem)
    return receipt.received_at if receipt else datetime.fromtimestamp(0).astimezone()
