"""The publishing half: one connection on a thread of its own, confirmed, for any number of callers.

Sends again what was not confirmed when a connection broke: at least once, in no particular order.
"""

import math
import random
import struct
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ChannelClosedByClient,
    ChannelWrongStateError,
    ConnectionWrongStateError,
)
from pika.frame import Method
from pika.spec import Basic

from dicom_router.bus.handling import worth_logging
from dicom_router.bus.protocol import BrokerUnavailable, Queue
from dicom_router.bus.rabbitmq.topology import (
    NOT_FOUND,
    Declaration,
    Step,
    exchange_declarations,
    queue_declaration,
)
from dicom_router.bus.rabbitmq.wire import properties
from dicom_router.errors import Unprocessable
from dicom_router.events import Message
from dicom_router.log import Log, get_logger
from dicom_router.retry import backoff

log = get_logger()

# Messages accepted and not yet confirmed. More means that the broker is away, and the sweeps that
# make up for lost messages do so for these as well.
MAX_PENDING = 10_000

# Messages sent and not yet confirmed; beyond some hundreds the broker gets no faster.
WINDOW = 2_000

# Between two bursts: what comes meanwhile goes out together. To take, write and confirm one message
# at a time costs the broker and us several times what it costs in tens.
PACE_SECONDS = 0.02

# Given to the broker to answer our goodbye.
_CLOSE_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _Outgoing:
    message: Message
    future: Future[None]
    refusals: int = 0


class Publisher:
    """Publishes and, since it has a connection that is always served, administers queues."""

    def __init__(
        self, parameters: pika.connection.Parameters, *, max_pending: int = MAX_PENDING
    ) -> None:
        self._parameters = parameters
        self._max_pending = max_pending
        # Shared between threads, under the lock.
        self._changed = threading.Condition()
        self._waiting: deque[_Outgoing] = deque()
        self._pending = 0
        self._woken = False
        self._closing = False
        self._declared: dict[str, Queue] = {}
        # The I/O thread's own.
        self._loop = IOLoop()
        self._connection: pika.SelectConnection | None = None
        self._channel: Channel | None = None
        self._unconfirmed: OrderedDict[int, _Outgoing] = OrderedDict()
        self._refused: set[_Outgoing] = set()
        self._prepared: set[str] = set()
        self._last_tag = 0
        self._failures = 0
        self._drained_at = -math.inf
        # Read by others, written by the I/O thread.
        self.server = ""
        self._blocked = False
        self._ready = False
        self._thread = threading.Thread(target=self._run, name="bus publisher", daemon=True)
        self._thread.start()

    # Any thread.

    @property
    def connected(self) -> bool:
        """Whether the broker takes messages now."""
        return self._ready and not self._blocked

    def publish(self, message: Message) -> Future[None]:
        """See `Bus`."""
        future = _accepted()
        with self._changed:
            refused = self._why_not()
            if refused is None:
                self._pending += 1
                self._waiting.append(_Outgoing(message, future))
                self._wake()
        if refused is not None:
            future.set_exception(refused)
        return future

    def declare(self, queue: Queue) -> Future[None]:
        """Declare a queue now, or once there is a connection; and again on every later one.

        The future is done when that has happened or is noted; it fails with pika's
        `ChannelClosedByBroker` when the broker refuses.
        """
        future = _accepted()
        with self._changed:
            if self._closing:
                future.set_exception(BrokerUnavailable("the bus is closed"))
            else:
                self._declared[queue.name] = queue
                self._loop.add_callback_threadsafe(lambda: self._declare_now(queue, future))
        return future

    def forget(self, queue: Queue) -> None:
        """Declare it no more."""
        with self._changed:
            self._declared.pop(queue.name, None)

    def perform(self, steps: Sequence[Step]) -> Future[list[Any]]:
        """Take steps on a channel of their own; the future has the broker's answers.

        Fails with `BrokerUnavailable`, or with pika's `ChannelClosedByBroker` for what the broker
        refused.
        """
        future: Future[list[Any]] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            if self._closing:
                future.set_exception(BrokerUnavailable("the bus is closed"))
            else:
                self._loop.add_callback_threadsafe(lambda: self._perform(steps, future))
        return future

    def close(self, timeout: float) -> bool:
        """Wait for confirmations and disconnect; whether all was confirmed within `timeout`."""
        with self._changed:
            confirmed = self._changed.wait_for(lambda: self._pending == 0, timeout)
            if not self._closing:
                self._closing = True
                self._loop.add_callback_threadsafe(self._disconnect)
        self._thread.join(_CLOSE_SECONDS + 1)
        return confirmed

    def _why_not(self) -> BrokerUnavailable | None:
        if self._closing:
            return BrokerUnavailable("the bus is closed")
        if self._pending >= self._max_pending:
            return BrokerUnavailable(
                f"{self._pending} messages wait for the broker to confirm them; try again later"
            )
        return None

    def _wake(self) -> None:
        # One wake-up drains all that came until then.
        if not self._woken:
            self._woken = True
            self._loop.add_callback_threadsafe(self._drain_in_turn)

    # The I/O thread only, from here on.

    def _run(self) -> None:
        self._connect()
        while True:
            try:
                self._loop.start()
                break
            except Exception as error:
                # A bug, pika's or ours; without this thread the whole service would fall silent.
                log.exception(Log.BUS_LOST, connection="publisher")
                self._start_afresh(error)
        self._loop.close()
        for outgoing in [*self._unconfirmed.values(), *self._refused, *self._waiting]:
            self._settle(outgoing, BrokerUnavailable("the bus closed before the broker confirmed"))

    def _start_afresh(self, error: Exception) -> None:
        """Leave the loop to itself, whatever state its callbacks are in, and begin with another."""
        with self._changed:
            self._loop.close()
            self._loop = IOLoop()
            self._woken = False
            if self._closing:
                self._loop.add_callback_threadsafe(self._loop.stop)
        self._waiting.extend(self._refused)
        self._refused.clear()
        self._on_closed(None, error)

    def _connect(self) -> None:
        if self._closing:
            return
        self._connection = pika.SelectConnection(
            self._parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_closed,
            on_close_callback=self._on_closed,
            custom_ioloop=self._loop,
        )

    def _on_open(self, connection: pika.SelectConnection) -> None:
        if self._closing:
            connection.close()
            return
        told = connection.server_properties or {}
        self.server = f"{told.get('product', '')} {told.get('version', '')}".strip()
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        self._prepared.clear()
        self._prepare()

    def _prepare(self) -> None:
        """Declare, one after the other, what this connection has not yet; then begin to publish."""
        undone = next((each for each in self._wanted() if each.what not in self._prepared), None)
        if undone is not None:
            self._attempt(undone).add_done_callback(lambda _: self._prepare())
        elif self._channel is None:
            self._open_channel()
        else:
            self._begin()

    def _wanted(self) -> list[Declaration]:
        with self._changed:
            return [*exchange_declarations(), *map(queue_declaration, self._declared.values())]

    def _declare_now(self, queue: Queue, future: Future[None]) -> None:
        if not self._ready:
            future.set_result(None)  # `_prepare` will come across it
            return
        self._attempt(queue_declaration(queue)).add_done_callback(lambda it: _pass_on(it, future))

    def _attempt(self, declaration: Declaration) -> Future[list[Any]]:
        """Declare; a refusal is logged and stops nothing else."""
        self._prepared.add(declaration.what)
        future: Future[list[Any]] = Future()

        def done(attempt: Future[list[Any]]) -> None:
            error = attempt.exception()
            if _is_missing(error) and declaration.if_missing:
                self._perform(declaration.if_missing, future)
                return
            if isinstance(error, ChannelClosedByBroker):
                log.error(Log.BUS_LOST, refused=declaration.what, error=str(error))
            _pass_on(attempt, future)

        first: Future[list[Any]] = Future()
        first.add_done_callback(done)
        self._perform(declaration.steps, first)
        return future

    def _perform(self, steps: Sequence[Step], future: Future[list[Any]]) -> None:
        if self._connection is None or not self._connection.is_open:
            future.set_exception(BrokerUnavailable("there is no connection to the broker"))
        else:
            _Call(self._connection, steps, future)

    def _open_channel(self) -> None:
        if self._connection is not None and self._connection.is_open:
            channel = self._connection.channel(on_open_callback=self._on_channel)
            channel.add_on_close_callback(self._on_channel_closed)

    def _on_channel(self, channel: Channel) -> None:
        self._channel = channel
        self._last_tag = 0
        channel.confirm_delivery(self._on_confirm, callback=lambda _: self._prepare())

    def _begin(self) -> None:
        self._ready = True
        self._failures = 0
        log.info(Log.BUS_CONNECTED, waiting=len(self._waiting))
        self._drain()

    def _drain_in_turn(self) -> None:
        """Drain at once, or as soon as `PACE_SECONDS` have passed since the last time."""
        wait = self._drained_at + PACE_SECONDS - time.monotonic()
        if wait > 0:
            self._loop.call_later(wait, self._drain)
        else:
            self._drain()

    def _drain(self) -> None:
        with self._changed:
            self._woken = False
        self._drained_at = time.monotonic()
        while self._ready and self._waiting and len(self._unconfirmed) < WINDOW:
            self._send(self._waiting.popleft())

    def _send(self, outgoing: _Outgoing) -> None:
        assert self._channel is not None  # noqa: S101 - it is there as long as `_ready`
        message = outgoing.message
        try:
            # Not mandatory: a message is a wake-up for whoever listens, and nobody may.
            self._channel.basic_publish(
                message.exchange, message.routing_key, message.body, properties(message)
            )
        except (ChannelWrongStateError, ConnectionWrongStateError):
            # The close callback is on its way and will look after the rest.
            self._ready = False
            self._waiting.appendleft(outgoing)
        except (AMQPError, ValueError, TypeError, struct.error) as error:
            # Nothing was sent yet: pika puts a message into frames first.
            refusal = Unprocessable(f"message {message.id!r} does not fit into AMQP: {error!r}")
            refusal.__cause__ = error
            self._settle(outgoing, refusal)
        else:
            self._last_tag += 1
            self._unconfirmed[self._last_tag] = outgoing

    def _on_confirm(self, frame: Method[Basic.Ack | Basic.Nack]) -> None:
        confirmed = isinstance(frame.method, Basic.Ack)
        for outgoing in self._take_confirmed(frame.method):
            if confirmed:
                self._settle(outgoing, None)
            else:
                self._send_later(outgoing)
        if not self._woken:  # or what waits has its turn to come
            self._drain()

    def _take_confirmed(self, method: Basic.Ack | Basic.Nack) -> list[_Outgoing]:
        if not method.multiple:
            return [self._unconfirmed.pop(method.delivery_tag)]
        taken = []
        # In the order of their tags.
        while self._unconfirmed and next(iter(self._unconfirmed)) <= method.delivery_tag:
            taken.append(self._unconfirmed.popitem(last=False)[1])
        return taken

    def _send_later(self, outgoing: _Outgoing) -> None:
        """The broker could not take it, a queue being full or in trouble: that passes."""
        outgoing.refusals += 1
        self._refused.add(outgoing)
        self._loop.call_later(backoff(outgoing.refusals), lambda: self._send_again(outgoing))

    def _send_again(self, outgoing: _Outgoing) -> None:
        self._refused.discard(outgoing)
        self._waiting.append(outgoing)
        self._drain()

    def _settle(self, outgoing: _Outgoing, error: Exception | None) -> None:
        with self._changed:
            self._pending -= 1
            if self._pending == 0:
                self._changed.notify_all()
        if error is None:
            outgoing.future.set_result(None)
        else:
            outgoing.future.set_exception(error)

    def _on_blocked(self, _: object, frame: Method[Any]) -> None:
        self._blocked = True
        log.warning(Log.BUS_BLOCKED, reason=frame.method.reason)

    def _on_unblocked(self, _: object, __: object) -> None:
        self._blocked = False
        log.info(Log.BUS_CONNECTED, waiting=len(self._waiting))

    def _on_channel_closed(self, _: Channel, reason: BaseException) -> None:
        self._ready = False
        self._channel = None
        if self._connection is not None and self._connection.is_open:
            log.error(Log.BUS_LOST, connection="publisher", error=str(reason))
            self._connection.close()

    def _on_closed(self, _: object, reason: BaseException) -> None:
        """There is no connection, or no more: what was not confirmed goes to the front again."""
        self._ready = self._blocked = False
        self._channel = None
        self._waiting.extendleft(reversed(self._unconfirmed.values()))
        self._unconfirmed.clear()
        if self._closing:
            self._loop.stop()
            return
        self._failures += 1
        if worth_logging(self._failures):
            log.warning(Log.BUS_LOST, connection="publisher", error=repr(reason))
        # Half of it is jitter, so that a broker that comes back is not stormed.
        self._loop.call_later(backoff(self._failures) * random.uniform(0.5, 1), self._connect)

    def _disconnect(self) -> None:
        """Say goodbye to the broker; `_on_closed` stops the loop."""
        self._loop.call_later(_CLOSE_SECONDS, self._loop.stop)
        if self._connection is None or self._connection.is_closed or self._blocked:
            self._loop.stop()  # a broker that has blocked us does not even read a goodbye
        elif self._connection.is_open:
            self._connection.close()
        # A connection that is still being opened is closed by `_on_open`: pika 1.4.4 fails an
        # assertion of its own when asked to do so before.


class _Call:
    """Steps on a channel of their own, so that what the broker refuses takes nothing else along."""

    def __init__(
        self, connection: pika.SelectConnection, steps: Sequence[Step], future: Future[list[Any]]
    ) -> None:
        self._steps = iter(steps)
        self._answers: list[Any] = []
        self._future = future
        channel = connection.channel(on_open_callback=self._next)
        channel.add_on_close_callback(self._on_closed)

    def _next(self, channel: Channel) -> None:
        step = next(self._steps, None)
        if step is None:
            channel.close()
        else:
            step.on(channel, callback=lambda frame: self._on_answer(channel, frame))

    def _on_answer(self, channel: Channel, frame: Method[Any]) -> None:
        self._answers.append(frame.method)
        self._next(channel)

    def _on_closed(self, _: Channel, reason: BaseException) -> None:
        if isinstance(reason, ChannelClosedByClient):
            self._future.set_result(self._answers)
        elif isinstance(reason, ChannelClosedByBroker):
            self._future.set_exception(reason)
        else:
            lost = BrokerUnavailable(f"the connection to the broker broke: {reason!r}")
            self._future.set_exception(lost)


def _accepted() -> Future[None]:
    """A future that nobody can cancel, so that setting its result never fails."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _is_missing(error: BaseException | None) -> bool:
    return isinstance(error, ChannelClosedByBroker) and error.reply_code == NOT_FOUND


def _pass_on(source: Future[Any], target: Future[Any]) -> None:
    error = source.exception()
    if error is None:
        target.set_result(source.result())
    else:
        target.set_exception(error)
