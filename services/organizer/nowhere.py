"""Tells of assigned receipts whose file is neither in the spool nor in its study's folder.

They stay assigned and are looked for in each sweep: the file may come back. The log is told when
one is new and then every hour; after an hour a person is to look at the study.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from dicom_router.database import Database, Session
from dicom_router.ledger import call_attention, lock_study, note
from dicom_router.log import Log, get_logger
from dicom_router.models import Receipt
from dicom_router.said import Said, images, said
from services.organizer import queries

NOWHERE = "nowhere"  # the kind of attention, and the entry in the timeline

_PATIENCE = timedelta(hours=1)
_NAMED = 5  # SOP Instance UIDs that a sentence names

log = get_logger()


class Nowhere:
    """Remembers since when which receipts are missing; a restart begins their hour anew."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock
        self._since: dict[str, datetime] = {}
        self._told: set[str] = set()
        self._logged_at: datetime | None = None

    def look(self, missing: Collection[str]) -> None:
        """These are all that a sweep did not find, on the right data folder."""
        now = self._clock()
        is_new = not self._since.keys() >= set(missing)
        self._since = {each: self._since.get(each, now) for each in missing}
        self._told &= self._since.keys()
        if not missing:
            return
        if is_new or self._logged_at is None or now - self._logged_at >= _PATIENCE:
            self._logged_at = now
            log.warning(Log.INSTANCE_MISSING, receipt_ids=sorted(missing)[:10], count=len(missing))
        long = {each for each, since in self._since.items() if now - since >= _PATIENCE}
        if not long <= self._told:
            self._tell(long, now)
            self._told |= long

    def _tell(self, receipt_ids: Collection[str], now: datetime) -> None:
        with self._database.read() as session:
            found = session.scalars(queries.studies_of_receipts(receipt_ids))
            studies = {study_uid for study_uid in found if study_uid}
        for study_uid in sorted(studies):
            with self._database.write() as session:
                _tell_of(session, study_uid, receipt_ids, now)


def _tell_of(session: Session, study_uid: str, receipt_ids: Collection[str], now: datetime) -> None:
    """Have a person look at a study, once for each of its receipts."""
    study = lock_study(session, study_uid)
    assigned = queries.assigned_of(session, study_uid)
    lost = [each for each in assigned if each.receipt_id in receipt_ids]
    told = queries.last_noted(session, study_uid, NOWHERE).get("receipt_ids", [])
    lost_ids = sorted(each.receipt_id for each in lost)
    if study is None or study.deleted or set(lost_ids) <= set(told):
        return
    text = said(
        "Received, but neither in the spool nor in the study's folder: {images}. Put the files "
        "back, or have the scanner send the study again",
        images=_images(lost),
    )
    call_attention(study, NOWHERE, text, now)
    note(session, study_uid, now, NOWHERE, text, receipt_ids=lost_ids)


def _images(rows: Sequence[Receipt]) -> Said:
    uids = sorted(row.sop_instance_uid for row in rows)
    shown = ", ".join(uids[:_NAMED]) + (", …" if len(uids) > _NAMED else "")
    return said("{images} ({uids})", images=images(len(uids)), uids=shown)
