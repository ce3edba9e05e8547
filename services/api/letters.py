"""Dead letters: what each is about, whether it is still of use, and what a replay makes of it."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_router.bus import Queue, revived
from dicom_router.errors import Unavailable, Unprocessable
from dicom_router.events import (
    DeliveryDue,
    DeliveryRetry,
    InstanceStored,
    Message,
    Payload,
    message,
    payload_of,
)
from dicom_router.log import Log, get_logger
from services.api.context import Context
from services.api.oldest import first_failed_at
from services.api.paging import Cursor
from services.api.queries import queues as queries

ORDER = "first-failed"

log = get_logger()


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, and what the database knows of it."""

    message: Message
    study_uid: str | None
    delivery_id: str | None  # of a delivery that has failed
    of_use: bool  # False: what it asks for is done or can't be done any more


def place_of(letter: Message) -> tuple[str, str]:
    """Its place in the list; the queue's own order changes with every look."""
    at = first_failed_at(letter).astimezone(UTC)
    return at.isoformat(timespec="microseconds"), letter.id


def cursor_of(letter: Message) -> Cursor:
    """Where a page that ends with this letter ends."""
    return Cursor(ORDER, *place_of(letter))


def understood(context: Context, letters: Sequence[Message]) -> list[Letter]:
    """The letters with what the database knows of them."""
    payloads = [_payload(each) for each in letters]
    receipts = {p.receipt_id for p in payloads if isinstance(p, InstanceStored)}
    due = {p.delivery_id for p in payloads if isinstance(p, DeliveryDue)}
    commanded = {p.delivery_id for p in payloads if isinstance(p, DeliveryRetry)}
    with context.database.read() as session:
        studies = queries.studies_of_receipts(session, receipts)
        studies |= queries.studies_of_deliveries(session, commanded)
        retryable = queries.retryable(session, due)
    return [
        _letter(letter, payload, studies, retryable)
        for letter, payload in zip(letters, payloads, strict=True)
    ]


def _letter(
    letter: Message, payload: Payload | None, studies: dict[str, str], retryable: Collection[str]
) -> Letter:
    said = str(letter.headers.get("x-study-uid") or getattr(payload, "study_uid", ""))
    known_by = getattr(payload, "receipt_id", "") or getattr(payload, "delivery_id", "")
    delivery_id = payload.delivery_id if isinstance(payload, DeliveryDue) else None
    return Letter(
        message=letter,
        study_uid=said or studies.get(known_by),
        delivery_id=delivery_id,
        of_use=delivery_id is None or delivery_id in retryable,
    )


def _payload(letter: Message) -> Payload | None:
    try:
        return payload_of(letter)
    except Unprocessable:
        return None


@dataclass
class Replay:
    """Takes a queue's dead letters back to work: all of them, one message, or those of a study."""

    context: Context
    queue: Queue
    by: str
    message_id: str | None = None
    study_uid: str | None = None
    replayed: int = 0
    dropped: int = 0

    def run(self) -> None:
        """Go through them; what is of no use any more is dropped."""
        self.context.bus.replay(self.queue, self._become)

    def _become(self, letters: Sequence[Message]) -> list[list[Message] | None]:
        return [
            self._work(each) if self._is_meant(each) else None
            for each in understood(self.context, letters)
        ]

    def _is_meant(self, letter: Letter) -> bool:
        return self.message_id in (None, letter.message.id) and self.study_uid in (
            None,
            letter.study_uid,
        )

    def _work(self, letter: Letter) -> list[Message]:
        if not letter.of_use:
            self.dropped += 1
            return []
        self.replayed += 1
        if letter.delivery_id is None:
            return [revived(self.queue, letter.message)]
        # Its wake-up alone would find that the delivery has ended.
        identity, now = uuid.uuid4().hex, self.context.clock()
        command = DeliveryRetry(delivery_id=letter.delivery_id, by=self.by, at=now)
        return [message(command, id=identity, source=self.context.source, time=now)]


def take_away(context: Context, queue: Queue, delivery_id: str, asked_at: datetime) -> None:
    """Drop the letter of a delivery that is tried again; it stays if the broker is away.

    None that was written since: a second's worth is left alone, since AMQP counts in seconds.
    """
    before = asked_at.replace(microsecond=0)

    def become(letters: Sequence[Message]) -> list[list[Message] | None]:
        return [
            [] if each.time < before and _is_about(each, delivery_id) else None for each in letters
        ]

    try:
        context.bus.replay(queue, become)
    except Unavailable as error:
        log.warning(Log.TASK_WAITING, task="dead letter", why=str(error))


def _is_about(letter: Message, delivery_id: str) -> bool:
    payload = _payload(letter)
    return isinstance(payload, DeliveryDue) and payload.delivery_id == delivery_id
