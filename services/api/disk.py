"""How full the data folder's disk is, with what, and when it will be full at the present rate."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_router.archive import LEAST_FREE_BYTES, Archive, Space
from dicom_router.database import Database
from dicom_router.settings import Settings
from services.api.queries import disk as queries
from services.api.schemas import Forecast

# A whole day, since nights are quiet: what comes at noon does not come at midnight.
WINDOW = timedelta(hours=24)
_SHORTEST_WINDOW = timedelta(hours=1)
_FAR_OFF_HOURS = 24 * 3652  # of which a day's rate tells nothing
_GOOD_FOR = timedelta(seconds=30)  # to add up takes up to a second after a day of a million images


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What the data folder holds, in bytes, and how that changes."""

    by_state: dict[str, int]  # of studies on disk
    spool: int
    quarantine: int
    growth_per_hour: float  # negative while it shrinks
    window_hours: float


def least_free_bytes(space: Space, settings: Settings) -> int:
    """Below so much room incoming objects are refused."""
    return max(LEAST_FREE_BYTES, int(space.total * settings.disk_min_free_percent / 100))


def hours_to_full(space: Space, least_free: int, growth_per_hour: float) -> float | None:
    """Until objects are refused; None while it does not grow."""
    if growth_per_hour <= 0:
        return None
    return max(0, space.free - least_free) / growth_per_hour


def forecast(hours: float | None) -> Forecast:
    """What there is to tell of so many hours to full."""
    if hours is None:
        return Forecast.NOT_FILLING
    return Forecast.FAR_OFF if hours > _FAR_OFF_HOURS else Forecast.IN_HOURS


class DiskWatch:
    """Adds up what is on disk from the database, at most every half minute whoever asks."""

    def __init__(self, archive: Archive, database: Database, clock: Callable[[], datetime]) -> None:
        self._archive, self._database, self._clock = archive, database, clock
        self._lock = threading.Lock()
        self._seen: tuple[datetime, DiskUse] | None = None

    def space(self) -> Space:
        """Room on the disk now; OSError where it can't be read."""
        return self._archive.space()

    def use(self) -> DiskUse:
        """What the data folder holds, at most half a minute old; `Unavailable` by the database."""
        with self._lock:
            now = self._clock()
            if self._seen is None or now - self._seen[0] >= _GOOD_FOR:
                self._seen = (now, self._measure(now))
            return self._seen[1]

    def _measure(self, now: datetime) -> DiskUse:
        with self._database.read() as session:
            window = self._window(queries.first_receipt_at(session), now)
            grown = queries.received_bytes(session, now - window)
            grown -= queries.deleted_bytes(session, now - window)
            hours = window / timedelta(hours=1)
            return DiskUse(
                by_state=queries.bytes_by_state(session),
                spool=self._archive.spooled_bytes(),
                quarantine=queries.bytes_in_quarantine(session),
                growth_per_hour=grown / hours,
                window_hours=hours,
            )

    @staticmethod
    def _window(first: datetime | None, now: datetime) -> timedelta:
        """The last day, or as long as there have been images at all."""
        age = now - first if first else WINDOW
        return min(WINDOW, max(_SHORTEST_WINDOW, age))
