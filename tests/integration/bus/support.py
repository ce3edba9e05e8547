"""What tests of a bus need: messages, an inbox, and a broker's own view of its queues."""

import json
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import pika

from dicom_router.bus import Binding, Bus, Queue
from dicom_router.bus.memory import MemoryBus
from dicom_router.bus.rabbitmq.wire import received
from dicom_router.errors import Unavailable
from dicom_router.events import EVENTS_EXCHANGE, Message
from infra.private_services import USER, PrivateRabbitMQ

PATIENCE = 30.0  # seconds; what a loaded machine may take for what is usually immediate

INTAKE = Queue(
    "organizer.intake",
    (Binding(EVENTS_EXCHANGE, "instance-stored.#"),),
    retry_delays=(1, 2),
)


def message(number: int | str = 0, key: str = "instance-stored.CT", **other: Any) -> Message:
    properties: dict[str, Any] = {
        "exchange": EVENTS_EXCHANGE,
        "routing_key": key,
        "id": str(number),
        "type": "dicomrouter.instance-stored.v1",
        "time": datetime(2026, 11, 23, 13, 0, tzinfo=UTC),
        "body": b"{}",
    }
    return Message(**properties | other)


def publish(bus: Bus, *messages: Message) -> None:
    """Publish and wait for the confirmations."""
    for future in [bus.publish(each) for each in messages]:
        future.result(PATIENCE)


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for what nobody announces."""
    deadline = time.monotonic() + seconds
    never = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        never.wait(0.02)


class Inbox:
    """A handler that keeps what it is given, after `judge` has had a look at it."""

    def __init__(self, judge: Callable[[Sequence[Message]], None] = lambda _: None) -> None:
        self._judge = judge
        self._changed = threading.Condition()
        self.calls: list[list[Message]] = []  # every call, whatever came of it
        self.handled: list[Message] = []

    def __call__(self, messages: Sequence[Message]) -> None:
        with self._changed:
            self.calls.append(list(messages))
            self._changed.notify_all()
        self._judge(messages)
        with self._changed:
            self.handled.extend(messages)
            self._changed.notify_all()

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.handled]

    @property
    def sizes(self) -> list[int]:
        return [len(call) for call in self.calls]

    def wait_handled(self, count: int, seconds: float = PATIENCE) -> None:
        self._wait(lambda: len(self.handled) >= count, seconds)

    def wait_called(self, count: int, seconds: float = PATIENCE) -> None:
        self._wait(lambda: len(self.calls) >= count, seconds)

    def wait_distinct(self, count: int, seconds: float = PATIENCE) -> None:
        self._wait(lambda: len(set(self.ids)) >= count, seconds)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, seconds), (self.sizes, self.ids[:20])


class Outage:
    """A judge that raises `Unavailable` as long as it lasts."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, _: Sequence[Message]) -> None:
        if not self.over.is_set():
            raise Unavailable("the database is away")


class Backend(Protocol):
    """One implementation, and what tests do behind its back."""

    def bus(self) -> Bus:
        """A new bus; on RabbitMQ it meets the earlier ones."""

    def dead_letters(self, queue: Queue) -> list[Message]:
        """What lies in the dead letters, oldest first."""

    def redeliver(self, bus: Bus, queue: Queue) -> None:
        """Take what is in the queue and let it fall back."""


class MemoryBackend:
    def __init__(self) -> None:
        self.last = MemoryBus()

    def bus(self) -> Bus:
        self.last = MemoryBus()
        return self.last

    def dead_letters(self, queue: Queue) -> list[Message]:
        with self.last.dead_letters(queue) as letters:
            return list(letters)

    def redeliver(self, bus: Bus, queue: Queue) -> None:
        inbox = Inbox(Outage())
        consumer = bus.consume(queue, inbox)
        inbox.wait_called(1)
        assert consumer.stop(PATIENCE)


class RabbitBackend:
    def __init__(self, url: str, make: Callable[[], Bus]) -> None:
        self._url = url
        self._make = make

    def bus(self) -> Bus:
        return self._make()

    def dead_letters(self, queue: Queue) -> list[Message]:
        with closing(connected(self._url)) as connection:
            return list(_taken(connection, queue.dead_letter_name))

    def redeliver(self, bus: Bus, queue: Queue) -> None:
        with closing(connected(self._url)) as connection:
            before = len(list(_taken(connection, queue.name)))
        until(lambda: depth(bus, queue.name) == before)


def connected(url: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(url))


def take_and_crash(url: str, queue_name: str) -> None:
    """Take a message, once there is one, and lose the connection over it."""
    with closing(connected(url)) as connection:
        channel = connection.channel()
        until(lambda: channel.basic_get(queue_name)[0] is not None)


def _taken(connection: pika.BlockingConnection, name: str) -> list[Message]:
    """All that is ready in a queue; it falls back when the connection closes."""
    channel = connection.channel()
    found: list[Message] = []
    while True:
        method, properties, body = channel.basic_get(name)
        if method is None or properties is None or body is None:
            return found
        found.append(received(method, properties, body))


def depth(bus: Bus, name: str) -> int | None:
    """How many messages are ready in a queue; None when there is no such queue."""
    return next((each.messages for each in bus.depths() if each.name == name), None)


class Console:
    """RabbitMQ's management API, as operators see it."""

    def __init__(self, rabbitmq: PrivateRabbitMQ, amqp_url: str) -> None:
        self._root = rabbitmq.management_url + "/api"
        self._token = b64encode(f"{USER}:{rabbitmq.password}".encode()).decode()
        self.virtual_host = amqp_url.rpartition("/")[2]

    def get(self, path: str) -> Any:
        return json.loads(self.send("GET", path))

    def send(self, method: str, path: str, **body: Any) -> bytes:
        request = urllib.request.Request(
            self._root + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Basic {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            content: bytes = response.read()
        return content

    def connections(self) -> list[dict[str, Any]]:
        """Of this virtual host, once their statistics are there."""
        found: list[dict[str, Any]] = self.get(f"/vhosts/{self.virtual_host}/connections")
        return [each for each in found if "client_properties" in each]

    def consumers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/consumers/{self.virtual_host}")
        return found

    def queue(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/queues/{self.virtual_host}/{name}")
        return found

    def cut(self, connection: str) -> None:
        """Close a connection by force."""
        self.send("DELETE", f"/connections/{quote(connection)}")
