"""The consuming half: one connection and one thread for each consumer.

Takes what is there, hands it over in batches, acknowledges after the handler has returned. It never
publishes on its own connection: a broker short of memory or disk stops reading from those that do,
acknowledgements included.
"""

import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ConnectionWrongStateError, ConsumerCancelled
from pika.spec import Basic

from dicom_router.bus.handling import (
    HandOver,
    Interrupted,
    addressed,
    announce,
    next_batch,
    worth_logging,
)
from dicom_router.bus.protocol import Handler, Queue
from dicom_router.bus.rabbitmq import topology
from dicom_router.bus.rabbitmq.wire import received
from dicom_router.events import Message
from dicom_router.log import Log, get_logger
from dicom_router.retry import backoff

log = get_logger()

# For how long a message is kept while its handler waits for something that is away. The broker
# takes it back by force after 30 minutes.
HOLD_SECONDS = 600.0

_LOOKS = 5  # for more, while each brings some

# Every wait is ended by what it waits for; this is how long a lost wake-up would go unnoticed.
_PATIENCE_SECONDS = 1.0

# For the broker to confirm what is handed back as copies, before it is returned as it is.
_HAND_BACK_SECONDS = 3.0

Publish = Callable[[Message], "Future[None]"]


class _LongWait(Exception):
    """The handler has waited so long that what is held goes back to the broker."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    tag: int
    message: Message


class RabbitConsumer(threading.Thread):
    """A `Consumer`. Long outages are handled as follows, so that they dead-letter nothing.

    While the handler raises `Unavailable` its messages are held, with the connection alive, and
    handed over again with a growing back-off. After `HOLD_SECONDS` the broker would soon take them
    back by force; each such return counts against the delivery limit, and after twenty of them,
    within half a day, healthy messages would be dead letters. So they go back as fresh copies,
    which start at zero, and the thread waits with no connection and no message but the batch in
    its memory, which goes on asking the handler whether the other side is there again. Then it
    subscribes anew; that batch is handled a second time, as any message may be.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        *,
        tag: str,
        parameters: pika.connection.Parameters,
        publish: Publish,
        batch: int,
        linger: float,
        on_connected: Callable[[], None],
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        super().__init__(name=f"consume {queue.name}", daemon=True)
        self._queue = queue
        self._tag = tag
        self._parameters = parameters
        self._publish = publish
        self._batch, self._linger = batch, linger
        self._on_connected = on_connected
        self._hold_seconds = hold_seconds
        self._hand_over = HandOver(
            queue, handler, wait=self._wait, send=self._send, settle=self._settle
        )
        self._stopping = threading.Event()
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._held: deque[_Delivery] = deque()
        self._waiting_since: float | None = None
        self._cancelled = False
        self._consumed = queue.name  # of a private one every session has its own
        self._consuming = self._one_by_one = False
        self._failures = 0

    # Any thread.

    def ask_to_stop(self) -> None:
        """Take no more; returns at once."""
        self._stopping.set()
        self._wake()

    def stop(self, timeout: float) -> bool:
        """See `Consumer`."""
        self.ask_to_stop()
        self.join(timeout)
        return not self.is_alive()

    def _wake(self, _: object = None) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.add_callback_threadsafe(lambda: None)
        except ConnectionWrongStateError:
            # The thread is on its way out of this connection and looks at everything again.
            return

    # This thread only, from here on.

    def run(self) -> None:
        """Consume until asked to stop, whatever happens to connections."""
        while not self._stopping.is_set():
            try:
                self._run_session()
            except (AMQPError, OSError) as error:
                self._pause(error)
            except Exception as error:
                # A bug of ours; a consumer that ended silently would be the worse one.
                log.exception(Log.BUS_LOST, queue=self._queue.name)
                self._pause(error)

    def _pause(self, error: Exception) -> None:
        self._failures += 1
        if worth_logging(self._failures) and not self._stopping.is_set():
            log.warning(Log.BUS_LOST, queue=self._queue.name, error=repr(error))
        # Half of it is jitter, so that a broker that comes back is not stormed.
        self._stopping.wait(backoff(self._failures) * random.uniform(0.5, 1))

    def _run_session(self) -> None:
        """One connection's life: subscribe, work, hand back what is left."""
        batch: list[Message] = []
        # Tags belong to a channel: what an earlier one delivered will come again.
        self._held.clear()
        self._connection = BlockingConnection(self._parameters)
        try:
            self._subscribe(self._connection)
            batch = self._work()
            self._hand_back()
        finally:
            connection, self._connection = self._connection, None
            if connection.is_open:
                connection.close()
        if batch:
            self._wait_for_other_side(batch)

    def _subscribe(self, connection: BlockingConnection) -> None:
        for declaration in topology.exchange_declarations():
            topology.declare(connection, declaration)
        name = self._queue.name
        if self._queue.private:
            name = f"{name}.{uuid.uuid4().hex}"
            topology.declare(connection, topology.private_queue_declaration(self._queue, name))
        else:
            topology.declare(connection, topology.queue_declaration(self._queue))
        self._cancelled = False
        self._waiting_since = None
        self._channel = connection.channel()
        self._channel.add_on_cancel_callback(self._on_cancelled)
        self._consumed = name
        # What lies there may be what took the last consumer down.
        found = self._channel.queue_declare(name, passive=True).method
        self._consume(one_by_one=bool(found.message_count) and not self._queue.private)
        self._failures = 0
        log.info(Log.BUS_CONNECTED, queue=self._queue.name)
        announce(self._on_connected, self._queue)

    def _consume(self, *, one_by_one: bool) -> None:
        """Have messages delivered: one, or one batch in hand and one on its way.

        Whatever is in hand when a message takes this process down counts as delivered in vain, as
        often as that message, and would be parked with it. So nothing else is in hand as long as
        messages come that were delivered before.
        """
        self._one_by_one, self._consuming = one_by_one, True
        channel = self._open_channel()
        channel.basic_qos(prefetch_count=1 if one_by_one else 2 * self._batch)
        channel.basic_consume(self._consumed, self._on_delivery, consumer_tag=self._current_tag)

    @property
    def _current_tag(self) -> str:
        # RabbitMQ 3.10 fails over a tag that is used again while a message of it is in hand.
        return f"{self._tag}-one-by-one" if self._one_by_one else self._tag

    def _cancel(self) -> None:
        """Have no more delivered; what has come by then stays in hand."""
        self._pump(0)
        self._open_channel().basic_cancel(self._current_tag)
        self._consuming = False

    def _adapt(self) -> None:
        """Have nothing in hand beside a suspect; take batches again when none comes any more."""
        if self._held[0].message.redelivered == self._one_by_one or self._queue.private:
            return
        self._cancel()
        if self._one_by_one:
            self._consume(one_by_one=False)
        else:
            self._keep_the_first()

    def _keep_the_first(self) -> None:
        """Return what else is in hand: what was not delivered before as copies, which it is not."""
        channel = self._open_channel()
        suspect, *others = self._held
        fresh = [each for each in others if not each.message.redelivered]
        done = self._copied_back(fresh)
        for each in others:
            if done and not each.message.redelivered:
                channel.basic_ack(each.tag)
            else:
                channel.basic_nack(each.tag, requeue=True)
        self._held = deque([suspect])

    def _on_delivery(
        self,
        _: BlockingChannel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        assert method.delivery_tag is not None  # noqa: S101 - the broker always gives one
        self._held.append(_Delivery(method.delivery_tag, received(method, properties, body)))

    def _on_cancelled(self, _: object) -> None:
        self._cancelled = True

    def _work(self) -> list[Message]:
        """Hand over what comes, until asked to stop; the batch in hand if the wait got too long."""
        linger = 0.0
        try:
            while not self._stopping.is_set():
                if not self._held:
                    if not self._consuming:
                        self._consume(one_by_one=True)
                    self._pump(_PATIENCE_SECONDS)
                if self._held:
                    self._adapt()
                    batch = self._gather(linger)
                    linger = self._linger if len(batch) > 1 else 0.0
                    self._hand_over(batch)
        except Interrupted:
            return []
        except _LongWait:
            return self._next_batch()
        return []

    def _gather(self, linger: float) -> list[Message]:
        """A batch, as full as it gets while each look brings more."""
        deadline = time.monotonic() + _LOOKS * linger
        had = 0
        while had < len(self._held) < self._batch:
            had = len(self._held)
            self._pump(max(0.0, min(linger, deadline - time.monotonic())))
        return self._next_batch()

    def _next_batch(self) -> list[Message]:
        return next_batch((delivery.message for delivery in self._held), self._batch)

    def _settle(self, count: int) -> None:
        # Everything before has been settled: messages are handed over in the order of their tags.
        settled = [self._held.popleft() for _ in range(count)]
        self._open_channel().basic_ack(settled[-1].tag, multiple=True)
        self._waiting_since = None

    def _wait(self, seconds: float) -> None:
        """Wait for the other side, with the connection alive if messages are held."""
        if self._connection is None:
            if self._stopping.wait(seconds):
                raise Interrupted
            return
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        if now - self._waiting_since > self._hold_seconds:
            raise _LongWait
        self._pump_until(lambda: False, seconds)

    def _wait_for_other_side(self, batch: Sequence[Message]) -> None:
        """Ask the handler until the other side is there; the broker has all messages meanwhile."""
        log.warning(Log.HANDLER_WAITING, queue=self._queue.name, handed_back=True)
        with suppress(Interrupted):
            # Whatever comes of it counts for nothing: the same messages will be delivered again.
            self._hand_over.attempt(batch)

    def _send(self, copy: Message) -> None:
        """Publish and return when the broker has it, however long that takes."""
        failures = 0
        while True:
            future = self._publish(copy)
            future.add_done_callback(self._wake)
            while not self._pump_until(future.done, _PATIENCE_SECONDS):
                pass
            if future.exception() is None:
                return
            failures += 1
            self._pump_until(lambda: False, backoff(failures))

    def _hand_back(self) -> None:
        """Take no more and return what is held."""
        channel = self._open_channel()
        # First of all: what is returned before would come right back.
        if self._consuming:
            self._cancel()
        if not self._held or self._queue.private:
            return
        last = self._held[-1].tag
        if self._copied_back(self._held):
            channel.basic_ack(last, multiple=True)
        else:
            channel.basic_nack(last, multiple=True, requeue=True)
        self._held.clear()

    def _copied_back(self, deliveries: Iterable[_Delivery]) -> bool:
        """Whether fresh copies of these are in the queue.

        Up to RabbitMQ 4.2 a plain return counts against the delivery limit.
        """
        name = self._queue.name
        futures = [self._publish(addressed(each.message, name)) for each in deliveries]
        for future in futures:
            future.add_done_callback(self._wake)
        deadline = time.monotonic() + _HAND_BACK_SECONDS
        while not all(future.done() for future in futures):
            if time.monotonic() > deadline:
                return False
            self._pump(_PATIENCE_SECONDS)
        return all(future.exception() is None for future in futures)

    def _pump_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Serve the connection; whether it is done. `Interrupted` when asked to stop meanwhile."""
        deadline = time.monotonic() + seconds
        while not done():
            if self._stopping.is_set():
                raise Interrupted
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._pump(min(left, _PATIENCE_SECONDS))
        return True

    def _pump(self, seconds: float) -> None:
        """Serve the connection for so long, or until something has come."""
        assert self._connection is not None  # noqa: S101 - only called within a session
        self._connection.process_data_events(time_limit=seconds)
        if self._cancelled:
            raise ConsumerCancelled

    def _open_channel(self) -> BlockingChannel:
        assert self._channel is not None  # noqa: S101 - only called within a session
        return self._channel
