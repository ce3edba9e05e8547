"""Workers of their own for each destination, so that one that is down or slow delays no other.

A worker sends what is due until nothing is, then sleeps until a message wakes it or a moment has
passed. Every forwarder has two for every destination, since one association does not fill the line:
its peer writes and answers while nothing is sent. Leases in the database keep all of them apart.

The second is the guest of the first: it takes something up only while its host has an association,
and keeps away for a while when it gets none itself or something breaks, as some destinations take
one only. Whether the destination is down is for its host to find out.
"""

import math
import ssl
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain

from dicom_router.archive import DiskTrouble
from dicom_router.bus import Bus, Consumer, NotYet
from dicom_router.data_folder import check
from dicom_router.dimse import (
    VERIFICATION,
    Association,
    PeerAddress,
    PeerError,
    Stopped,
)
from dicom_router.events import DeliveryDue, DeliveryReason, Message, expect
from dicom_router.log import Log, get_logger
from dicom_router.queues import delivery_queue
from dicom_router.retry import is_due
from dicom_router.tasks import Task
from dicom_router.tls import Reloading
from services.forwarder import queries
from services.forwarder.outages import reason_of
from services.forwarder.queries import Claim, Standing
from services.forwarder.sending import Attempt, Sender, Why
from services.forwarder.writing import Writer

GUEST_RESTS_SECONDS = 600.0
_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"  # what every Verification SCP takes (PS3.4 A.2)

log = get_logger()


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does next: send a claimed delivery, or without one ask whether anyone is there.

    `probing`: the destination was down when this was taken up.
    """

    destination: Standing
    claim: Claim | None
    probing: bool


class Worker:
    """Sends to one destination, one delivery at a time; a thread of its own."""

    def __init__(
        self,
        name: str,
        writer: Writer,
        sender: Sender,
        tls: Reloading,
        own_ae_title: str,
        every: float,
        host: "Worker | None" = None,
    ) -> None:
        self.name = name
        self._host = host
        self.guest: Worker | None = None
        if host is not None:
            host.guest = self
        self.is_connected, self._rests_until = False, -math.inf
        self._tls = tls
        self._writer, self._sender = writer, sender
        self._deliveries, self._outages = sender.deliveries, sender.outages
        self._own_ae_title = own_ae_title
        self._lock = threading.Lock()  # over the next two, and while work is being chosen
        self._given: Work | None = None
        self._busy = False
        self._task = Task(f"deliver {name}{' too' if host else ''}", self._work_off, every=every)

    def start(self) -> None:
        """Begin to work."""
        self._task.start()

    def wake(self) -> None:
        """Look for work now."""
        self._task.wake()

    def stop(self, timeout: float) -> bool:
        """Finish the image in hand; whether that ended within `timeout` seconds."""
        ended = self._task.stop(timeout)
        with self._lock:
            given, self._given = self._given, None
        if given is not None and given.claim is not None:
            self._deliveries.put_down(given.claim)
            self._deliveries.give_back(given.claim)
        return ended

    def offer(self, delivery_id: str) -> bool:
        """Take this delivery up now, unless it is not due or the worker is busy."""
        with self._lock:
            if self._busy or self._keeps_away or self._sender.stopping.is_set():
                return False
            destination = self._standing()
            if destination is None or destination.paused or destination.outage:
                return False
            self._need_folder()
            claim = self._deliveries.claim_woken(delivery_id)
            if claim is None:
                return False
            self._busy, self._given = True, Work(destination, claim, probing=False)
        self._task.wake()
        return True

    @property
    def _keeps_away(self) -> bool:
        """Whether a guest would not be welcome."""
        if self._host is None:
            return False
        return not self._host.is_connected or time.monotonic() < self._rests_until

    def _work_off(self) -> None:
        """Do what is due, until nothing is."""
        while not self._sender.stopping.is_set():
            with self._lock:
                work = self._given or self._next()
                self._given, self._busy = None, work is not None
            if work is None:
                return
            try:
                self._do(work)
            finally:
                self._busy = False

    def _next(self) -> Work | None:
        if self._keeps_away:
            return None
        destination = self._standing()
        if destination is None or destination.paused:
            return None
        if destination.outage is None:
            self._need_folder()
            claim = self._deliveries.claim_next(self.name)
            return Work(destination, claim, probing=False) if claim else None
        if self._host or not is_due(destination.outage.next_probe_at, self._writer.clock()):
            return None
        by_image = destination.outage.probe == "image"
        if by_image:
            self._need_folder()
        if not self._outages.take_probe(self.name):
            return None
        claim = self._deliveries.claim_next(self.name, probing=True) if by_image else None
        return Work(destination, claim, probing=True)

    def _need_folder(self) -> None:
        """Raise `WrongFolder` unless the images are there: nothing is claimed without them."""
        check(self._sender.archive, self._writer.database)

    def _standing(self) -> Standing | None:
        with self._writer.database.read() as session:
            return queries.standing(session, self.name)

    def _do(self, work: Work) -> None:
        if work.claim is None:
            return self._echo(work.destination)
        try:
            self._send(work, work.claim)
        except DiskTrouble:
            self._deliveries.give_back(work.claim)
            raise
        finally:
            self._deliveries.put_down(work.claim)

    def _send(self, work: Work, claim: Claim) -> None:
        came_up = False
        other = self._host or self.guest

        def on_connected(connected: bool) -> None:
            self.is_connected = connected
            if connected and self.guest is not None:
                self.guest.wake()

        def on_answer() -> None:
            nonlocal came_up
            came_up = True
            self._outages.came_up(self.name)
            self._deliveries.started(claim)

        log.info(Log.DELIVERY_STARTED, **claim.named, images=len(claim.items))
        peer, tls = self._peer(work.destination), self._security(work.destination)
        attempt = Attempt(
            self._sender,
            claim,
            peer,
            tls,
            on_answer if work.probing else None,
            on_connected,
            lambda: other is not None and other.is_connected,
            is_guest=self._host is not None,
        )
        end = attempt.run()
        if self._host and end.reason is not None:
            self._rest(end.reason)
        if end.why is Why.TRIED:
            self._deliveries.conclude(claim, attempt.last_failure)
        elif end.why is Why.DOWN and end.reason is not None:
            self._deliveries.interrupt(claim, end.reason, probing=work.probing and not came_up)
        else:
            self._deliveries.give_back(claim)

    def _rest(self, reason: DeliveryReason) -> None:
        self._rests_until = time.monotonic() + GUEST_RESTS_SECONDS
        log.info(Log.TASK_WAITING, task=f"second association to {self.name}", why=reason.text)

    def _echo(self, destination: Standing) -> None:
        """Ask whether the destination takes associations again."""
        try:
            self._verify(destination)
        except Stopped:
            return
        except PeerError as error:
            self._outages.went_down(self.name, reason_of(error), probing=True)
        else:
            self._outages.came_up(self.name)

    def _verify(self, destination: Standing) -> None:
        """C-ECHO, if the peer knows it: one that has accepted the association is there."""
        context = (VERIFICATION, _IMPLICIT_VR_LITTLE_ENDIAN)
        with Association.open(
            self._peer(destination),
            [context],
            self._sender.timeouts,
            self._security(destination),
            self._sender.stopping.signal,
        ) as association:
            if context in association.accepted:
                association.echo()

    def _peer(self, destination: Standing) -> PeerAddress:
        calling = destination.calling_ae_title or self._own_ae_title
        return PeerAddress(destination.host, destination.port, destination.ae_title, calling)

    def _security(self, destination: Standing) -> ssl.SSLContext | None:
        return self._tls.current() if destination.tls else None


class Destinations:
    """The workers of this forwarder for each destination that there is, and their queues."""

    def __init__(
        self, bus: Bus, writer: Writer, new_workers: Callable[[str], Sequence[Worker]]
    ) -> None:
        self._bus, self._writer, self._new_workers = bus, writer, new_workers
        self._lock = threading.Lock()
        self._workers: dict[str, Sequence[Worker]] = {}
        self._consumers: dict[str, Consumer] = {}
        self._queues: set[str] = set()  # of which destinations: made here and not deleted yet
        self._closed = False

    def reload(self) -> None:
        """Start workers for every new destination; end those of destinations that are gone."""
        with self._writer.database.read() as session:
            names = queries.destination_names(session)
        with self._lock:
            if self._closed:
                return
            for name in sorted(names - self._workers.keys()):
                self._start(name)
            for name in sorted(self._workers.keys() - names):
                for worker in self._workers.pop(name):
                    worker.stop(0)  # what it has in hand is withdrawn

    def wake(self) -> None:
        """Have every worker look for work now."""
        with self._lock:
            workers = list(chain.from_iterable(self._workers.values()))
        for worker in workers:
            worker.wake()

    def wake_one(self, name: str) -> None:
        """Have one destination's workers look for work now."""
        with self._lock:
            workers = self._workers.get(name, ())
        for worker in workers:
            worker.wake()

    def delete_queues(self) -> None:
        """Delete the queues of destinations that are gone, once nothing is in them.

        Until then what is in them is looked at and acknowledged. Of several forwarders the last one
        to stop consuming succeeds, or any of them later.
        """
        with self._lock:
            gone = sorted(self._queues - self._workers.keys())
        holding = {each.name for each in self._bus.depths() if each.messages} if gone else set()
        for name in gone:
            queue = delivery_queue(name)
            if holding & {queue.name, *map(queue.retry_name, queue.tiers)}:
                with self._lock:
                    self._consume(name)
            else:
                self._delete_queue(name)

    def _delete_queue(self, name: str) -> None:
        with self._lock:
            if name in self._workers:  # there is one of this name again
                return
            consumer = self._consumers.pop(name, None)
        if consumer is not None:
            consumer.stop(1.0)
        if self._bus.delete(delivery_queue(name)):
            with self._lock:
                if name not in self._consumers:
                    self._queues.discard(name)

    def stop(self, timeout: float) -> None:
        """Take no more messages; finish the images in hand, all at the same time."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._closed = True
            consumers = list(self._consumers.values())
            workers = list(chain.from_iterable(self._workers.values()))
        for worker in workers:
            worker.wake()
        for consumer in consumers:
            consumer.stop(max(0.1, deadline - time.monotonic()))
        for worker in workers:
            if not worker.stop(max(0.1, deadline - time.monotonic())):
                log.warning(Log.DELIVERY_LEFT, destination=worker.name)

    def _start(self, name: str) -> None:
        self._workers[name] = workers = self._new_workers(name)
        self._consume(name)
        for worker in workers:
            worker.start()

    def _consume(self, name: str) -> None:
        if self._closed or name in self._consumers:
            return
        self._queues.add(name)
        self._consumers[name] = self._bus.consume(
            delivery_queue(name), lambda messages: self._on_due(name, messages)
        )

    def _on_due(self, name: str, messages: Sequence[Message]) -> None:
        """`delivery-due`: take the delivery up, or let the message wait where operators see it."""
        due = {expect(each, DeliveryDue).delivery_id for each in messages}
        with self._lock:
            workers = self._workers.get(name, ())
        for each in sorted(self._unclaimed(due)) if workers else ():
            any(worker.offer(each) for worker in workers)
        if left := self._unclaimed(due):  # nor has anybody else taken them meanwhile
            raise NotYet(f"{len(left)} deliveries to {name} have to wait")

    def _unclaimed(self, delivery_ids: Collection[str]) -> set[str]:
        with self._writer.database.read() as session:
            return queries.unclaimed(session, delivery_ids, self._writer.clock())
