"""Rows as clients see them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from dicom_router.archive import Archive
from dicom_router.history import history_entry
from dicom_router.models import Association, Receipt, Route, Sender, Series, Study
from dicom_router.models import TimelineEntry as Entry
from dicom_router.quarantine import RECEIVER, kind_of
from dicom_router.queues import destination_of
from dicom_router.routing import Verdict
from dicom_router.said import Said, images, joined, restored, said, unpacked
from services.api import refusals, schemas
from services.api.languages import in_words, recorded
from services.api.letters import Letter
from services.api.oldest import first_failed_at
from services.api.queries.deliveries import CountedDelivery
from services.api.queries.destinations import DestinationStatus
from services.api.queries.quarantine import SetAside
from services.api.queries.studies import Filing, Touch
from services.api.queue_history import Sample, Standing

_OUTCOMES = {
    "released": said("released"),
    "aborted": said("aborted"),
    "lost": said("lost"),
    "rejected": said("rejected"),
}
_ASIDE = {
    "duplicates": said("duplicates"),
    "superseded": said("superseded"),
    "quarantined": said("quarantined"),
}
# Among entries of one moment, which came first.
_ORDER = {"received": 0, "organized": 1}


def study(row: Study, deliveries: Sequence[CountedDelivery]) -> schemas.Study:
    """A study: what `.metadata.json` says, and more."""
    return schemas.Study.model_validate(
        {
            **history_entry(row),
            "state": row.state,
            "accession_number": row.accession_number,
            "modalities": row.modalities,
            "series_count": row.series_count,
            "size_bytes": row.size_bytes,
            "on_disk": row.on_disk,
            "revision": row.revision,
            "completeness": row.completeness,
            "held": row.held,
            "hold_reason": _hold_reason(row),
            "needs_attention": row.needs_attention,
            "attention": row.attention,
            "deliveries": [delivery(each) for each in deliveries],
        }
    )


def _hold_reason(row: Study) -> str | None:
    """A person's own words; the router's are those by which it calls for attention."""
    kept = {each["text"]: each.get("said") for each in row.attention}
    return row.hold_reason and unpacked(row.hold_reason, kept.get(row.hold_reason))


def delivery(counted: CountedDelivery) -> schemas.Delivery:
    """A delivery with its counts."""
    row = counted.row
    return schemas.Delivery.model_validate(
        {**_columns(schemas.Delivery, row), "sent": counted.sent, "total": counted.total}
    )


def listed_delivery(
    counted: CountedDelivery, patient_names: Mapping[str, str]
) -> schemas.ListedDelivery:
    """A delivery with its counts and the name of its study's patient."""
    shown = delivery(counted)
    name = patient_names.get(shown.study_uid, "")
    return schemas.ListedDelivery(**dict(shown), patient_name=name)


def series(row: Series, images: int) -> schemas.Series:
    """A series."""
    return schemas.Series(
        series_uid=row.series_uid,
        modality=row.modality,
        series_number=row.series_number,
        series_description=row.series_description,
        image_count=images,
    )


def instance(row: Receipt) -> schemas.Instance:
    """An instance."""
    return schemas.Instance.model_validate(
        {**_columns(schemas.Instance, row), "size_bytes": row.size}
    )


def destination(status: DestinationStatus) -> schemas.Destination:
    """A destination, and whether it is down."""
    values = {**_columns(schemas.Destination, status.row), "waiting": status.waiting}
    if status.outage is not None:
        values["down"] = _columns(schemas.Down, status.outage)
    return schemas.Destination.model_validate({"down": None, **values})


def sender(row: Sender, heard: Mapping[str, datetime | None]) -> schemas.Sender:
    """A sender, and when it was heard of last."""
    values = {**_columns(schemas.Sender, row), "last_heard_at": heard.get(row.name)}
    return schemas.Sender.model_validate(values)


def route(row: Route, enabled: Collection[str]) -> schemas.Route:
    """A route, given the enabled destinations."""
    missing = [name for name in row.destinations if name not in enabled]
    return schemas.Route.model_validate({**_columns(schemas.Route, row), "missing": missing})


def verdict(each: Verdict) -> schemas.RouteVerdict:
    """What one route says to a study."""
    return schemas.RouteVerdict(
        name=each.route.name,
        applies=each.applies,
        why_not=list(each.why_not),
        destinations=list(each.route.destinations),
    )


def association(row: Association) -> schemas.Association:
    """An association."""
    outcome = row.outcome or schemas.AssociationOutcome.OPEN
    return schemas.Association.model_validate(
        {
            **_columns(schemas.Association, row),
            "outcome": outcome,
            "reason": row.reason and unpacked(row.reason, row.reason_said),
            "fix": refusals.fix(row),
            "help": refusals.help_of(row),
        }
    )


def queue(
    each: Standing,
    oldest_letter: datetime | None,
    open_deliveries: Mapping[str, tuple[int, datetime | None]],
) -> schemas.QueueStatus:
    """A queue, and what is owed to its destination if it has one."""
    destination = destination_of(each.queue.name)
    owed, since = open_deliveries.get(destination or "", (0, None))
    return schemas.QueueStatus(
        name=each.queue.name,
        ready=each.work.messages,
        consumers=each.work.consumers,
        retry=[schemas.RetryTier(name=t.name, messages=t.messages) for t in each.tiers],
        dead_letters=each.dead,
        open_deliveries=None if destination is None else owed,
        oldest_waiting_at=since,
        oldest_dead_letter_at=oldest_letter,
        grows_when=each.grows_when,
    )


def queue_sample(found: Sample) -> schemas.QueueSample:
    """What the queues held, those that were empty left out."""
    waiting = {name: count for name, count in found.waiting.items() if count}
    dead = {name: count for name, count in found.dead.items() if count}
    return schemas.QueueSample(at=found.at, waiting=waiting, dead=dead)


def dead_letter(letter: Letter) -> schemas.DeadLetter:
    """A dead letter."""
    found = letter.message
    return schemas.DeadLetter(
        message_id=found.id,
        type=found.type,
        sent_at=found.time,
        reason=str(found.headers.get("x-last-error", "")),
        attempt=found.attempt,
        first_failed_at=first_failed_at(found),
        study_uid=letter.study_uid,
        delivery_id=letter.delivery_id,
        of_use=letter.of_use,
    )


def quarantined(row: SetAside, archive: Archive) -> schemas.Quarantined:
    """An image in quarantine."""
    receipt, association = row.receipt, row.association
    there = receipt.on_disk and bool(receipt.file_name)
    return schemas.Quarantined(
        id=receipt.receipt_id,
        kind=kind_of(receipt),
        reason=recorded(receipt.reason or ""),
        received_at=receipt.received_at,
        calling_ae_title=association.calling_ae_title if association else "",
        peer_address=association.peer_address if association else "",
        sop_class_uid=receipt.sop_class_uid,
        sop_instance_uid=receipt.sop_instance_uid,
        study_uid=receipt.study_uid,
        size_bytes=receipt.size,
        path=receipt.file_name,
        on_disk=there and archive.path(receipt.file_name or "").is_file(),
    )


def timeline(
    row: Study, touches: Sequence[Touch], filings: Sequence[Filing], entries: Sequence[Entry]
) -> list[schemas.TimelineEntry]:
    """A study's story, in order: what its receipts tell, and what was noted."""
    told = [
        *(_received(each, row.taken_over) for each in touches),
        *(_organized(each) for each in filings),
        *(_noted(each) for each in entries),
    ]
    return sorted(told, key=lambda entry: (entry.at, _ORDER.get(entry.event, 2)))


def _received(touch: Touch, taken_over: bool) -> schemas.TimelineEntry:
    facts = _columns(_AssociationFacts, touch.association) if touch.association else {}
    detail = said("{images} came from an unknown caller", images=images(touch.count))
    if touch.association is not None:
        detail = _came(touch.association, touch.count)
    elif taken_over:
        detail = said(
            "{images} were here already, from an earlier version", images=images(touch.count)
        )
    values = {**facts, "association_id": touch.association_id, "instances": touch.count}
    return _entry(touch.first_received_at, "received", detail, values)


def _came(association: Association, count: int) -> Said:
    if association.receiver == RECEIVER:
        sender = association.calling_ae_title or said("somebody")
        return said(
            "{images} of {sender} taken in again from quarantine",
            images=images(count),
            sender=sender,
        )
    sender = association.calling_ae_title
    if association.peer_address:
        sender = said("{title} at {address}", title=sender, address=association.peer_address)
    came = said("{sender} sent {images}", sender=sender, images=images(count))
    if not association.outcome:
        return came
    outcome = _OUTCOMES.get(association.outcome) or association.outcome
    return joined("; ", [came, said("the association was {outcome}", outcome=outcome)])


class _AssociationFacts(BaseModel):
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    receiver: str
    outcome: str | None


def _organized(filing: Filing) -> schemas.TimelineEntry:
    aside = {
        "duplicates": filing.duplicates,
        "superseded": filing.superseded,
        "quarantined": filing.quarantined,
    }
    found = {name: count for name, count in aside.items() if count}
    parts = [said("{images} in the study's folder", images=images(filing.organized))]
    parts += [joined(" ", [str(count), _ASIDE[name]]) for name, count in found.items()]
    values = {"revision": filing.revision, "instances": filing.organized, **found}
    return _entry(filing.at, "organized", joined(", ", parts), values)


def _noted(entry: Entry) -> schemas.TimelineEntry:
    more = {name: _in_words(value) for name, value in entry.data.items() if name != "said"}
    detail = unpacked(entry.detail, entry.data.get("said"))
    return _entry(entry.at, entry.event, detail, more)


def _in_words(value: Any) -> Any:
    """A reason within an entry's data is told in the reader's language, too."""
    found = restored(value)
    return {**found, "text": in_words(found["text"])} if found is not value else value


def _entry(at: datetime, event: str, detail: Said, more: dict[str, Any]) -> schemas.TimelineEntry:
    known = {"at": at, "event": event, "detail": detail}
    return schemas.TimelineEntry.model_validate({**more, **known})


def _columns(shape: type[BaseModel], row: object) -> dict[str, Any]:
    """The row's columns that are called as the shape's fields are."""
    return {name: getattr(row, name) for name in shape.model_fields if hasattr(row, name)}
