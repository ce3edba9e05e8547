"""How often somebody may ask: enough for any page and any script, not for one that has run wild."""

import math
import threading
import time
from collections.abc import Callable

PER_SECOND = 100.0
AT_ONCE = 1_000.0


class Rates:
    """A bucket of requests for everybody who is known, which fills up again. Thread-safe."""

    def __init__(
        self,
        *,
        per_second: float = PER_SECOND,
        at_once: float = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # requests, and when that was

    def wait_seconds(self, name: str) -> int:
        """0, and the request counts; or for how many seconds there are no more."""
        with self._lock:
            now = self._clock()
            left, at = self._left.get(name, (self._at_once, now))
            left = min(self._at_once, left + (now - at) * self._per_second)
            if left < 1:
                self._left[name] = (left, now)
                return math.ceil((1 - left) / self._per_second)
            self._left[name] = (left - 1, now)
            return 0
