"""All that the organizer reads from and writes to the database."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from dicom_router.database import insert_or_ignore, one_of
from dicom_router.events import AssociationRejected, AssociationReleased, InstanceStored
from dicom_router.ledger import lock_studies, refresh_state
from dicom_router.models import (
    Association,
    Base,
    Milestone,
    Projection,
    Receipt,
    ReceiptState,
    Sender,
    Series,
    Study,
    StudyState,
    TimelineEntry,
    among,
)
from services.organizer.completeness import AssociationView
from services.organizer.header import Header

_CHUNK = 500  # values in one IN list


# -- receipts ----------------------------------------------------------------------------------


def receipt_states(session: Session, receipt_ids: Sequence[str]) -> dict[str, str]:
    """The states of those receipts that are known."""
    states: dict[str, str] = {}
    for start in range(0, len(receipt_ids), _CHUNK):
        chunk = receipt_ids[start : start + _CHUNK]
        rows = session.execute(
            select(Receipt.receipt_id, Receipt.state).where(
                one_of(session, Receipt.receipt_id, chunk)
            )
        )
        states.update(rows.all())
    return states


def ended_receipts(session: Session, receipt_ids: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of those receipts that have ended, by id."""
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.sha256).where(
            one_of(session, Receipt.receipt_id, receipt_ids),
            Receipt.state != ReceiptState.ASSIGNED,
        )
    )
    return dict(rows.all())


@dataclass(frozen=True, slots=True)
class NewReceipt:
    """A receipt that is not known yet: what was announced, and what its header says."""

    stored: InstanceStored
    received_at: datetime
    header: Header
    file_name: str | None
    quarantined_because: str | None = None


def insert_receipts(session: Session, receipts: Sequence[NewReceipt], now: datetime) -> None:
    """Record receipts as `assigned` (or `quarantined`), unless they are known by now."""
    insert_or_ignore(session, Receipt, [_receipt_row(each, now) for each in receipts])


def _receipt_row(receipt: NewReceipt, now: datetime) -> dict[str, Any]:
    stored, header = receipt.stored, receipt.header
    aside = receipt.quarantined_because is not None
    return {
        "receipt_id": stored.receipt_id,
        "association_id": stored.association_id,
        "state": ReceiptState.QUARANTINED if aside else ReceiptState.ASSIGNED,
        "study_uid": None if aside else header.study_uid,
        "series_uid": header.series_uid,
        "patient_id": header.patient_id,
        "sop_class_uid": shown(stored.sop_class_uid),
        "sop_instance_uid": shown(stored.sop_instance_uid),
        "transfer_syntax_uid": shown(stored.transfer_syntax_uid),
        "instance_number": header.instance_number[:64],
        "size": stored.size,
        "sha256": stored.sha256,
        "spool_path": stored.spool_path,
        "file_name": receipt.file_name,
        "on_disk": True,
        "reason": receipt.quarantined_because,
        "revision": None,
        "received_at": receipt.received_at,
        "organized_at": now if aside else None,
    }


def shown(value: str) -> str:
    """Text as it is stored for display: without NUL, cut to 256 characters."""
    return value.replace("\0", "")[:256]


def assigned_receipts(session: Session, receipt_ids: Collection[str]) -> list[Receipt]:
    """Those of the receipts that are still to be moved, in the order they were received.

    With them all of the same instances: one may be in its folder already, unrecorded.
    """
    asked = aliased(Receipt)
    is_wanted = exists().where(
        one_of(session, asked.receipt_id, receipt_ids),
        among(asked.state, [ReceiptState.ASSIGNED]),
        asked.study_uid == Receipt.study_uid,
        asked.sop_instance_uid == Receipt.sop_instance_uid,
    )
    return list(
        session.scalars(
            select(Receipt)
            .where(among(Receipt.state, [ReceiptState.ASSIGNED]), is_wanted)
            .order_by(Receipt.received_at, Receipt.receipt_id)
        )
    )


def stranded_receipts(
    session: Session, now: datetime, fresh: timedelta, after: str, limit: int
) -> list[str]:
    """Receipts that were assigned and never ended: their mover was stopped. None that is fresh.

    In the order of their ids, those after `after`. Those from the future are not fresh: the clock
    was set back.
    """
    return list(
        session.scalars(
            select(Receipt.receipt_id)
            .where(
                Receipt.state == ReceiptState.ASSIGNED,
                or_(Receipt.received_at <= now - fresh, Receipt.received_at >= now + fresh),
                Receipt.receipt_id > after,
            )
            .order_by(Receipt.receipt_id)
            .limit(limit)
        )
    )


def set_aside_receipt(session: Session, receipt_id: str) -> Receipt | None:
    """A receipt that ended in quarantine; one that was only replaced did not."""
    return session.scalars(
        select(Receipt).where(
            Receipt.receipt_id == receipt_id,
            among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)),
            Receipt.reason.is_not(None),
        )
    ).one_or_none()


def set_aside_files(session: Session) -> dict[str, bool]:
    """The paths of all that ended in quarantine; whether each is there, as far as its row knows."""
    rows = session.execute(
        select(Receipt.file_name, Receipt.on_disk).where(
            among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)),
            Receipt.file_name.is_not(None),
        )
    )
    return {str(file_name): on_disk for file_name, on_disk in rows}


def show_set_aside(session: Session, file_name: str) -> None:
    """A file in quarantine that was to be removed is there."""
    session.execute(
        update(Receipt)
        .where(
            among(Receipt.state, (ReceiptState.QUARANTINED, ReceiptState.SUPERSEDED)),
            Receipt.file_name == file_name,
        )
        .values(on_disk=True)
    )


def claim_set_aside(session: Session, receipt_id: str) -> Receipt | None:
    """Have one that ended in quarantine be there no more; None if it was not, by now."""
    claimed = session.execute(
        update(Receipt)
        .where(Receipt.receipt_id == receipt_id, Receipt.on_disk)
        .values(on_disk=False)
        .returning(Receipt.receipt_id)
        .execution_options(synchronize_session=False)
    )
    return set_aside_receipt(session, receipt_id) if claimed.first() else None


def studies_of_receipts(session: Session, receipt_ids: Collection[str]) -> Select[str | None]:
    """The UIDs of the studies that assigned receipts belong to."""
    return select(Receipt.study_uid).where(
        one_of(session, Receipt.receipt_id, receipt_ids),
        among(Receipt.state, [ReceiptState.ASSIGNED]),
        Receipt.study_uid.is_not(None),
    )


def lock_studies_of(session: Session, receipt_ids: Collection[str]) -> dict[str, Study]:
    """The studies that assigned receipts belong to, locked."""
    return lock_studies(session, Study.study_uid.in_(studies_of_receipts(session, receipt_ids)))


def assigned_of(session: Session, study_uid: str) -> Sequence[Receipt]:
    """The receipts of a study that are on their way into its folder."""
    mine = Receipt.study_uid == study_uid, Receipt.state == ReceiptState.ASSIGNED
    return session.scalars(select(Receipt).where(*mine)).all()


def spool_path_of_assigned(session: Session, receipt_id: str) -> str | None:
    """Where the file of a receipt was that is assigned and not recorded; None if it is not so."""
    return session.scalar(
        select(Receipt.spool_path).where(
            Receipt.receipt_id == receipt_id, Receipt.state == ReceiptState.ASSIGNED
        )
    )


def current_instances(
    session: Session, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Receipt]:
    """The organized receipts by (Study, SOP Instance UID), of those asked for."""
    wanted = set(keys)
    # Of each study as well what was asked for of others, since the index has the study first.
    rows = session.scalars(
        select(Receipt).where(
            one_of(session, Receipt.study_uid, {study_uid for study_uid, _uid in wanted}),
            one_of(session, Receipt.sop_instance_uid, {uid for _study_uid, uid in wanted}),
            among(Receipt.state, [ReceiptState.ORGANIZED]),
        )
    )
    found = {(row.study_uid or "", row.sop_instance_uid): row for row in rows}
    return {key: found[key] for key in wanted & found.keys()}


# -- studies -----------------------------------------------------------------------------------


def known_studies(session: Session, study_uids: Collection[str]) -> set[str]:
    """Which of these studies have a row."""
    known = select(Study.study_uid).where(one_of(session, Study.study_uid, study_uids))
    return set(session.scalars(known))


def insert_study(
    session: Session, header: Header, folder: str, patient_name: str, now: datetime, stamp: str
) -> bool:
    """Give a study its folder for ever; False if the study or the folder's name is taken by now."""
    insert_or_ignore(
        session,
        Study,
        [study_row(header, folder, patient_name, now, stamp)],
    )
    found = session.scalar(select(Study.folder).where(Study.study_uid == header.study_uid))
    return found is not None


def study_row(
    header: Header, folder: str, patient_name: str, now: datetime, stamp: str
) -> dict[str, Any]:
    """A new study's row, complete with what `INSERT` needs."""
    modality = header.modality or "OT"
    return {
        "study_uid": header.study_uid,
        "folder": folder,
        "patient_id": header.patient_id,
        "patient_name": patient_name,
        "study_date": header.study_date,
        "study_time": header.study_time.partition(".")[0],
        "modality": modality[:64],
        "modalities": [modality[:64]],
        "accession_number": header.accession_number,
        "study_description": header.study_description,
        "created_at": now,
        "created_stamp": stamp,
        "state": StudyState.RECEIVING,
        "receiving": True,
        "held": False,
        "deleted": False,
        "attention": [],
        "needs_attention": False,
        "other_patient_ids": [],
        "revision": 0,
        "routed_revision": 0,
        "sent_revision": 0,
        "last_activity_at": now,
        "image_count": 0,
        "series_count": 0,
        "size_bytes": 0,
        "on_disk": True,
        "taken_over": False,
        "taken_over_images": 0,
        "taken_over_sent": False,
        "projected": False,
    }


def folder_is_taken(session: Session, folder: str) -> bool:
    """Whether a study has this folder's name."""
    return session.scalar(select(Study.study_uid).where(Study.folder == folder)) is not None


def upsert_series(session: Session, headers: Iterable[Header]) -> None:
    """Record the series that images belong to, unless they are known."""
    first = {(h.study_uid, h.series_uid): h for h in headers if h.series_uid}
    rows = [
        {
            "study_uid": study_uid,
            "series_uid": series_uid,
            "modality": (header.modality or "OT")[:64],
            "series_number": header.series_number[:64],
            "series_description": header.series_description,
        }
        for (study_uid, series_uid), header in sorted(first.items(), key=lambda item: item[0])
    ]
    insert_or_ignore(session, Series, rows)


def derive_counts(session: Session, studies: Mapping[str, Study]) -> None:
    """Count anew what the studies hold; the caller holds their locks."""
    session.flush()
    images = session.execute(
        select(Receipt.study_uid, func.count(), func.sum(Receipt.size))
        .where(
            one_of(session, Receipt.study_uid, studies),
            among(Receipt.state, [ReceiptState.ORGANIZED]),
        )
        .group_by(Receipt.study_uid)
    )
    for study_uid, count, size in images:
        study = studies[str(study_uid)]
        study.image_count = count + study.taken_over_images
        study.size_bytes = int(size or 0)
    series: dict[str, list[str]] = defaultdict(list)
    for study_uid, modality in session.execute(
        select(Series.study_uid, Series.modality).where(one_of(session, Series.study_uid, studies))
    ):
        series[study_uid].append(modality)
    for study_uid, modalities in series.items():
        studies[study_uid].series_count = len(modalities)
        first = {studies[study_uid].modality} - {""}
        studies[study_uid].modalities = sorted(first | set(modalities))


# -- associations ------------------------------------------------------------------------------


def upsert_associations(session: Session, receipts: Iterable[NewReceipt]) -> None:
    """Record the associations that instances came by, unless they are known."""
    rows: dict[str, dict[str, Any]] = {}
    for each in sorted(receipts, key=lambda receipt: receipt.received_at):
        stored = each.stored
        rows.setdefault(
            stored.association_id,
            {
                "association_id": stored.association_id,
                "receiver": stored.receiver,
                "calling_ae_title": stored.calling_ae_title,
                "called_ae_title": stored.called_ae_title,
                "peer_address": stored.peer_address,
                "opened_at": each.received_at,
            },
        )
    insert_or_ignore(session, Association, [rows[key] for key in sorted(rows)])


def record_end(session: Session, end: AssociationReleased, now: datetime) -> None:
    """Record how an association ended and how many receipts it made."""
    values = {
        "receiver": end.receiver,
        "calling_ae_title": end.calling_ae_title,
        "called_ae_title": end.called_ae_title,
        "peer_address": end.peer_address,
        "opened_at": end.opened_at,
        "closed_at": end.closed_at,
        "outcome": end.outcome,
        "receipts": end.receipts,
        "refused": end.refused,
        "end_seen_at": now,
    }
    key = {"association_id": end.association_id}
    insert_or_ignore(session, Association, [key | values])
    session.execute(
        update(Association)
        .where(Association.association_id == end.association_id, Association.outcome.is_(None))
        .values(**values)
    )


def record_rejection(session: Session, refused: AssociationRejected, now: datetime) -> None:
    """Record a caller that was refused."""
    insert_or_ignore(
        session,
        Association,
        [
            {
                "association_id": refused.association_id,
                "receiver": refused.receiver,
                "calling_ae_title": refused.calling_ae_title,
                "called_ae_title": refused.called_ae_title,
                "peer_address": refused.peer_address,
                "opened_at": refused.at,
                "closed_at": refused.at,
                "outcome": "rejected",
                "receipts": 0,
                "refused": 0,
                "reason": refused.why,
                "reason_said": refused.said,
                "refusal": refused.kind,
                "end_seen_at": now,
            }
        ],
    )


def forget_rejections(session: Session, before: datetime, limit: int) -> int:
    """Delete what is on record of callers that were refused before a moment; how many rows."""
    old = (
        select(Association.association_id)
        .where(Association.outcome == "rejected", Association.opened_at < before)
        .limit(limit)
    )
    ids = session.scalars(old).all()
    session.execute(delete(Association).where(Association.association_id.in_(ids)))
    return len(ids)


# -- completeness ------------------------------------------------------------------------------


def quiet_studies(session: Session, since: datetime, until: datetime) -> list[str]:
    """Studies that receive, and to which nothing came from one moment to another.

    Those in work, no history.
    """
    is_quiet = or_(Study.last_activity_at <= since, Study.last_activity_at >= until)
    return list(
        session.scalars(
            select(Study.study_uid)
            .where(Study.receiving, ~Study.deleted, is_quiet)
            .order_by(Study.last_activity_at)
        )
    )


def association_views(session: Session, study_uid: str) -> list[AssociationView]:
    """The associations that brought what is new in a study."""
    ids = (
        select(Receipt.association_id)
        .where(Receipt.study_uid == study_uid, Receipt.revision.is_(None))
        .distinct()
    )
    counted = session.execute(
        select(Receipt.association_id, func.count())
        .where(Receipt.association_id.in_(ids), Receipt.state != ReceiptState.ASSIGNED)
        .group_by(Receipt.association_id)
    )
    ended = dict(counted.all())
    settle_seconds = sender_settle_seconds(session)
    rows = session.scalars(
        select(Association)
        .where(Association.association_id.in_(ids))
        .order_by(Association.association_id)
    )
    return [
        AssociationView(
            association_id=association.association_id,
            calling_ae_title=association.calling_ae_title,
            outcome=association.outcome,
            made=association.receipts,
            ended=ended.get(association.association_id, 0),
            end_seen_at=association.end_seen_at,
            settle_seconds=settle_seconds.get(association.calling_ae_title),
        )
        for association in rows
    ]


def sender_settle_seconds(session: Session) -> dict[str, float]:
    """The settle times that senders have of their own, by AE title; the longest of namesakes."""
    found: dict[str, float] = {}
    for ae_title, seconds in session.execute(
        select(Sender.ae_title, Sender.settle_seconds).where(Sender.settle_seconds.is_not(None))
    ):
        found[ae_title] = max(float(seconds or 0), found.get(ae_title, 0.0))
    return found


def freeze_revision(session: Session, study: Study) -> int:
    """Make all that is new the members of the next revision; how many instances those are."""
    number = study.revision + 1
    new = session.scalar(
        select(func.count())
        .select_from(Receipt)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.revision.is_(None),
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.on_disk,  # or they were deleted by a person before they were complete
        )
    )
    session.execute(
        update(Receipt)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.revision.is_(None),
            Receipt.state != ReceiptState.ASSIGNED,
        )
        .values(revision=number)
    )
    return int(new or 0)


def calling_ae_titles(session: Session, study_uid: str) -> list[str]:
    """Who has sent instances of a study."""
    return list(
        session.scalars(
            select(Association.calling_ae_title)
            .join(Receipt, Receipt.association_id == Association.association_id)
            .where(Receipt.study_uid == study_uid)
            .distinct()
            .order_by(Association.calling_ae_title)
        )
    )


# -- deletion ----------------------------------------------------------------------------------


def deletable_studies(
    session: Session, sent_before: datetime | None, with_taken_over: bool, limit: int
) -> list[str]:
    """Studies on disk that every destination has, those sent longest ago first."""
    wanted = select(Study.study_uid).where(Study.on_disk, Study.state == StudyState.SENT)
    if sent_before is not None:
        wanted = wanted.where(Study.sent_at <= sent_before)
    if not with_taken_over:
        wanted = wanted.where(~Study.taken_over)
    return list(session.scalars(wanted.order_by(Study.sent_at).limit(limit)))


def assigned_of_study(session: Session, study_uid: str) -> list[Receipt]:
    """The receipts of a study that are between their assignment and their record."""
    return list(
        session.scalars(
            select(Receipt).where(
                Receipt.study_uid == study_uid, Receipt.state == ReceiptState.ASSIGNED
            )
        )
    )


def studies_to_delete(session: Session, after: str, limit: int) -> list[str]:
    """Studies that a person had deleted and whose files are still there, after a UID."""
    return list(
        session.scalars(
            select(Study.study_uid)
            .where(Study.deleted, Study.on_disk, Study.study_uid > after)
            .order_by(Study.study_uid)
            .limit(limit)
        )
    )


def mark_deleted(session: Session, study: Study, now: datetime) -> None:
    """A study's files are gone; the caller holds its lock."""
    session.execute(
        update(Receipt)
        .where(Receipt.study_uid == study.study_uid, Receipt.state == ReceiptState.ORGANIZED)
        .values(on_disk=False)
    )
    study.on_disk = False
    refresh_state(session, study, now)


# -- folders beside rows -----------------------------------------------------------------------


def folders_on_disk(session: Session) -> list[str]:
    """The folders of all studies whose files are on disk."""
    return list(session.scalars(select(Study.folder).where(Study.on_disk)))


def study_of_folder(session: Session, folder: str) -> Study | None:
    """The study that a folder belongs to."""
    return session.scalar(select(Study).where(Study.folder == folder))


def organized_receipts(session: Session, study_uid: str) -> list[Receipt]:
    """The receipts that are a study's instances; `on_disk` says whose files are in its folder."""
    return list(
        session.scalars(
            select(Receipt).where(
                Receipt.study_uid == study_uid, Receipt.state == ReceiptState.ORGANIZED
            )
        )
    )


def studies_with(session: Session, receipt_ids: Collection[str]) -> dict[str, int]:
    """The studies that organized receipts belong to, and how many of these each has."""
    rows = session.execute(
        select(Receipt.study_uid, func.count())
        .where(Receipt.receipt_id.in_(receipt_ids), Receipt.state == ReceiptState.ORGANIZED)
        .group_by(Receipt.study_uid)
    )
    return {str(study_uid): number for study_uid, number in rows}


def last_noted(session: Session, study_uid: str, *events: str) -> dict[str, Any]:
    """The data of the newest entry of these kinds in a study's timeline; empty if there is none."""
    found = session.scalar(
        select(TimelineEntry.data)
        .where(TimelineEntry.study_uid == study_uid, TimelineEntry.event.in_(events))
        .order_by(TimelineEntry.id.desc())
        .limit(1)
    )
    return found or {}


# -- the history file --------------------------------------------------------------------------


def lock_projection(session: Session, holder: str) -> Projection | None:
    """The lock on `.metadata.json`, held until the transaction ends; None if another has it."""
    insert_or_ignore(session, Projection, [{"id": 1, "holder": holder, "generation": 0}])
    return session.scalars(
        select(Projection).where(Projection.id == 1).with_for_update(skip_locked=True)
    ).one_or_none()


def has_unprojected(session: Session) -> bool:
    """Whether a study has changed since the history was written."""
    return session.scalar(select(Study.study_uid).where(~Study.projected).limit(1)) is not None


def take_unprojected(session: Session, limit: int) -> list[Study]:
    """So many of the studies that have changed; they count as written from now on."""
    # In one order, that two who lock several never wait for each other.
    unprojected = select(Study).where(~Study.projected).order_by(Study.study_uid).limit(limit)
    studies = list(session.scalars(unprojected.with_for_update()))
    for start in range(0, len(studies), _CHUNK):
        uids = [study.study_uid for study in studies[start : start + _CHUNK]]
        session.execute(update(Study).where(Study.study_uid.in_(uids)).values(projected=True))
    return studies


def recent_studies(session: Session) -> Iterable[Study]:
    """The studies that belong into `.metadata.json`; not all in memory at once."""
    return _streamed(session, select(Study).where(Study.history_month.is_(None)))


def outgrown_studies(session: Session, newest: int, limit: int) -> list[Study]:
    """Studies in `.metadata.json` that are neither on disk nor among the newest so many."""
    edge = session.scalar(
        select(Study.created_at).order_by(Study.created_at.desc()).offset(newest).limit(1)
    )
    if edge is None:
        return []
    return list(
        session.scalars(
            select(Study)
            .where(Study.history_month.is_(None), ~Study.on_disk, Study.created_at <= edge)
            .order_by(Study.created_at)
            .limit(limit)
        )
    )


def studies_of_month(session: Session, month: str) -> Iterable[Study]:
    """The older studies whose history is in that month's file; not all in memory at once."""
    of_month = select(Study).where(Study.history_month == month).order_by(Study.created_at)
    return _streamed(session, of_month)


def _streamed(session: Session, studies: Select[Study]) -> Iterable[Study]:
    return session.scalars(studies.execution_options(yield_per=_CHUNK))


# -- takeover ----------------------------------------------------------------------------------


def has_milestone(session: Session, name: str) -> bool:
    """Whether something has been done once for ever."""
    return session.get(Milestone, name) is not None


def claim_milestone(session: Session, name: str, now: datetime) -> bool:
    """Record that something is done for ever; False if another was quicker to say so."""
    session.add(Milestone(name=name, at=now))
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        return False
    return True


def insert_taken_over(session: Session, row: dict[str, Any]) -> bool:
    """Insert a study's row; False if the study has one by now, whoever wrote it."""
    try:
        with session.begin_nested():
            session.execute(insert(Study), row)
    except IntegrityError:
        if session.get(Study, row["study_uid"]) is None:
            raise  # it is not the study that is there already, but another with its folder
        return False
    return True


def insert_rows(session: Session, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of a model, leaving alone those that are there."""
    insert_or_ignore(session, model, rows)


def get_study(session: Session, study_uid: str) -> Study | None:
    """A study, without its lock."""
    return session.get(Study, study_uid)
