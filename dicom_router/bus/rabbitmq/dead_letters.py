"""Looks at dead letters, and takes away those that become something else.

A message is looked at by having it delivered; what was not acknowledged when the connection closes
returns to the queue, on RabbitMQ 3.10 to its end: their order tells nothing. Each look counts as a
delivery (`topology.LOOKS_AT_A_DEAD_LETTER`).
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker

from dicom_router.bus.protocol import BrokerUnavailable, Replacement
from dicom_router.bus.rabbitmq.topology import NOT_FOUND
from dicom_router.bus.rabbitmq.wire import dead
from dicom_router.events import Message

# Letters in hand on one channel; those that stay keep their place in it.
_WINDOW = 10_000

# Letters that are judged, and replaced, together.
_BATCH = 1000

# Well below half a heartbeat, which the connection goes without while it waits.
_CONFIRM_SECONDS = 15.0

# Letters that the broker counts and does not give are in somebody else's hand.
_SILENCE_SECONDS = 3.0

# For the broker to have what was held back in the queue.
_RETURN_SECONDS = 5.0

Publish = Callable[[Message], "Future[None]"]


@contextmanager
def looked_at(parameters: pika.connection.Parameters, name: str) -> Iterator[Iterator[Message]]:
    """The letters in a queue, one after the other; none when there is no such queue."""
    with _opened(parameters, name) as look:
        yield (letter.message for letter in look.letters())


def take(
    parameters: pika.connection.Parameters, name: str, become: Replacement, publish: Publish
) -> int:
    """Acknowledge every letter whose replacement is confirmed; how many."""
    taken = 0
    with _opened(parameters, name) as look:
        letters = look.letters()
        while batch := list(islice(letters, _BATCH)):
            taken += _replace(look, batch, become, publish)
    return taken


@dataclass(frozen=True, slots=True)
class _Letter:
    channel: BlockingChannel
    tag: int
    message: Message


class _Look:
    """Goes through a queue once; what was not acknowledged is still in it afterwards."""

    def __init__(self, connection: BlockingConnection, name: str) -> None:
        self._connection, self._name = connection, name
        self._channels: list[BlockingChannel] = []
        self._held = 0

    def letters(self) -> Iterator[_Letter]:
        """As many as there are at the beginning: what becomes one meanwhile is for later."""
        left = self._count()
        while left:
            window = min(left, _WINDOW)
            channel = self._connection.channel()
            self._channels.append(channel)
            channel.basic_qos(prefetch_count=window)
            given = 0
            found = channel.consume(self._name, inactivity_timeout=_SILENCE_SECONDS)
            for method, properties, body in found:
                if method is None or properties is None or body is None:
                    return
                assert method.delivery_tag is not None  # noqa: S101 - the broker always gives one
                given += 1
                self._held += 1
                yield _Letter(channel, method.delivery_tag, dead(method, properties, body))
                if given == window:
                    break
            channel.cancel()
            left -= given

    def acknowledge(self, letter: _Letter) -> None:
        letter.channel.basic_ack(letter.tag)
        self._held -= 1

    def give_back(self) -> None:
        """Return what is held, and see it back in the queue, or the next look would miss it."""
        for channel in self._channels:
            channel.close()
        deadline = time.monotonic() + _RETURN_SECONDS
        while self._count() < self._held and time.monotonic() < deadline:
            self._connection.sleep(0.05)

    def _count(self) -> int:
        try:
            with self._connection.channel() as channel:
                found = channel.queue_declare(self._name, passive=True)
        except ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                return 0
            raise
        return int(found.method.message_count)


@contextmanager
def _opened(parameters: pika.connection.Parameters, name: str) -> Iterator[_Look]:
    try:
        with closing(BlockingConnection(parameters)) as connection:
            look = _Look(connection, name)
            yield look
            look.give_back()
    except ChannelClosedByBroker as error:
        raise BrokerUnavailable(f"RabbitMQ does not show {name}: {error.reply_text}") from error
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(f"the connection to the broker broke: {error!r}") from error


def _replace(look: _Look, batch: list[_Letter], become: Replacement, publish: Publish) -> int:
    replacements = become([letter.message for letter in batch])
    sent = [
        (letter, [publish(each) for each in copies])
        for letter, copies in zip(batch, replacements, strict=True)
        if copies is not None
    ]
    wait([future for _, futures in sent for future in futures], _CONFIRM_SECONDS)
    for letter, futures in sent:
        for future in futures:
            _require_confirmed(future)
        look.acknowledge(letter)
    return len(sent)


def _require_confirmed(future: "Future[None]") -> None:
    if not future.done():
        raise BrokerUnavailable("the broker did not confirm what dead letters became in time")
    future.result()
