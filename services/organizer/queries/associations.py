"""Associations and what they tell of a study's completeness."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from dicom_router.database import insert_or_ignore
from dicom_router.events import AssociationRejected, AssociationReleased
from dicom_router.models import Association, Receipt, ReceiptState, Sender, Study
from services.organizer.completeness import AssociationView
from services.organizer.queries.receipts import NewReceipt


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
