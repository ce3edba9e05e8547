"""`RabbitBus`: the publisher and the consumers behind the protocol."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from pika.exceptions import ChannelClosedByBroker

from dicom_router.bus.protocol import (
    LINGER_SECONDS,
    BrokerUnavailable,
    Consumer,
    Handler,
    Queue,
    QueueDepth,
    Replacement,
)
from dicom_router.bus.rabbitmq import dead_letters, topology, wire
from dicom_router.bus.rabbitmq.consumer import HOLD_SECONDS, RabbitConsumer
from dicom_router.bus.rabbitmq.publisher import MAX_PENDING, Publisher
from dicom_router.errors import ConfigurationError
from dicom_router.events import Message

# For the broker to answer a question about queues.
_ANSWER_SECONDS = 10.0


class RabbitBus:
    """A `Bus` over RabbitMQ 3.10 or later.

    `name` is `<service>@<host>:<pid>`: the console shows it for connections, and its parts in the
    consumers' tags. The broker need not be there yet. Raises `ConfigurationError` for a bad URL.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        version: str = "",
        max_pending: int = MAX_PENDING,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._parameters = wire.parameters(url, name, version)
        self._place = name.rpartition("@")[2].replace(":", "#")
        self._hold_seconds = hold_seconds
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._one_look = threading.Lock()
        self._known: dict[str, Queue] = {}
        self._consumers: list[RabbitConsumer] = []
        self._publisher = Publisher(self._parameters, max_pending=max_pending)

    def publish(self, message: Message) -> Future[None]:
        """See `Bus`; fails with `Unprocessable` what does not fit into AMQP."""
        return self._publisher.publish(message)

    def declare(self, queue: Queue) -> None:
        """See `Bus`."""
        if queue.private:
            raise ValueError(f"the private queue {queue.name!r} exists only while it is consumed")
        with self._lock:
            self._known[queue.name] = queue
        try:
            self._publisher.declare(queue).result(_ANSWER_SECONDS)
        except (BrokerUnavailable, TimeoutError):
            return  # it went away just now: noted, as if it had been away before
        except ChannelClosedByBroker as error:
            self._publisher.forget(queue)
            raise ConfigurationError(
                f"RabbitMQ refuses the queue {queue.name}: {error.reply_text}"
            ) from error

    def consume(
        self,
        queue: Queue,
        handler: Handler,
        *,
        batch: int = 100,
        linger: float = LINGER_SECONDS,
        on_connected: Callable[[], None] = lambda: None,
    ) -> Consumer:
        """See `Bus`; a handler may take up to 30 s a call, or the connection is lost.

        Raises `ConfigurationError` as `declare` does.
        """
        if not queue.private:
            # So that nothing is lost which this bus publishes before the consumer has subscribed.
            self.declare(queue)
        consumer = RabbitConsumer(
            queue,
            handler,
            tag=f"{queue.name}@{self._place}-{next(self._numbers)}",
            parameters=self._parameters,
            publish=self.publish,
            batch=batch,
            linger=linger,
            on_connected=on_connected,
            hold_seconds=self._hold_seconds,
        )
        with self._lock:
            self._consumers = [each for each in self._consumers if each.is_alive()]
            self._consumers.append(consumer)
            consumer.start()
        return consumer

    def delete(self, queue: Queue) -> bool:
        """See `Bus`; what arrives between the look and the deletion goes with the queue."""
        for name in queue.names:
            depth = self._depth(name)
            if depth is not None and (depth.messages or depth.consumers):
                return False
        self._publisher.forget(queue)
        with self._lock:
            self._known.pop(queue.name, None)
        self._ask([topology.delete_step(name) for name in queue.names])
        return True

    def depths(self, queues: Iterable[Queue] | None = None) -> list[QueueDepth]:
        """See `Bus`; takes no permission."""
        with self._lock:
            wanted = list(self._known.values() if queues is None else queues)
        names = [name for queue in wanted if not queue.private for name in queue.names]
        return [depth for depth in map(self._depth, names) if depth is not None]

    @contextmanager
    def dead_letters(self, queue: Queue) -> Iterator[Iterator[Message]]:
        """See `Bus`; takes the permission to read the queue of dead letters."""
        with (
            self._looking(),
            dead_letters.looked_at(self._parameters, queue.dead_letter_name) as letters,
        ):
            yield letters

    def replay(self, queue: Queue, become: Replacement) -> int:
        """See `Bus`; takes the permission to read the queue of dead letters."""
        if self._depth(queue.name) is None:  # what is sent to it would be lost
            raise BrokerUnavailable(f"there is no queue {queue.name} to take dead letters back")
        with self._looking():
            name = queue.dead_letter_name
            return dead_letters.take(self._parameters, name, become, self.publish)

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """One look at a time: what one has in hand, another would not find."""
        if not self._one_look.acquire(timeout=_ANSWER_SECONDS):
            raise BrokerUnavailable("dead letters are being replayed")
        try:
            yield
        finally:
            self._one_look.release()

    @property
    def connected(self) -> bool:
        """See `Bus`."""
        return self._publisher.connected

    @property
    def server(self) -> str:
        """See `Bus`."""
        return self._publisher.server

    def close(self, timeout: float) -> None:
        """See `Bus`; consumers first, since they publish what they hand back."""
        deadline = time.monotonic() + timeout
        with self._lock:
            consumers = list(self._consumers)
        for consumer in consumers:
            consumer.ask_to_stop()
        for consumer in consumers:
            consumer.stop(max(0.0, deadline - time.monotonic()))
        self._publisher.close(max(0.0, deadline - time.monotonic()))

    def _depth(self, name: str) -> QueueDepth | None:
        """How a queue stands; None when there is none."""
        try:
            (answer,) = self._ask([topology.depth_step(name)])
        except ChannelClosedByBroker as error:
            if error.reply_code == topology.NOT_FOUND:
                return None
            raise BrokerUnavailable(f"RabbitMQ does not tell how {name} stands: {error}") from error
        return QueueDepth(name, answer.message_count, answer.consumer_count)

    def _ask(self, steps: Sequence[topology.Step]) -> list[Any]:
        try:
            return self._publisher.perform(steps).result(_ANSWER_SECONDS)
        except TimeoutError as error:
            raise BrokerUnavailable("the broker did not answer in time") from error
