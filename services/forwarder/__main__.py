"""Wires the forwarder: what it consumes, and what it does from time to time."""

import sys
import time
import uuid
from dataclasses import dataclass
from functools import partial

from dicom_router import process
from dicom_router.archive import Archive
from dicom_router.bus import Bus, Consumer
from dicom_router.database import Database
from dicom_router.dimse import RequestorTimeouts
from dicom_router.ledger import SEEN_WITHIN_SECONDS
from dicom_router.outbox import OutboxRelay
from dicom_router.queues import FORWARDER_COMMANDS, STUDY_COMPLETE
from dicom_router.settings import Settings
from dicom_router.tasks import Task
from dicom_router.tls import Reloading, TlsFiles, client_context
from services.forwarder.deliveries import Deliveries
from services.forwarder.destinations import Destinations, Worker
from services.forwarder.handlers import Handlers
from services.forwarder.outages import Outages
from services.forwarder.owing import Owing
from services.forwarder.resending import Resending
from services.forwarder.sending import Sender
from services.forwarder.sweep import Sweep
from services.forwarder.writing import SERVICE, Clock, Stopping, Writer, utcnow


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a forwarder looks for what no message told it, in seconds."""

    work: float = 1.0  # is anything due?
    reload: float = 2.0  # has another forwarder been told of a new destination?
    check: float = SEEN_WITHIN_SECONDS  # while sending: has a person said stop?
    renew: float = 10.0  # a third of a lease
    relay: float = 1.0
    sweep: float = 60.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the forwarder's handlers and tasks share."""

    archive: Archive
    owing: Owing
    deliveries: Deliveries
    outages: Outages
    destinations: Destinations


_PACE, _TIMEOUTS = Pace(), RequestorTimeouts()


class Forwarder:
    """One forwarder; any number of them may share the queues, the database and the folder."""

    def __init__(
        self,
        bus: Bus,
        writer: Writer,
        parts: Parts,
        relay: OutboxRelay,
        pace: Pace,
        *,
        alone: bool,
    ) -> None:
        self._bus, self._stopping, self._relay = bus, writer.stopping, relay
        self._deliveries, self._alone = parts.deliveries, alone
        self._destinations = parts.destinations
        sweep = Sweep(writer, parts.owing, parts.deliveries, parts.destinations)
        self._sweep_task = Task("sweep", sweep.run, every=pace.sweep)
        # In the order in which they are to stop: those that publish last.
        self._tasks = (
            Task("destinations", parts.destinations.reload, every=pace.reload),
            self._sweep_task,
            Task("leases", parts.deliveries.renew, every=pace.renew),
            Task("outbox", relay.relay, every=pace.relay, wake=relay.woken),
        )
        self._handlers = Handlers(
            parts.owing,
            parts.deliveries,
            Resending(writer, parts.owing, parts.deliveries, parts.archive),
            parts.outages,
            parts.destinations,
            self._sweep_task,
        )
        self._consumers: list[Consumer] = []

    def start(self) -> None:
        """Begin to work: first the queues of the destinations, so that no wake-up misses them."""
        if self._alone:
            self._deliveries.take_over()
        self._destinations.reload()
        for task in self._tasks:
            task.start()
        self._consumers = [
            self._bus.consume(
                STUDY_COMPLETE,
                self._handlers.on_study_complete,
                on_connected=self._sweep_task.wake,
            ),
            self._bus.consume(FORWARDER_COMMANDS, self._handlers.on_command),
        ]

    def stop(self, timeout: float) -> None:
        """Finish the images in hand, record them, give the rest back, publish what that led to."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        for consumer in self._consumers:
            consumer.stop(max(0.1, deadline - time.monotonic()))
        self._destinations.stop(max(0.1, deadline - time.monotonic() - 1.0))
        self._relay.wake()
        for task in self._tasks:
            task.stop(max(0.1, deadline - time.monotonic()))
        self._stopping.close()


def build(
    settings: Settings,
    database: Database,
    bus: Bus,
    *,
    clock: Clock = utcnow,
    pace: Pace = _PACE,
    timeouts: RequestorTimeouts = _TIMEOUTS,
    alone: bool = False,
) -> Forwarder:
    """A forwarder that works with these; `clock` decides what is due, `pace` how often it looks.

    `alone`: no other works on this database, so that what a killed one held need not be waited for.
    """
    name = process.instance_name(SERVICE)
    relay = OutboxRelay(database, bus, SERVICE)
    source = f"/forwarder/{name.partition('@')[2]}"
    writer = Writer(database, relay, source, clock, Stopping())
    # A process that is restarted may get the same name: leases are those of one life.
    deliveries = Deliveries(writer, f"{name}#{uuid.uuid4().hex[:8]}")
    outages = Outages(writer)
    archive = Archive(settings.data_dir)
    sender = Sender(archive, deliveries, outages, writer.stopping, timeouts, pace.check)
    new_worker = partial(
        Worker,
        writer=writer,
        sender=sender,
        tls=Reloading(TlsFiles.of_dicom(settings), client_context),
        own_ae_title=settings.ae_title,
        every=pace.work,
    )

    def new_workers(name: str) -> tuple[Worker, Worker]:
        host = new_worker(name)
        return host, new_worker(name, host=host)

    destinations = Destinations(bus, writer, new_workers)
    parts = Parts(archive, Owing(writer), deliveries, outages, destinations)
    return Forwarder(bus, writer, parts, relay, pace, alone=alone)


def main() -> int:
    """Run the forwarder; the exit code."""
    return process.run(SERVICE, build)


if __name__ == "__main__":
    sys.exit(main())
