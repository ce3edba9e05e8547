"""Makes up for every message that was lost: at start, on reconnect and every minute.

Complete revisions without deliveries are routed, as are unrouted studies once there is a
destination or route for them; deliveries that are due, or whose forwarder was killed, are taken up.
"""

from datetime import datetime, timedelta

from dicom_router.ledger import enabled_destinations, enabled_routes
from dicom_router.routing import Route
from dicom_router.said import said
from dicom_router.tasks import for_each
from services.forwarder import queries
from services.forwarder.deliveries import Deliveries
from services.forwarder.destinations import Destinations
from services.forwarder.owing import Owing
from services.forwarder.writing import Writer

_BATCH = 200

# A study that was being routed while routes were changed has been recorded by then.
_ROUTED_WITHIN = timedelta(minutes=1)

_Configuration = tuple[tuple[str, ...], tuple[Route, ...]]


class Sweep:
    """One look at what is left to do."""

    def __init__(
        self, writer: Writer, owing: Owing, deliveries: Deliveries, destinations: Destinations
    ) -> None:
        self._writer, self._owing = writer, owing
        self._deliveries, self._destinations = deliveries, destinations
        # Under which routes and destinations all unrouted studies were looked at, and since when.
        self._looked: tuple[_Configuration, datetime] | None = None
        self._done = False

    def run(self) -> None:
        """Route what is not routed, end what has nowhere to go, wake the workers."""
        self._destinations.reload()  # what is routed to a new one has a queue to wait in
        self._route()
        self._end_orphans()
        self._destinations.wake()
        self._destinations.delete_queues()

    def _route(self) -> None:
        """Route what is new; what is unrouted as well, unless it would come to nothing again."""
        now = self._writer.clock()
        with self._writer.database.read() as session:
            names, routes = enabled_destinations(session), enabled_routes(session)
        current = tuple(names), tuple(sorted(routes, key=lambda each: each.name))
        if self._looked is None or self._looked[0] != current:
            self._looked, self._done = (current, now), not names
        self._route_all(unrouted=not self._done)
        self._done = self._done or now - self._looked[1] > _ROUTED_WITHIN

    def _route_all(self, *, unrouted: bool) -> None:
        after = ""
        while True:
            with self._writer.database.read() as session:
                study_uids = queries.not_routed(session, after, _BATCH, unrouted=unrouted)
            for_each("routing", study_uids, self._owing.route)
            if len(study_uids) < _BATCH:
                return
            after = study_uids[-1]

    def _end_orphans(self) -> None:
        """A destination was deleted while a study was routed to it."""
        with self._writer.database.read() as session:
            orphans = queries.orphans(session)
        for delivery_id in orphans:
            self._deliveries.cancel(delivery_id, said("The destination was deleted"))
        self._writer.write(lambda session, _now: queries.delete_orphan_outages(session))
