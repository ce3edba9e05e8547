"""Since when queues have dead letters."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dicom_router.bus import Bus, Queue
from dicom_router.events import Message

# To look at letters costs a delivery of each, and time.
_LOOK_AGAIN_AFTER = timedelta(minutes=1)
_MOST_LOOKED_AT = 5_000


def first_failed_at(letter: Message) -> datetime:
    """When its first attempt failed; of one that does not say, when it was sent."""
    try:
        said = datetime.fromisoformat(str(letter.headers.get("x-first-failed-at")))
    except ValueError:
        said = letter.time
    return said if said.tzinfo else said.replace(tzinfo=UTC)


class OldestLetters:
    """Remembers what it saw: looks again when a queue's letters have become more or less."""

    def __init__(self, bus: Bus, clock: Callable[[], datetime]) -> None:
        self._bus, self._clock = bus, clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, datetime, datetime | None]] = {}

    def of(self, queue: Queue, count: int) -> datetime | None:
        """When the oldest failed first; None without letters, or with too many to look through."""
        if not 0 < count <= _MOST_LOOKED_AT:
            return None
        with self._lock:
            seen = self._seen.get(queue.name)
            if seen and (seen[0] == count or self._clock() - seen[1] < _LOOK_AGAIN_AFTER):
                return seen[2]
            with self._bus.dead_letters(queue) as letters:
                oldest = min(map(first_failed_at, letters), default=None)
            self._seen[queue.name] = (count, self._clock(), oldest)
            return oldest
