"""What both buses do with a handler: wait, isolate, retry, park. Knows no broker and no clock."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from dicom_router.bus.protocol import Handler, NotYet, Queue
from dicom_router.errors import RouterError, Unavailable, Unprocessable
from dicom_router.events import Message, study_of
from dicom_router.log import Log, get_logger
from dicom_router.retry import backoff

log = get_logger()

# Long enough to say what is wrong, short enough for a console's column and one AMQP frame.
_ERROR_LENGTH = 500

_FAILURE_HEADERS = {
    "x-attempt",
    "x-first-failed-at",
    "x-last-error",
    "x-queue",
    "x-study-uid",
}

# With the longest back-off of 10 s: something that stays away is logged every five minutes.
_LOG_EVERY = 30


def worth_logging(failures: int) -> bool:
    """Whether the so-many-th failure in a row, from 1, deserves a line."""
    return failures % _LOG_EVERY == 1


def next_batch(messages: Iterable[Message], limit: int) -> list[Message]:
    """What to hand over of those at hand: up to `limit`, but one that is redelivered alone."""
    batch: list[Message] = []
    for message in itertools.islice(messages, limit):
        if batch and (message.redelivered or batch[0].redelivered):
            break
        batch.append(message)
    return batch


class Interrupted(Exception):
    """Waiting was cut short; what is in hand is not settled."""


def announce(on_connected: Callable[[], None], queue: Queue) -> None:
    """Tell that a consumer has (re)subscribed.

    What that raises costs the subscription nothing: dropping it would count against every message
    already on its way.
    """
    try:
        on_connected()
    except Exception:  # logged, and sweeps come round by themselves
        log.exception(Log.TASK_FAILED, task="on_connected", queue=queue.name)


class HandOver:
    """Gives messages to a handler until each of them is settled, one way or another.

    `wait` waits so many seconds or raises; `send` returns once the copy is safe; `settle` is told
    after how many messages, from the front of what was handed over, may be forgotten.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        *,
        wait: Callable[[float], None],
        send: Callable[[Message], None],
        settle: Callable[[int], None],
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._wait = wait
        self._send = send
        self._settle = settle

    def __call__(self, messages: Sequence[Message]) -> None:
        """Return when all are settled; what `wait` and `send` raise passes through."""
        error = self.attempt(messages)
        if error is not None and len(messages) > 1:
            for message in messages:
                self([message])
            return
        if error is not None:
            self._set_aside(messages[0], error)
        self._settle(len(messages))

    def attempt(self, messages: Sequence[Message]) -> Exception | None:
        """Call the handler until what it needs is available; what else it raised, if anything."""
        failures = 0
        while True:
            try:
                self._handler(messages)
                return None
            except Unavailable as away:
                failures += 1
                self._log_waiting(failures, len(messages), away)
            except Exception as error:  # noqa: BLE001 - judged by the caller, never lost
                return error
            # Outside of the `try`: what waiting raises is no error of the handler's.
            self._wait(backoff(failures))

    def _log_waiting(self, failures: int, messages: int, away: Unavailable) -> None:
        if worth_logging(failures):
            log.warning(
                Log.HANDLER_WAITING, queue=self._queue.name, messages=messages, error=str(away)
            )

    def _set_aside(self, message: Message, error: Exception) -> None:
        copy = set_aside(self._queue, message, error, datetime.now(UTC))
        _log_failure(self._queue, message, copy, error)
        if copy is not None:
            self._send(copy)


def set_aside(queue: Queue, message: Message, error: Exception, now: datetime) -> Message | None:
    """The copy to send of a message whose handling failed, addressed to where it waits or rests.

    None when the queue is private and the message has no such place.
    """
    if queue.private:
        return None
    if isinstance(error, NotYet) and queue.wait_seconds is not None:
        return addressed(message, queue.retry_name(queue.wait_seconds))
    failed = replace(message, headers=_failure_headers(queue, message, error, now))
    used_up = failed.attempt > len(queue.retry_delays)
    if used_up or isinstance(error, Unprocessable):
        return addressed(failed, queue.dead_letter_name)
    return addressed(failed, queue.retry_name(queue.retry_delays[failed.attempt - 1]))


def addressed(message: Message, queue_name: str) -> Message:
    """The message for one queue, whatever is bound to it."""
    return replace(message, exchange="", routing_key=queue_name, redelivered=False)


def revived(queue: Queue, letter: Message) -> Message:
    """A dead letter as work again: with all its attempts, and nothing said against it."""
    headers = {key: value for key, value in letter.headers.items() if key not in _FAILURE_HEADERS}
    return replace(addressed(letter, queue.name), headers=headers)


def _failure_headers(
    queue: Queue, message: Message, error: Exception, now: datetime
) -> dict[str, str | int]:
    study_uid = study_of(message)
    return {
        "x-first-failed-at": now.isoformat(timespec="seconds"),
        **({"x-study-uid": study_uid} if study_uid else {}),
        **message.headers,
        "x-attempt": message.attempt + 1,
        "x-last-error": f"{type(error).__name__}: {error}"[:_ERROR_LENGTH],
        "x-queue": queue.name,
    }


def _log_failure(queue: Queue, message: Message, copy: Message | None, error: Exception) -> None:
    if isinstance(error, NotYet) and copy is not None and copy.headers == message.headers:
        return  # waiting is what the handler asked for
    if copy is None:
        event = Log.MESSAGE_DROPPED
    elif copy.routing_key == queue.dead_letter_name:
        event = Log.MESSAGE_PARKED
    else:
        event = Log.MESSAGE_RETRIED
    log.warning(
        event,
        queue=queue.name,
        goes_to=copy.routing_key if copy else None,
        message_id=message.id,
        type=message.type,
        attempt=message.attempt + 1,
        error=f"{type(error).__name__}: {error}"[:_ERROR_LENGTH],
        # An error we did not raise on purpose is a bug until shown otherwise.
        exc_info=None if isinstance(error, RouterError) else error,
    )
