"""What several services say of a study: its lock, its state, its timeline, where it goes.

One lock per study: whoever adds an instance, completes, routes, finishes a delivery, holds or
deletes takes the study's row first. The state is derived, here and nowhere else.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.orm import Session

from dicom_router.models import (
    Association,
    Delivery,
    DeliveryState,
    Destination,
    Receipt,
    ReceiptState,
    Route,
    Study,
    StudyState,
    TimelineEntry,
)
from dicom_router.routing import Route as Rule
from dicom_router.routing import StudyFacts
from dicom_router.said import packed

# After a study was held or deleted no forwarder begins an image later than this: it looks at the
# study's row before each image, unless it has looked so shortly before.
SEEN_WITHIN_SECONDS = 0.05

# The kind of attention of a study that is not in the data folder that a person adopted, and its
# entry in the timeline.
FILES_MISSING = "files-missing"


_LOCKED = select(Study).where(Study.study_uid == bindparam("study_uid")).with_for_update()


def lock_study(session: Session, study_uid: str) -> Study | None:
    """The study, its row locked until the transaction ends; None if there is none."""
    return session.scalars(_LOCKED, {"study_uid": study_uid}).one_or_none()


def lock_studies(session: Session, which: ColumnElement[bool]) -> dict[str, Study]:
    """Several studies, locked until the transaction ends."""
    return {study.study_uid: study for study in session.scalars(locking(which))}


def locking(which: ColumnElement[bool]) -> Select[Study]:
    """Locks several studies, in the order of their UIDs so that two lockers never deadlock."""
    return select(Study).where(which).order_by(Study.study_uid).with_for_update()


def refresh_state(session: Session, study: Study, now: datetime) -> None:
    """Derive the study's state from its deliveries (none that was replaced); lock it before.

    To hold a study that is sent does not change since when it is.
    """
    study.state = _state_alone(study) or _state_by(study, _delivery_states(session, study))
    if study.state != StudyState.HELD and not study.sent:
        study.sent_at = None
    elif study.sent and (study.sent_at is None or study.sent_revision < study.revision):
        study.sent_at = now
        study.sent_revision = study.revision
    study.projected = False


def _state_alone(study: Study) -> StudyState | None:
    """The state of a study whose deliveries, if it has any, don't count."""
    if study.deleted:
        return StudyState.DELETED
    if study.held:
        return StudyState.HELD
    if study.receiving or study.revision == 0:
        return StudyState.RECEIVING
    if study.routed_revision < study.revision:
        return StudyState.COMPLETE
    return None


_DELIVERY_STATES = select(Delivery.state).where(
    Delivery.study_uid == bindparam("study_uid"), Delivery.replaced_by.is_(None)
)


def _delivery_states(session: Session, study: Study) -> Sequence[str]:
    session.flush()
    return session.scalars(_DELIVERY_STATES, {"study_uid": study.study_uid}).all()


def _state_by(study: Study, deliveries: Sequence[str]) -> StudyState:
    """The state of a study that was routed."""
    if not deliveries:
        sent_before = study.taken_over_sent and not study.unrouted
        return StudyState.SENT if sent_before else StudyState.UNROUTED
    ended_badly = {DeliveryState.FAILED, DeliveryState.CANCELLED}
    if any(state in ended_badly for state in deliveries):
        return StudyState.FAILED
    if all(state == DeliveryState.DELIVERED for state in deliveries):
        return StudyState.UNROUTED if study.unrouted else StudyState.SENT
    if all(state == DeliveryState.WAITING for state in deliveries):
        return StudyState.COMPLETE
    return StudyState.FORWARDING


def note(
    session: Session, study_uid: str, at: datetime, event: str, detail: str, **data: Any
) -> None:
    """Add an entry to a study's timeline; `detail` is a sentence for a person."""
    if made_of := packed(detail):
        data["said"] = made_of
    session.add(TimelineEntry(study_uid=study_uid, at=at, event=event, detail=detail, data=data))


def call_attention(study: Study, kind: str, detail: str, at: datetime) -> None:
    """Have people look at a study: once for each kind, the newest `detail`; lock it before."""
    others = [each for each in study.attention if each["kind"] != kind]
    found = {"kind": kind, "text": detail, "at": at.isoformat(), "said": packed(detail)}
    study.attention = [*others, found]
    study.needs_attention = True


def attention_paid(study: Study) -> None:
    """A person has looked and decided; lock the study before."""
    study.attention, study.needs_attention = [], False


def enabled_destinations(session: Session) -> list[str]:
    """The destinations that studies can be owed to, by name."""
    query = select(Destination.name).where(Destination.enabled).order_by(Destination.name)
    return list(session.scalars(query))


def enabled_routes(session: Session) -> list[Rule]:
    """The routes that are followed."""
    return [rule_of(row) for row in session.scalars(select(Route).where(Route.enabled))]


def rule_of(row: Route) -> Rule:
    """A route as deciding looks at it."""
    return Rule(
        name=row.name,
        order=row.order,
        last=row.last,
        destinations=tuple(row.destinations),
        modalities=tuple(row.modalities),
        calling_ae_titles=tuple(row.calling_ae_titles),
        called_ae_titles=tuple(row.called_ae_titles),
        patient_ids=tuple(row.patient_ids),
        study_descriptions=tuple(row.study_descriptions),
    )


def facts_of(session: Session, study: Study) -> StudyFacts:
    """What routes look at of a study."""
    mine = select(Receipt.association_id).where(
        Receipt.study_uid == study.study_uid, Receipt.state == ReceiptState.ORGANIZED
    )
    titles = session.execute(
        select(Association.calling_ae_title, Association.called_ae_title)
        .where(Association.association_id.in_(mine))
        .distinct()
    ).all()
    return StudyFacts(
        modalities=study.modalities,
        calling_ae_titles=sorted({calling for calling, _called in titles}),
        called_ae_titles=sorted({called for _calling, called in titles}),
        patient_id=study.patient_id,
        study_description=study.study_description,
    )
