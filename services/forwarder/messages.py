"""The messages that forwarders send each other: wake-ups, and the dead letters of what failed.

The table of deliveries is the list of work. For operators an open delivery also has a message: in
its destination's queue, in one of the queues where it waits, or in a forwarder's hand.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from dicom_router.events import COMMANDS_EXCHANGE, DeliveryDue, DeliveryReason, Message, message
from dicom_router.queues import WAIT_SECONDS, delivery_key, delivery_queue


@dataclass(frozen=True, slots=True)
class Due:
    """The delivery that a wake-up is for."""

    delivery_id: str
    study_uid: str
    destination: str


def wake_up(due: Due, source: str, now: datetime) -> Message:
    """For whichever forwarder is free."""
    return _message(due, source, now, COMMANDS_EXCHANGE, delivery_key(due.destination))


def wake_up_later(
    due: Due, source: str, now: datetime, *, seconds: int = WAIT_SECONDS, attempt: int = 0
) -> Message:
    """As `wake_up`, after so many seconds (30, or one of the retry delays)."""
    place = delivery_queue(due.destination).retry_name(seconds)
    later = _message(due, source, now, "", place)
    return replace(later, headers={"x-attempt": attempt}) if attempt else later


def dead_letter(
    due: Due,
    source: str,
    now: datetime,
    reason: DeliveryReason,
    *,
    attempt: int,
    first_failed_at: datetime,
) -> Message:
    """What is left of a delivery that failed for good; its headers say why."""
    queue = delivery_queue(due.destination)
    headers: dict[str, str | int] = {
        "x-attempt": attempt,
        "x-last-error": reason.text,
        "x-first-failed-at": first_failed_at.isoformat(timespec="seconds"),
        "x-queue": queue.name,
        "x-study-uid": due.study_uid,
    }
    return replace(_message(due, source, now, "", queue.dead_letter_name), headers=headers)


def _message(due: Due, source: str, now: datetime, exchange: str, routing_key: str) -> Message:
    return message(
        DeliveryDue(delivery_id=due.delivery_id, study_uid=due.study_uid),
        id=uuid.uuid4().hex,
        source=source,
        time=now,
        exchange=exchange,
        routing_key=routing_key,
        correlation_id=due.delivery_id,
    )
