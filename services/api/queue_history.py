"""How deep the queues were in the last hours, as this process saw it; a restart begins anew."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_router.bus import Queue, QueueDepth
from dicom_router.said import Said

EVERY = timedelta(seconds=30)
KEPT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Standing:
    """A queue with its retry tiers and dead letters."""

    queue: Queue
    grows_when: Said
    work: QueueDepth
    tiers: Sequence[QueueDepth]
    dead: int


@dataclass(frozen=True, slots=True)
class Sample:
    """How many messages each queue held at a moment: those that wait or are to be tried again."""

    at: datetime
    waiting: dict[str, int]
    dead: dict[str, int]


class QueueHistory:
    """Samples of all queues, the oldest first. Thread-safe."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque(maxlen=KEPT // EVERY)

    def note(self, standing: Iterable[Standing]) -> None:
        """Keep how the queues stand now."""
        found = list(standing)
        sample = Sample(
            at=self._clock(),
            waiting={
                each.queue.name: each.work.messages + sum(tier.messages for tier in each.tiers)
                for each in found
            },
            dead={each.queue.name: each.dead for each in found},
        )
        with self._lock:
            self._samples.append(sample)

    def samples(self) -> list[Sample]:
        """What is kept."""
        with self._lock:
            return list(self._samples)
