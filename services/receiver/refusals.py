"""Which refusals are told, so that whoever keeps calling fills neither the log nor the database."""

import threading
import time
from collections.abc import Callable

WINDOW_SECONDS = 60.0
MOST_IN_A_WINDOW = 20  # of different callers or reasons: 28,800 a day, were it to go on for ever

Refusal = tuple[str, str, str, str]  # address, calling and called AE title, why


class Refusals:
    """The first refusal of its kind in a minute is news, and no more than 20 kinds. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._told: set[Refusal] = set()
        self._ends_at = 0.0

    def is_news(self, refusal: Refusal) -> bool:
        """Whether this one is to be told; it counts as told then."""
        with self._lock:
            now = self._clock()
            if now >= self._ends_at:
                self._told.clear()
                self._ends_at = now + WINDOW_SECONDS
            if refusal in self._told or len(self._told) >= MOST_IN_A_WINDOW:
                return False
            self._told.add(refusal)
            return True
