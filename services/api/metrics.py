"""Prometheus metrics: figures without patients' data, taken when they are asked for."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dicom_router.errors import Unavailable
from services.api.context import Context
from services.api.queries import Session, figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_GOOD_FOR_SECONDS = 1.0  # whoever may ask without signing in must not be able to ask too much


class Metrics:
    """What `/metrics` answers."""

    def __init__(self, context: Context) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(context))
        self._lock = threading.Lock()
        self._text, self._until = b"", 0.0

    def text(self) -> bytes:
        """All metrics in the text format, at most a second old."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._text = generate_latest(self._registry)
                self._until = time.monotonic() + _GOOD_FOR_SECONDS
            return self._text


class _Figures(Collector):
    def __init__(self, context: Context) -> None:
        self._context = context
        self._receipts = _ReceiptCount(context.clock)

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Ask the disk, the broker and the database, as far as they answer."""
        yield from self._process()
        yield from self._disk()
        up = GaugeMetricFamily("dicom_router_database_up", "Whether the database answers")
        try:
            found = list(self._database())
        except Unavailable:
            up.add_metric([], 0)
            found = []
        else:
            up.add_metric([], 1)
        yield up
        yield from found

    def _process(self) -> Iterator[Metric]:
        connected = self._context.bus.connected
        yield _gauge("broker_connected", "Whether the message broker is connected", connected)
        followers = self._context.feed.followers
        yield _gauge("event_streams", "Event streams that are open", followers)

    def _disk(self) -> Iterator[Metric]:
        try:
            space = self._context.archive.space()
            spooled = sum(1 for _ in self._context.archive.spooled())
        except OSError:
            return
        yield _gauge("disk_total_bytes", "Size of the data folder's disk", space.total)
        yield _gauge("disk_free_bytes", "Room on the data folder's disk", space.free)
        yield _gauge("spool_files", "Instances received and not yet organized", spooled)

    def _database(self) -> Iterator[Metric]:
        with self._context.database.read() as session:
            yield _by_state(self._context.counts.studies(session))
            yield _by_destination(self._context.counts.deliveries(session))
            yield _down(session)
            count = figures.files_in_quarantine(session)
            yield _gauge("quarantine_files", "Instances set aside with a reason", count)
            yield CounterMetricFamily(
                "dicom_router_receipts",
                "Instances answered with success and taken in",
                self._receipts.count(session),
            )


@dataclass
class _ReceiptCount:
    """Counts all receipts at the cost of the last days': older ones are counted once a day."""

    clock: Callable[[], datetime]
    boundary: datetime | None = None
    before: int = 0

    def count(self, session: Session) -> int:
        midnight = self.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        boundary = midnight - timedelta(days=1)
        if boundary != self.boundary:
            self.before = figures.receipts_before(session, boundary)
            self.boundary = boundary
        return self.before + figures.receipts_since(session, boundary)


def _by_state(counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily("dicom_router_studies", "Studies by state", labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


def _by_destination(counts: dict[tuple[str, str], int]) -> Metric:
    family = GaugeMetricFamily(
        "dicom_router_deliveries",
        "Deliveries by destination and state",
        labels=["destination", "state"],
    )
    for labels, count in counts.items():
        family.add_metric(list(labels), count)
    return family


def _down(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "dicom_router_destination_down", "1 while a destination is down", labels=["destination"]
    )
    for destination, down in figures.destinations_down(session).items():
        family.add_metric([destination], down)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"dicom_router_{name}", text, value)
