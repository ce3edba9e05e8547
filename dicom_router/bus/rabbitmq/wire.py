"""Between a `Message` and AMQP: connection parameters, properties, headers."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pika import BasicProperties, DeliveryMode, URLParameters
from pika.spec import Basic

from dicom_router.errors import ConfigurationError
from dicom_router.events import CONTENT_TYPE, LOGS_EXCHANGE, Message

# A handler may keep its consumer's thread for half of this.
HEARTBEAT_SECONDS = 60

# A host that swallows packets must not keep a thread that is to stop.
CONNECT_SECONDS = 5.0

# What the broker adds to what it delivers; a copy starts without a past.
_BROKERS_OWN = re.compile(r"x-(death|first-death-|last-death-|delivery-count|acquired-count)")


def parameters(url: str, name: str, version: str) -> URLParameters:
    """Of a connection that the console shows under this name; `ConfigurationError` for a bad URL.

    The URL holds a password: no error repeats it.
    """
    try:
        result = URLParameters(url)
    except (ValueError, TypeError):
        raise ConfigurationError("the URL of RabbitMQ is none: amqp://user:password@host") from None
    result.heartbeat = HEARTBEAT_SECONDS
    result.socket_timeout = CONNECT_SECONDS
    result.stack_timeout = 2 * CONNECT_SECONDS
    result.client_properties = {
        "connection_name": name,
        "product": "dicom-router",
        "version": version,
    }
    return result


def properties(message: Message) -> BasicProperties:
    """The message's own mirror in AMQP, so that the console shows what a body is about."""
    return BasicProperties(
        content_type=CONTENT_TYPE,
        delivery_mode=_delivery_mode(message),
        message_id=message.id or None,
        type=message.type or None,
        timestamp=int(message.time.timestamp()),
        app_id=message.source or None,
        correlation_id=message.correlation_id or None,
        headers=dict(message.headers) or None,
    )


def received(
    method: Basic.Deliver | Basic.GetOk, properties: BasicProperties, body: bytes
) -> Message:
    """The message of a delivery; whatever its publisher left out is empty, its time now."""
    return Message(
        exchange=method.exchange or "",
        routing_key=method.routing_key or "",
        id=properties.message_id or "",
        type=properties.type or "",
        time=_time(properties.timestamp),
        body=body,
        source=properties.app_id or "",
        correlation_id=properties.correlation_id or "",
        headers=_headers(properties.headers or {}),
        redelivered=bool(method.redelivered),
    )


def dead(method: Basic.Deliver, properties: BasicProperties, body: bytes) -> Message:
    """A dead letter; of one that the broker itself parked the headers say so as well."""
    message = received(method, properties, body)
    deaths: Any = (properties.headers or {}).get("x-death") or [{}]
    latest = deaths[0]
    if latest.get("reason") != "delivery_limit":
        return message
    headers: dict[str, str | int] = {
        **message.headers,
        "x-last-error": "It took down whoever handled it, again and again (delivery limit)",
        "x-queue": str(latest.get("queue", "")),
    }
    if isinstance(latest.get("time"), datetime):
        at = latest["time"].replace(tzinfo=UTC)  # pika gives UTC without saying so
        headers.setdefault("x-first-failed-at", at.isoformat(timespec="seconds"))
    return replace(message, headers=headers)


def _delivery_mode(message: Message) -> DeliveryMode:
    is_log = message.exchange == LOGS_EXCHANGE
    return DeliveryMode.Transient if is_log else DeliveryMode.Persistent


def _time(seconds: int | None) -> datetime:
    return datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _headers(headers: Mapping[str, Any]) -> dict[str, str | int]:
    return {
        key: value
        for key, value in headers.items()
        if isinstance(value, str | int) and not _BROKERS_OWN.match(key)
    }
