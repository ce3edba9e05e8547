"""Forgets who was refused long ago: whoever keeps calling must not fill the database."""

from collections.abc import Callable
from datetime import datetime, timedelta

from dicom_router.database import Database
from services.organizer import queries

KEPT = timedelta(days=30)
_AT_A_TIME = 1000


class Refusals:
    """The rows of refused callers; those of associations that were open stay."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock

    def forget(self) -> None:
        """Delete what is older than 30 days."""
        before = self._clock() - KEPT
        while True:
            with self._database.write() as session:
                if queries.forget_rejections(session, before, _AT_A_TIME) < _AT_A_TIME:
                    return
