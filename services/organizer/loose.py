"""Takes in `*.dcm` files that lie loose in the data folder, as if the scanner FOLDER sent them.

A file is claimed by renaming it into the spool, so that of several organizers one takes it; a claim
that a crash left behind is for the sweep, unless its copy is still being written.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from dicom_router.archive import Archive, ReceiptId, received_at
from dicom_router.database import Database
from dicom_router.errors import Unavailable, Unprocessable
from dicom_router.events import InstanceStored, Message
from dicom_router.log import Log, get_logger
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.part10 import FileMeta
from dicom_router.quarantine import LOOSE_RECEIVER
from dicom_router.said import said
from services.organizer.intake import Intake
from services.organizer.spooling import announced, copy_to_spool

CALLING_AE_TITLE = "FOLDER"
UNCHANGED_FOR = timedelta(seconds=5)

log = get_logger()


class LooseFiles:
    """Watches the data folder's own level for files that someone put there."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        intake: Intake,
        relay: OutboxRelay,
        source: str,
        clock: Callable[[], datetime],
        called_ae_title: str,
    ) -> None:
        self._archive, self._database, self._relay = archive, database, relay
        self._intake = intake
        self._source, self._clock, self._called_ae_title = source, clock, called_ae_title
        self._seen: dict[Path, tuple[tuple[int, int, int], datetime]] = {}

    def run(self) -> None:
        """Take in the files that have not changed for a while."""
        now = self._clock()
        seen = {}
        for path in self._archive.loose_files():
            state = _state(path)
            if state is None:
                continue
            known, since = self._seen.get(path, (state, now))
            seen[path] = (state, since if known == state else now)
        self._seen = seen
        for path, (_, since) in seen.items():
            if now - since >= UNCHANGED_FOR:
                _try(self._claim, path)

    def take_up_abandoned(self, now: datetime, fresh: timedelta) -> int:
        """Take in what was claimed and never copied, by whoever, unless it is fresh; how many."""
        claims = self._archive.claims(LOOSE_RECEIVER)
        abandoned = [claim for claim in claims if abs(now - received_at(claim)) > fresh]
        free = [claim for claim in abandoned if self._is_free(claim, now, fresh)]
        return sum(_try(self._take_in, claim) for claim in free)

    def _is_free(self, claim: Path, now: datetime, fresh: timedelta) -> bool:
        """Whether nobody has copied from it since; what a killed copy left is removed."""
        receipt = ReceiptId.parse(claim.stem)
        return receipt is None or self._archive.drop_temporary(LOOSE_RECEIVER, receipt, now, fresh)

    def _claim(self, path: Path) -> None:
        receipt = ReceiptId(self._clock(), secrets.token_hex(8), 1)
        claim = self._archive.claim(path, LOOSE_RECEIVER, receipt)
        if claim is not None:
            log.info(Log.LOOSE_FILE_TAKEN, receipt_id=str(receipt))
            self._take_in(claim)

    def _take_in(self, claim: Path) -> None:
        """Spool a claimed file with its provenance, announce it, drop the claim."""
        receipt = ReceiptId.parse(claim.stem)
        try:
            if receipt is None:
                raise Unprocessable(said("its name is none that the router gives"))
            messages = self._spool(claim, receipt)
        except Unprocessable as error:
            self._intake.set_aside(claim, claim.stem, str(error), CALLING_AE_TITLE)
            return
        with self._database.write() as session:
            enqueue(session, "organizer", messages)
        self._relay.wake()
        claim.unlink(missing_ok=True)

    def _spool(self, claim: Path, receipt: ReceiptId) -> list[Message]:
        file, meta = copy_to_spool(
            self._archive, claim, LOOSE_RECEIVER, receipt, lambda found: self._meta(found, receipt)
        )
        stored = InstanceStored(
            receipt_id=str(receipt),
            receiver=LOOSE_RECEIVER,
            association_id=receipt.association_id,
            calling_ae_title=CALLING_AE_TITLE,
            called_ae_title=self._called_ae_title,
            peer_address="",
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=meta.sop_instance_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            spool_path=self._archive.relative(file.path),
            size=file.size,
            sha256=file.sha256,
        )
        return announced(stored, receipt, self._source, self._clock())

    def _meta(self, found: FileMeta, receipt: ReceiptId) -> FileMeta:
        return FileMeta(
            sop_class_uid=found.sop_class_uid,
            sop_instance_uid=found.sop_instance_uid,
            transfer_syntax_uid=found.transfer_syntax_uid,
            calling_ae_title=CALLING_AE_TITLE,
            called_ae_title=self._called_ae_title,
            receipt_id=str(receipt),
        )


def _try(work: Callable[[Path], None], path: Path) -> bool:
    """What is wrong with one file must not keep the others; it gets its turn again."""
    try:
        work(path)
    except Unavailable:
        raise
    except OSError as error:  # without the name, which may be a patient's
        log.error(Log.TASK_FAILED, task="loose-files", why=error.strerror)  # noqa: TRY400
    except Exception:  # told, and tried again
        log.exception(Log.TASK_FAILED, task="loose-files")
    else:
        return True
    return False


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does; None if it is gone."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
