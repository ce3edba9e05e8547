"""From the spool into the study's folder: assign, move, record; in batches.

Assign: the study's row fixes the folder, the receipts' rows say where each file is going, commit.
Move: under the studies' locks the files are renamed and both folders flushed. Record: the receipts
end, counts are derived, commit. A crash between any two of these leaves a row that says what was to
be done and a file in one of two places, and doing it again does the rest.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import NoReturn

from dicom_router.archive import Archive, ReceiptId, data_set_sha256, flush_folders, is_plain_file
from dicom_router.database import Database, Session
from dicom_router.errors import TryAgain, Unprocessable
from dicom_router.events import InstanceRejected, InstanceStored, Message, message
from dicom_router.history import moment, stamp
from dicom_router.ledger import note, refresh_state
from dicom_router.log import Log, get_logger
from dicom_router.models import Receipt, ReceiptState, Study
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.part10 import FileMeta, read_file_meta
from dicom_router.quarantine import NO_STUDY
from dicom_router.said import said
from services.organizer import queries
from services.organizer.announcement import announcement
from services.organizer.deletion import is_at_hand, revive
from services.organizer.header import Header, read_header
from services.organizer.identity import check_identity
from services.organizer.names import file_name, folder_name, person_name, stray_name
from services.organizer.placing import Placing, decide
from services.organizer.queries import NewReceipt

SERVICE = "organizer"

log = get_logger()


@dataclass(slots=True)
class _Moves:
    """What the moves of one batch leave to flush and to tell."""

    folders: set[Path] = field(default_factory=set)
    placed: list[Receipt] = field(default_factory=list)  # to be recorded as organized
    duplicates: list[Path] = field(default_factory=list)  # to be removed once it is recorded
    missing: list[str] = field(default_factory=list)
    active: set[str] = field(default_factory=set)  # studies that something changed at


class Intake:
    """Organizes instances that receivers have stored; any number of them may run at once."""

    def __init__(
        self,
        archive: Archive,
        database: Database,
        relay: OutboxRelay,
        source: str,
        clock: Callable[[], datetime],
        *,
        hold_conflicts: bool = False,
    ) -> None:
        self._archive, self._database, self._relay = archive, database, relay
        self._source, self._clock, self._hold_conflicts = source, clock, hold_conflicts

    def organize(self, stored: Sequence[InstanceStored], folder: str = "") -> None:
        """Bring every one of these instances to where its receipt ends.

        A study that is new gets `folder` if that is given and no other study has it.

        Raises `TryAgain` when a file is in neither of its two places, after the rest is done, or
        can't be used; `DiskTrouble` when the data folder can't.
        """
        try:
            self._organize(stored, folder)
        except OSError as error:
            raise self._archive.trouble(error) from error

    def _organize(self, stored: Sequence[InstanceStored], folder: str) -> None:
        self._archive.identity.require()
        each_once = {each.receipt_id: each for each in stored}.values()
        found = {each.receipt_id: self._inspect(each) for each in each_once}
        present = [each for each in found.values() if each is not None]
        if present:
            self._assign(present, folder)
        absent = [receipt_id for receipt_id, each in found.items() if each is None]
        unfinished = self._states(absent, ReceiptState.ASSIGNED)
        unfinished |= {e.stored.receipt_id for e in present if e.quarantined_because is None}
        missing = self._finish(unfinished)
        missing += sorted(set(absent) - self._states(absent))
        if missing:
            self._archive.identity.require()
            _raise_missing(missing)

    def finish(self, receipt_ids: Collection[str]) -> list[str]:
        """Move and record receipts that are assigned; those whose file is nowhere."""
        try:
            return self._finish(receipt_ids)
        except OSError as error:
            raise self._archive.trouble(error) from error

    def _finish(self, receipt_ids: Collection[str]) -> list[str]:
        if not receipt_ids:
            return []
        with self._database.write() as session:
            studies = queries.lock_studies_of(session, receipt_ids)
            self._revive(session, studies, receipt_ids)
            moves = self._move(session, studies, receipt_ids)
            self._archive.identity.require()  # or what was not found would be taken for missing
            queries.derive_counts(session, studies)
            for study_uid in moves.active:
                refresh_state(session, studies[study_uid], self._clock())
        for path in moves.duplicates:  # not before: without the record they may be all there is
            path.unlink(missing_ok=True)
        return moves.missing

    def _revive(
        self, session: Session, studies: dict[str, Study], receipt_ids: Collection[str]
    ) -> None:
        """Bring deleted studies back that a new image came for, if its file is there."""
        deleted = {study_uid for study_uid, study in studies.items() if study.deleted}
        receipts = queries.assigned_receipts(session, receipt_ids) if deleted else []
        for receipt in receipts:
            study = studies[receipt.study_uid or ""]
            if study.deleted and is_at_hand(self._archive, receipt, study):
                revive(session, self._archive, study, self._source, self._clock())
        if deleted:
            self._relay.wake()

    def ended(self, receipt_ids: Sequence[str]) -> dict[str, str]:
        """The SHA-256 of those receipts that have ended already."""
        with self._database.read() as session:
            return queries.ended_receipts(session, receipt_ids)

    def set_aside(self, path: Path, name: str, why: str, calling_ae_title: str = "") -> None:
        """Quarantine a file that is no instance at all, and record it as one that was rejected."""
        aside = self._archive.quarantine.put(path, f"{stray_name(name)}.dcm", why)
        log.warning(Log.INSTANCE_QUARANTINED, why=why, path=aside)
        self._record_set_aside([self._aside(aside, why, calling_ae_title)])

    def record_quarantined(self, path: Path) -> bool:
        """Record a file in quarantine that no row knows; False if it is gone meanwhile."""
        aside = self._archive.quarantine.find(path.name)
        if aside is None:
            return False
        self._record_set_aside([self._aside(*aside)])
        return True

    def _aside(self, aside: str, why: str, calling_ae_title: str = "") -> NewReceipt:
        """The receipt of a file in quarantine, from the file alone: its name and its meta."""
        path = self._archive.path(aside)
        receipt = ReceiptId.parse(path.stem)
        stored = announcement(self._archive, path, stray_name(path.stem), FileMeta("", "", ""))
        if calling_ae_title:
            stored = stored.model_copy(update={"calling_ae_title": calling_ae_title})
        received_at = receipt.received_at if receipt else self._clock()
        return NewReceipt(stored, received_at, Header(), aside, why)

    # -- inspect -------------------------------------------------------------------------------

    def _states(self, receipt_ids: Sequence[str], *states: ReceiptState) -> set[str]:
        """Which of these are known, and in any of the states if some are given."""
        if not receipt_ids:
            return set()
        with self._database.read() as session:
            known = queries.receipt_states(session, receipt_ids)
        return {receipt_id for receipt_id, state in known.items() if not states or state in states}

    def _inspect(self, stored: InstanceStored) -> NewReceipt | None:
        """Read what identifies an instance; None when its file is not in the spool."""
        receipt = ReceiptId.parse(stored.receipt_id)
        received_at = receipt.received_at if receipt else self._clock()
        try:
            header = self._header(stored)
        except FileNotFoundError:
            if not self._archive.identity.is_right():
                raise
            return None
        except Unprocessable as error:
            return self._set_aside(stored, received_at, Header(), str(error))
        if not header.study_uid:
            return self._set_aside(stored, received_at, header, NO_STUDY)
        name = file_name(header.modality or "OT", stored.sop_instance_uid)
        return NewReceipt(stored, received_at, header, name)

    def _header(self, stored: InstanceStored) -> Header:
        path = self._archive.path(stored.spool_path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _meta, offset = read_file_meta(descriptor)
            return read_header(descriptor, offset, stored.transfer_syntax_uid)
        finally:
            os.close(descriptor)

    def _set_aside(
        self, stored: InstanceStored, received_at: datetime, header: Header, why: str
    ) -> NewReceipt:
        """Move a file that can't be organized to quarantine, with the reason beside it."""
        path = self._archive.path(stored.spool_path)
        aside = self._archive.quarantine.put(path, f"{stored.receipt_id}.dcm", why)
        log.warning(Log.INSTANCE_QUARANTINED, receipt_id=stored.receipt_id, why=why, path=aside)
        return NewReceipt(stored, received_at, header, aside, quarantined_because=why)

    # -- assign --------------------------------------------------------------------------------

    def _assign(self, receipts: Sequence[NewReceipt], folder: str = "") -> None:
        now = self._clock()
        kept = [each for each in receipts if each.quarantined_because is None]
        with self._database.write() as session:
            queries.upsert_associations(session, receipts)
            first = {each.header.study_uid: each.header for each in reversed(kept)}
            known = queries.known_studies(session, first.keys())
            for study_uid in sorted(first.keys() - known):
                self._new_study(session, first[study_uid], now, folder)
            queries.insert_receipts(session, kept, now)
            queries.upsert_series(session, [each.header for each in kept])
        if aside := [each for each in receipts if each.quarantined_because is not None]:
            self._record_set_aside(aside)

    def _record_set_aside(self, receipts: Sequence[NewReceipt]) -> None:
        """Record receipts that ended in quarantine, and tell of them."""
        with self._database.write() as session:
            self._insert_set_aside(session, receipts)
        self._relay.wake()

    def _insert_set_aside(self, session: Session, receipts: Sequence[NewReceipt]) -> None:
        now = self._clock()
        queries.insert_receipts(session, receipts, now)
        enqueue(session, SERVICE, [self._rejected(each, now) for each in receipts])

    def _new_study(self, session: Session, header: Header, now: datetime, given: str) -> None:
        name = person_name(header.patient_name)
        if given and not queries.folder_is_taken(session, given):
            created = moment(given[:15]) or now
            if queries.insert_study(session, header, given, name, created, stamp(created)):
                return
        local = now.astimezone()
        for number in count(1):
            folder = folder_name(local, header.patient_id, header.patient_name, number)
            if queries.folder_is_taken(session, folder) or not self._archive.folder_is_free(folder):
                continue
            if queries.insert_study(session, header, folder, name, now, stamp(now)):
                return

    def _rejected(self, receipt: NewReceipt, now: datetime) -> Message:
        stored = receipt.stored
        return message(
            InstanceRejected(
                receipt_id=stored.receipt_id,
                association_id=stored.association_id,
                calling_ae_title=stored.calling_ae_title,
                sop_instance_uid=stored.sop_instance_uid,
                why=receipt.quarantined_because or "",
                path=receipt.file_name,
            ),
            id=f"{stored.receipt_id}-rejected",
            source=self._source,
            time=now,
            correlation_id=stored.association_id,
        )

    # -- move and record -----------------------------------------------------------------------

    def _move(
        self,
        session: Session,
        studies: dict[str, Study],
        receipt_ids: Collection[str],
    ) -> _Moves:
        """Move the files of assigned receipts and set where each receipt ended."""
        now = self._clock()  # before any move: what is written to a file later is not its receipt's
        receipts = queries.assigned_receipts(session, receipt_ids)
        current = queries.current_instances(
            session, [(r.study_uid or "", r.sop_instance_uid) for r in receipts]
        )
        moves = _Moves()
        for receipt in receipts:
            study = studies[receipt.study_uid or ""]
            key = (study.study_uid, receipt.sop_instance_uid)
            self._look_at(current.get(key), study)
            placing = decide(receipt, current.get(key), study.sent_revision)
            if not self._carry_out(session, placing, receipt, current.get(key), study, moves):
                if receipt.receipt_id in receipt_ids:
                    moves.missing.append(receipt.receipt_id)
                continue
            if moves.placed and moves.placed[-1] is receipt:
                current[key] = receipt
            if self._identify(session, receipt, study):
                moves.active.add(study.study_uid)
        flush_folders(moves.folders)
        queries.record_placed(session, moves.placed, now)
        return moves

    def _identify(self, session: Session, receipt: Receipt, study: Study) -> bool:
        """Compare an image with its study before it can go out; whether that changed the study."""
        return check_identity(
            session,
            study,
            receipt.patient_id,
            self._clock(),
            receipt_id=receipt.receipt_id,
            hold=self._hold_conflicts,
        )

    def _carry_out(
        self,
        session: Session,
        placing: Placing,
        receipt: Receipt,
        older: Receipt | None,
        study: Study,
        moves: _Moves,
    ) -> bool:
        """Do what was decided with one receipt; False if its file is nowhere."""
        now = self._clock()
        if placing is Placing.NOTE:
            moves.duplicates.append(self._archive.path(receipt.spool_path))
            _end(receipt, ReceiptState.DUPLICATE, now)
            receipt.on_disk = False
            receipt.revision = None if study.receiving else study.revision
        elif not is_at_hand(self._archive, receipt, study):
            return self._was_superseded(session, receipt, study)
        else:
            if placing is Placing.SUPERSEDE and older is not None:
                self._supersede(session, older, receipt, study, moves)
            if older is None or not older.on_disk:
                self._clear_the_way(session, receipt, study)
            self._place(receipt, study, moves)
            if older is not None:
                self._drop_other_name(older, receipt, study)
                _end(older, ReceiptState.SUPERSEDED, now)
                older.on_disk = placing is Placing.SUPERSEDE and older.file_name is not None
                moves.placed = [each for each in moves.placed if each is not older]
                session.flush()  # before the newer one claims to be the instance
            moves.placed.append(receipt)
            study.receiving, study.on_disk = True, True
            study.history_month = None
            moves.active.add(study.study_uid)
        study.last_activity_at = now
        return True

    def _look_at(self, current: Receipt | None, study: Study) -> None:
        """Make sure of the instance that is there: that its file is, and what its bytes are.

        Files that were taken over are hashed only now, since nobody needed to know until now.
        """
        if current is None or not current.on_disk:
            return
        path = self._archive.study_file(study.folder, current.file_name or "")
        is_there = is_plain_file(path)
        if not is_there or self._archive.receipt_in(path) not in ("", current.receipt_id):
            current.on_disk = False
        elif not current.sha256:
            try:
                _meta, _size, current.sha256 = data_set_sha256(path)
            except Unprocessable:
                current.on_disk = False

    def _place(self, receipt: Receipt, study: Study, moves: _Moves) -> None:
        """Rename a file into its folder, unless that was done before a crash."""
        source = self._archive.path(receipt.spool_path)
        target = self._archive.study_file(study.folder, receipt.file_name or "")
        try:
            self._archive.place(source, study.folder, target.name)
        except FileNotFoundError:
            if self._archive.receipt_in(target) != receipt.receipt_id:
                raise
        moves.folders |= {source.parent, target.parent, self._archive.root}

    def _drop_other_name(self, older: Receipt, newer: Receipt, study: Study) -> None:
        """Unlink the same bytes under another name, as an earlier version may have given it."""
        is_in_folder = older.on_disk and older.sha256 == newer.sha256
        if is_in_folder and older.file_name and older.file_name != newer.file_name:
            self._archive.study_file(study.folder, older.file_name).unlink(missing_ok=True)

    def _clear_the_way(self, session: Session, receipt: Receipt, study: Study) -> None:
        """Set aside a file that no row knows but that has the name this one needs.

        One that was moved and not recorded, and is newer, goes back to where it came from.
        """
        target = self._archive.study_file(study.folder, receipt.file_name or "")
        found = self._archive.receipt_in(target)
        if found not in (None, receipt.receipt_id):
            came_from = queries.spool_path_of_assigned(session, found or "")
            if came_from and self._archive.put_back(target, came_from):
                return
            why = f"it was in the folder under the name of {receipt.receipt_id}, unknown"
            aside = self._archive.quarantine.put(target, f"{receipt.receipt_id}-before.dcm", why)
            if not is_plain_file(self._archive.path(aside)):
                return  # a link or a folder, of which there is nothing to tell
            self._insert_set_aside(session, [self._aside(aside, why)])

    def _was_superseded(self, session: Session, receipt: Receipt, study: Study) -> bool:
        """Whether newer bytes pushed this file aside, which was not recorded; if so, record it."""
        aside = self._archive.quarantine.find(f"{receipt.receipt_id}.dcm")
        if aside is None:
            return False
        receipt.file_name, receipt.reason = aside
        _end(receipt, ReceiptState.SUPERSEDED, self._clock())
        self._note_superseded(session, receipt, study)
        return True

    def _supersede(
        self, session: Session, older: Receipt, newer: Receipt, study: Study, moves: _Moves
    ) -> None:
        """Move the older file aside, unless that was done before a crash."""
        name = f"{older.receipt_id}.dcm"
        why = f"superseded by {newer.receipt_id}: other bytes under the same SOP Instance UID"
        target = self._archive.study_file(study.folder, older.file_name or "")
        if older.on_disk and self._archive.receipt_in(target) != newer.receipt_id:
            try:
                self._archive.quarantine.put(target, name, why)
            except FileNotFoundError:
                log.warning(Log.INSTANCE_MISSING, receipt_id=older.receipt_id, why=why)
        aside = self._archive.quarantine.find(name)
        older.file_name = aside[0] if aside else None
        older.reason = why
        moves.folders.add(target.parent)
        self._note_superseded(session, older, study)

    def _note_superseded(self, session: Session, older: Receipt, study: Study) -> None:
        note(
            session,
            study.study_uid,
            self._clock(),
            "superseded",
            said(
                "Instance {uid} came again with other bytes: the newest is in the folder and will "
                "be sent, the older is in quarantine",
                uid=older.sop_instance_uid,
            ),
            sop_instance_uid=older.sop_instance_uid,
            superseded_receipt_id=older.receipt_id,
        )


def _end(receipt: Receipt, state: ReceiptState, now: datetime) -> None:
    receipt.state = state
    receipt.organized_at = receipt.organized_at or now


def _raise_missing(receipt_ids: Sequence[str]) -> NoReturn:
    log.warning(Log.INSTANCE_MISSING, receipt_ids=list(receipt_ids[:10]), count=len(receipt_ids))
    raise TryAgain(
        f"{len(receipt_ids)} instances are neither in the spool nor in a study's folder "
        f"({receipt_ids[0]}, …): is the data folder the one the receiver writes to?"
    )
