"""Exchanges and queues as RabbitMQ is to have them, accepted by 3.10 and by 4.x alike.

What never changes stands in the arguments; what an operator tunes (lengths, expiry) belongs into
policies, since arguments can't be changed without deleting the queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import ChannelClosedByBroker

from dicom_router.bus.protocol import Queue
from dicom_router.events import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, LOGS_EXCHANGE

DEAD_LETTER_EXCHANGE = "dicom.dead"

EXCHANGES = {
    EVENTS_EXCHANGE: "topic",
    COMMANDS_EXCHANGE: "topic",
    LOGS_EXCHANGE: "topic",
    DEAD_LETTER_EXCHANGE: "direct",
}

NOT_FOUND = 404

# How often the broker delivers a message again that took its consumer down; each loss of a
# connection counts against all that was prefetched, so a small limit would park the innocent.
DELIVERY_LIMIT = 20

# A dead letter is only ever looked at, and each look may count as a delivery. RabbitMQ 4 would
# drop it after 20; 3.10 does not know "no limit".
LOOKS_AT_A_DEAD_LETTER = 1_000_000

# Of a private queue: what it holds for a slow process before the oldest go.
PRIVATE_LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """A method of a channel with its arguments, for a blocking channel and others alike."""

    method: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def on(self, channel: Any, **more: Any) -> Any:
        """Call it; `more` is the callback that an asynchronous channel wants.

        Typed loosely, since pika's two kinds of channel have no type in common.
        """
        return getattr(channel, self.method)(**self.arguments, **more)


@dataclass(frozen=True, slots=True)
class Declaration:
    """Steps that belong together; `if_missing` is taken instead when they find nothing there."""

    what: str
    steps: tuple[Step, ...]
    if_missing: tuple[Step, ...] = ()


def exchange_declarations() -> list[Declaration]:
    """Make the exchanges that are missing.

    Asking comes first and needs no permission: in production the exchanges are there, and a
    service's user may not make any.
    """
    return [
        Declaration(
            f"exchange {name}",
            steps=(_declare_exchange(name, passive=True),),
            if_missing=(_declare_exchange(name, passive=False),),
        )
        for name in EXCHANGES
    ]


def queue_declaration(queue: Queue) -> Declaration:
    """Make a shared queue and all that belongs to it, from where messages end to where they come.

    In this order nothing that arrives in between lacks a place to go.
    """
    work_queue = {
        "x-delivery-limit": DELIVERY_LIMIT,
        **_dead_lettering(DEAD_LETTER_EXCHANGE, queue.name),
    }
    tiers = [
        _declare_queue(
            queue.retry_name(seconds),
            {"x-message-ttl": seconds * 1000, **_dead_lettering("", queue.name)},
        )
        for seconds in queue.tiers
    ]
    return Declaration(
        f"queue {queue.name}",
        (
            _declare_queue(queue.dead_letter_name, {"x-delivery-limit": LOOKS_AT_A_DEAD_LETTER}),
            _bind(queue.dead_letter_name, DEAD_LETTER_EXCHANGE, queue.name),
            _declare_queue(queue.name, work_queue),
            *tiers,
            *(_bind(queue.name, binding.exchange, binding.pattern) for binding in queue.bindings),
        ),
    )


def private_queue_declaration(queue: Queue, name: str) -> Declaration:
    """Make a queue for one connection alone that goes with it and forgets the oldest when full."""
    declare = Step(
        "queue_declare",
        {
            "queue": name,
            "exclusive": True,
            "auto_delete": True,
            "arguments": {
                # A virtual host may have another default, and quorum queues can't be exclusive.
                "x-queue-type": "classic",
                "x-max-length": PRIVATE_LENGTH,
                "x-overflow": "drop-head",
            },
        },
    )
    bindings = (_bind(name, each.exchange, each.pattern) for each in queue.bindings)
    return Declaration(f"queue {name}", (declare, *bindings))


def depth_step(name: str) -> Step:
    """Ask how a queue stands."""
    return Step("queue_declare", {"queue": name, "passive": True})


def delete_step(name: str) -> Step:
    """Delete a queue, whatever it holds: quorum queues know neither if-empty nor if-unused."""
    return Step("queue_delete", {"queue": name})


def declare(connection: BlockingConnection, declaration: Declaration) -> None:
    """Take a declaration's steps; raises pika's `ChannelClosedByBroker` when refused."""
    try:
        _perform(connection, declaration.steps)
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND or not declaration.if_missing:
            raise
        _perform(connection, declaration.if_missing)


def _perform(connection: BlockingConnection, steps: Iterable[Step]) -> None:
    # On a channel of its own: a refusal closes the channel.
    with connection.channel() as channel:
        for step in steps:
            step.on(channel)


def _declare_exchange(name: str, *, passive: bool) -> Step:
    return Step(
        "exchange_declare",
        {"exchange": name, "exchange_type": EXCHANGES[name], "durable": True, "passive": passive},
    )


def _declare_queue(name: str, arguments: dict[str, Any]) -> Step:
    # Quorum on a single node as well: no other type counts deliveries and dead-letters safely.
    return Step(
        "queue_declare",
        {
            "queue": name,
            "durable": True,
            "arguments": {"x-queue-type": "quorum", **arguments},
        },
    )


def _bind(queue: str, exchange: str, key: str) -> Step:
    return Step("queue_bind", {"queue": queue, "exchange": exchange, "routing_key": key})


def _dead_lettering(exchange: str, key: str) -> dict[str, Any]:
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-routing-key": key,
        # Keeps a message until its dead letter is safe; degrades silently with drop-head.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
