"""Between a message and AMQP."""

from datetime import UTC, datetime
from typing import Any

import pika
from pika.spec import Basic

from dicom_router.bus.rabbitmq.wire import parameters, properties, received
from dicom_router.events import Message

MESSAGE = Message(
    "dicom.events",
    "instance-stored.CT",
    "receipt-1",
    "dicomrouter.instance-stored.v1",
    datetime(2026, 11, 23, 13, 0, tzinfo=UTC),
    b"{}",
    source="receiver@host",
    correlation_id="association-1",
    headers={"x-attempt": 1},
)


def delivered(properties: pika.BasicProperties) -> Message:
    method = Basic.Deliver("tag", 1, False, MESSAGE.exchange, MESSAGE.routing_key)
    return received(method, properties, MESSAGE.body)


def test_a_message_survives_the_journey() -> None:
    assert delivered(properties(MESSAGE)) == MESSAGE


def test_what_the_broker_added_is_left_behind() -> None:
    headers: dict[str, Any] = {
        "x-death": [{"count": 1, "reason": "expired"}],
        "x-first-death-reason": "expired",
        "x-last-death-queue": "organizer.intake.retry.10s",
        "x-delivery-count": 3,
        "x-acquired-count": 3,
        "x-attempt": 1,
    }

    assert delivered(pika.BasicProperties(headers=headers)).headers == {"x-attempt": 1}


def test_a_message_without_properties_is_one_nevertheless() -> None:
    message = delivered(pika.BasicProperties())

    assert (message.id, message.type, message.source, message.correlation_id) == ("", "", "", "")
    assert message.time.tzinfo is UTC


def test_a_connection_notices_a_dead_broker_and_has_a_name() -> None:
    found = parameters("amqp://u:p@host/%2F", "receiver@host:1", "3.1")

    assert found.heartbeat == 60
    assert found.client_properties == {
        "connection_name": "receiver@host:1",
        "product": "dicom-router",
        "version": "3.1",
    }
