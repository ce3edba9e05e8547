"""Associations and what they tell of a study's completeness."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, update
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


_QUIET = (
    select(Study.study_uid)
    .where(
        Study.receiving,
        ~Study.deleted,
        or_(
            Study.last_activity_at <= bindparam("since"),
            Study.last_activity_at >= bindparam("until"),
        ),
    )
    .order_by(Study.last_activity_at)
)


def quiet_studies(session: Session, since: datetime, until: datetime) -> list[str]:
    """Studies that receive, and to which nothing came from one moment to another.

    Those in work, no history.
    """
    return list(session.scalars(_QUIET, {"since": since, "until": until}))


_of_what_is_new = (
    select(Receipt.association_id)
    .where(Receipt.study_uid == bindparam("study_uid"), Receipt.revision.is_(None))
    .distinct()
)
_ENDED = (
    select(Receipt.association_id, func.count())
    .where(Receipt.association_id.in_(_of_what_is_new), Receipt.state != ReceiptState.ASSIGNED)
    .group_by(Receipt.association_id)
)
_WITH_NEWS = (
    select(Association)
    .where(Association.association_id.in_(_of_what_is_new))
    .order_by(Association.association_id)
)


def association_views(session: Session, study_uid: str) -> list[AssociationView]:
    """The associations that brought what is new in a study."""
    ended = dict(session.execute(_ENDED, {"study_uid": study_uid}).all())
    settle_seconds = sender_settle_seconds(session)
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
        for association in session.scalars(_WITH_NEWS, {"study_uid": study_uid})
    ]


_SETTLE_SECONDS = select(Sender.ae_title, Sender.settle_seconds).where(
    Sender.settle_seconds.is_not(None)
)


def sender_settle_seconds(session: Session) -> dict[str, float]:
    """The settle times that senders have of their own, by AE title; the longest of namesakes."""
    found: dict[str, float] = {}
    for ae_title, seconds in session.execute(_SETTLE_SECONDS):
        found[ae_title] = max(float(seconds or 0), found.get(ae_title, 0.0))
    return found


_is_new = Receipt.study_uid == bindparam("whose"), Receipt.revision.is_(None)
_NEW = (
    select(func.count())
    .select_from(Receipt)
    .where(
        *_is_new,
        Receipt.state == ReceiptState.ORGANIZED,
        Receipt.on_disk,  # or they were deleted by a person before they were complete
    )
)
_FREEZE = (
    update(Receipt)
    .where(*_is_new, Receipt.state != ReceiptState.ASSIGNED)
    .values(revision=bindparam("number"))
    .execution_options(synchronize_session=False)
)


def freeze_revision(session: Session, study: Study) -> int:
    """Make all that is new the members of the next revision; how many instances those are."""
    new = session.scalar(_NEW, {"whose": study.study_uid})
    session.execute(_FREEZE, {"whose": study.study_uid, "number": study.revision + 1})
    return int(new or 0)


_CALLING = (
    select(Association.calling_ae_title)
    .join(Receipt, Receipt.association_id == Association.association_id)
    .where(Receipt.study_uid == bindparam("study_uid"))
    .distinct()
    .order_by(Association.calling_ae_title)
)


def calling_ae_titles(session: Session, study_uid: str) -> list[str]:
    """Who has sent instances of a study."""
    return list(session.scalars(_CALLING, {"study_uid": study_uid}))
