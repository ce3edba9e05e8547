"""What happens on each event: it is put on record, for clients that follow or were away."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from dicom_router.bus import Binding, Queue
from dicom_router.database import Database
from dicom_router.events import EVENTS_EXCHANGE, Message, payload_of
from services.api.feed import Feed
from services.api.queries.events import prune, record

EVENTS_QUEUE = Queue("api.events", (Binding(EVENTS_EXCHANGE, "#"),))
EVENTS_KEPT = timedelta(days=7)


class Recorder:
    """Keeps the events of the last days."""

    def __init__(self, database: Database, feed: Feed, clock: Callable[[], datetime]) -> None:
        self._database, self._feed, self._clock = database, feed, clock

    def record(self, messages: Sequence[Message]) -> None:
        """Record a batch; `Unprocessable` for what is no event of ours."""
        rows = [
            {
                "event_id": each.id,
                "name": payload_of(each).name,
                "time": each.time,
                # JSON has line ends only between its parts; a server-sent event ends at one.
                "body": each.body.decode().replace("\r", " ").replace("\n", " "),
            }
            for each in messages
        ]
        with self._database.write() as session:
            record(session, rows)
        self._feed.wake()

    def prune(self) -> None:
        """Forget what is older than is kept."""
        before = self._clock() - EVENTS_KEPT
        more = True
        while more:
            with self._database.write() as session:
                more = prune(session, before)
