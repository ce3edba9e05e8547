"""What a bus can do. Two implementations, one suite of tests: `memory` and `rabbitmq`.

Messages are wake-ups: the truth is on disk and in the database, so a bus may lose all it holds
(the in-process one does so at every exit) and the services' sweeps make up for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from dicom_router.errors import RouterError, Unavailable
from dicom_router.events import Message
from dicom_router.retry import RETRY_DELAYS_SECONDS, tier_name


class BrokerUnavailable(Unavailable):
    """The broker is away, or the bus holds as many unconfirmed messages as it may."""


class NotYet(RouterError):
    """Raised by a handler: keep this message for the queue's `wait_seconds`; costs no attempt."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A topic pattern on an exchange: `instance-stored.#`."""

    exchange: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and, unless it is private, the retry and dead-letter queues named after it.

    `private`: for this process alone, transient, gone with it (live streams, fan-out of commands).
    `wait_seconds`: adds a tier `….retry.<wait>` for messages whose handler raised `NotYet`.
    `retry_delays`: seconds to wait after the first failure, the second, …; then a dead letter.
    """

    name: str
    bindings: tuple[Binding, ...] = ()
    private: bool = False
    wait_seconds: int | None = None
    retry_delays: tuple[int, ...] = RETRY_DELAYS_SECONDS

    @property
    def tiers(self) -> tuple[int, ...]:
        """Delays of the retry queues, in seconds, ascending."""
        if self.private:
            return ()
        waits = {self.wait_seconds} if self.wait_seconds else set()
        return tuple(sorted({*self.retry_delays, *waits}))

    def retry_name(self, seconds: int) -> str:
        """The queue in which a message waits so many seconds, e.g. `organizer.intake.retry.10s`."""
        return f"{self.name}.retry.{tier_name(seconds)}"

    @property
    def dead_letter_name(self) -> str:
        """Where messages end that can't be handled."""
        return f"{self.name}.dlq"

    @property
    def names(self) -> tuple[str, ...]:
        """All that is declared: the queue, its retry queues and its dead letters."""
        if self.private:
            return (self.name,)
        return (self.name, *map(self.retry_name, self.tiers), self.dead_letter_name)


# What a handler is given: at least one message. Returning acknowledges all of them, so it must have
# committed. Raising: `Unavailable` waits and hands over the same batch again; anything else from a
# batch of several makes the bus hand them over one by one; from a single one, `NotYet` keeps it for
# `wait_seconds`, `Unprocessable` parks it as a dead letter, and `TryAgain` or any other exception
# sends it through the retry tiers (header `x-attempt`) and then to the dead letters. Redelivered
# messages are handed over one by one, so that a poisonous one takes no others with it.
#
# A retried message comes back under its queue's name (`exchange` ""), with the headers `x-attempt`,
# `x-last-error`, `x-first-failed-at` (ISO 8601) and `x-queue`. A private queue has no place to keep
# a message that failed: it is logged and dropped. `NotYet` from a queue without `wait_seconds` is
# one more exception. While a handler waits through a long outage the bus may give what it holds
# back to the broker; what the handler then did with its batch it will be asked to do once more.
Handler = Callable[[Sequence[Message]], None]


# What becomes of dead letters, for each of those it is given: None leaves it where it is, messages
# take its place, an empty list drops it.
Replacement = Callable[[Sequence[Message]], Sequence[Sequence[Message] | None]]


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How a queue stands."""

    name: str
    messages: int
    consumers: int


class Consumer(Protocol):
    """A running consumer."""

    def stop(self, timeout: float) -> bool:
        """Take no more, finish what is in hand; whether it ended within `timeout` seconds."""


# With 1,600 messages a second this makes batches of 80 instead of 10.
LINGER_SECONDS = 0.01


class Bus(Protocol):
    """Publish with confirmation, consume in batches."""

    def publish(self, message: Message) -> Future[None]:
        """Send a message; the future is done once the broker has it.

        Never blocks. Fails with `BrokerUnavailable` at once when too many are unconfirmed already.
        What was not confirmed when the connection broke is sent again.
        """

    def declare(self, queue: Queue) -> None:
        """Make sure that the queue exists and keeps what this bus publishes from now on.

        While the broker is away this is noted, and done before anything is sent to it again.

        Raises:
            ConfigurationError: the broker refuses (other arguments, no permission).
            ValueError: the queue is private; those exist only as long as their consumer.
        """

    def consume(
        self,
        queue: Queue,
        handler: Handler,
        *,
        batch: int = 100,
        linger: float = LINGER_SECONDS,
        on_connected: Callable[[], None] = lambda: None,
    ) -> Consumer:
        """Declare the queue and handle its messages in a thread of its own, in batches.

        Takes what is there: a single message is handled at once. While messages stream in,
        a broker's are waited for up to five times `linger` seconds, or each batch would be tiny.

        `on_connected` is called after every (re)subscription, for sweeping up what was missed
        meanwhile; it runs in the consumer's thread, so it should only set the sweep off. What it
        raises is logged.

        Raises:
            ConfigurationError: the broker refuses the queue.
        """

    def delete(self, queue: Queue) -> bool:
        """Delete a queue, its tiers and dead letters if all are empty and unused; whether gone.

        Raises:
            BrokerUnavailable: the broker is away.
        """

    def depths(self, queues: Iterable[Queue] | None = None) -> list[QueueDepth]:
        """How queues stand, each with its retry tiers and dead letters, whoever consumes them.

        Without `queues` those that this bus has declared or consumes. Counts messages that are
        ready; private queues and those that are not there are left out.

        Raises:
            BrokerUnavailable: the broker is away.
        """

    def dead_letters(self, queue: Queue) -> AbstractContextManager[Iterator[Message]]:
        """A queue's dead letters, in no order, streamed; they stay where they are.

        Raises:
            BrokerUnavailable: the broker is away, or does not show them.
        """

    def replay(self, queue: Queue, become: Replacement) -> int:
        """Have dead letters become other messages; how many were taken away.

        Each goes once the broker has what takes its place: a crash in between leaves both. Goes
        through those that are there at the beginning, in batches, with little of them in memory.

        Raises:
            BrokerUnavailable: the broker is away; what was taken away by then is safe.
        """

    @property
    def connected(self) -> bool:
        """Whether publishing would reach the broker now."""

    @property
    def server(self) -> str:
        """The broker, as `RabbitMQ 4.1.4`; empty where there is none or before it was reached."""

    def close(self, timeout: float) -> None:
        """Stop consumers, wait for confirmations, disconnect."""
