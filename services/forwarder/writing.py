"""Transactions of the forwarder, whose outbox is on its way once they are committed.

Also the one way in which the forwarder is told to stop.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from dicom_router.database import Database
from dicom_router.dimse import StopSignal
from dicom_router.errors import Unavailable
from dicom_router.events import Message
from dicom_router.outbox import OutboxRelay, enqueue, has_enqueued
from dicom_router.retry import backoff
from services.forwarder.queries import Transaction

T = TypeVar("T")
Clock = Callable[[], datetime]
SERVICE = "forwarder"


def utcnow() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


class Stopping:
    """Set once: wakes who sleeps as well as who waits for a peer."""

    def __init__(self) -> None:
        self.signal = StopSignal()
        self._event = threading.Event()

    def set(self) -> None:
        """Stop, for good."""
        self._event.set()
        self.signal.set()

    def is_set(self) -> bool:
        """Whether the forwarder is to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long or until stopped; whether it is."""
        return self._event.wait(seconds)

    def close(self) -> None:
        """Give back what the signal holds, once no association is left."""
        with suppress(OSError):  # closed before
            self.signal.close()


@dataclass(frozen=True, slots=True)
class Writer:
    """What every transaction needs; `source` is who publishes, as events name it."""

    database: Database
    relay: OutboxRelay
    source: str
    clock: Clock
    stopping: Stopping

    def write(self, work: Callable[[Transaction, datetime], T]) -> T:
        """Do work in one transaction at the clock's time; `Unavailable` if that can't be now."""
        with self.database.write() as session:
            done = work(session, self.clock())
            has_news = has_enqueued(session)
        if has_news:  # most writes only record what has arrived
            self.relay.wake()
        return done

    def insist(self, work: Callable[[Transaction, datetime], T]) -> T:
        """As `write`, as often as it takes: what a peer has must be recorded.

        Raises `Unavailable` only when the forwarder stops meanwhile.
        """
        failures = 0
        while True:
            try:
                return self.write(work)
            except Unavailable:
                failures += 1
                if self.stopping.wait(backoff(failures)):
                    raise

    def publish(self, session: Transaction, *messages: Message) -> None:
        """Have messages published once the transaction is committed."""
        enqueue(session, SERVICE, list(messages))
