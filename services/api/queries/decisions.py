"""What people decide about a study, or a delivery of it.

It takes effect here, in the transaction of the request. Whoever is told that it is done can rely on
it: forwarders look at the study's row before each image
(`docs/decisions/0012-decisions-take-effect-at-once.md`). The caller holds the study's lock.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_router.events import DeliveryReason
from dicom_router.ledger import attention_paid, note, refresh_state
from dicom_router.models import (
    BY_DELETION,
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryState,
    Study,
)
from dicom_router.said import Said, said


def hold(session: Session, study: Study, by: str, reason: str, now: datetime) -> None:
    """Nothing more of the study goes out."""
    study.held, study.hold_reason = True, reason
    text = said("{by} holds it; nothing more goes out: {reason}", by=by, reason=reason)
    note(session, study.study_uid, now, "held", text, by=by, reason=reason)
    refresh_state(session, study, now)


def release(session: Session, study: Study, by: str, reason: str, now: datetime) -> None:
    """A person has looked at it: what it owes goes out, and it needs no attention any more."""
    about = [each["kind"] for each in study.attention]
    text = (
        said("{by} released it: {reason}", by=by, reason=reason)
        if study.held
        else said("{by} looked at it: {reason}", by=by, reason=reason)
    )
    more = {"attention": about, "was_held": study.held}
    study.held, study.hold_reason = False, None
    attention_paid(study)
    note(session, study.study_uid, now, "released", text, by=by, reason=reason, **more)
    refresh_state(session, study, now)


def delete(session: Session, study: Study, by: str, reason: str, now: datetime) -> int:
    """Nothing of the study is owed any more and its files go; how many deliveries that ended."""
    owed = session.scalars(
        select(Delivery)
        .where(
            Delivery.study_uid == study.study_uid,
            Delivery.state != DeliveryState.DELIVERED,
            Delivery.replaced_by.is_(None),
        )
        .order_by(Delivery.id)
        .with_for_update()
    ).all()
    cancelled = [each for each in owed if each.state in OPEN_DELIVERY_STATES]
    for each in cancelled:
        _cancel(each, said("The study was deleted by {by}", by=by), now)
    for each in owed:
        each.replaced_by = BY_DELETION
    study.deleted, study.deleted_by, study.unrouted = True, by, False
    attention_paid(study)
    text = said("{by} had it deleted: {reason}", by=by, reason=reason)
    if cancelled:
        text = said(
            "{by} had it deleted; deliveries cancelled by that: {count}. Why: {reason}",
            by=by,
            count=len(cancelled),
            reason=reason,
        )
    note(session, study.study_uid, now, "deleted", text, by=by, reason=reason)
    refresh_state(session, study, now)
    return len(cancelled)


def cancel(session: Session, study: Study, delivery: Delivery, by: str, now: datetime) -> None:
    """Stop trying a delivery that is open; it never counts as delivered."""
    text = said("Cancelled by {by}", by=by)
    _cancel(delivery, text, now)
    note(
        session,
        study.study_uid,
        now,
        "delivery-cancelled",
        text,
        destination=delivery.destination,
        revision=delivery.revision,
        by=by,
    )
    refresh_state(session, study, now)


def _cancel(delivery: Delivery, text: Said, now: datetime) -> None:
    delivery.state = DeliveryState.CANCELLED
    delivery.reason = DeliveryReason(kind="cancelled", text=text).as_row()
    delivery.finished_at, delivery.next_attempt_at = now, None
    delivery.lease_owner = delivery.lease_until = None
