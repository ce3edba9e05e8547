"""What only a broker can do: go away, come back, forget, refuse, and show itself to operators."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from dicom_router.bus import Binding, BrokerUnavailable, Queue
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.errors import ConfigurationError, Unprocessable
from dicom_router.events import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, LOGS_EXCHANGE
from infra.ports import LOOPBACK, free_ports
from infra.private_services import PrivateRabbitMQ
from tests.integration.bus.conftest import MakeBus
from tests.integration.bus.support import (
    INTAKE,
    PATIENCE,
    Console,
    Inbox,
    Outage,
    RabbitBackend,
    connected,
    depth,
    message,
    publish,
    take_and_crash,
    until,
)

pytestmark = pytest.mark.rabbitmq
of_the_doomed_broker = pytest.mark.xdist_group("doomed broker")


@pytest.fixture
def bus(make_bus: MakeBus) -> RabbitBus:
    bus = make_bus()
    until(lambda: bus.connected)
    return bus


def subscribed(bus: RabbitBus, queue: Queue, inbox: Inbox, batch: int = 100) -> threading.Event:
    """Consume; the event tells of the next subscription, the first one has happened."""
    event = threading.Event()
    bus.consume(queue, inbox, batch=batch, on_connected=event.set)
    assert event.wait(PATIENCE)
    event.clear()
    return event


def assert_set(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


# As operators see it.


def test_connections_and_consumers_carry_the_service_its_host_and_process(
    make_bus: MakeBus, console: Console
) -> None:
    bus = make_bus("organizer@host-1:4711", version="3.1")
    subscribed(bus, INTAKE, Inbox())
    subscribed(bus, INTAKE, Inbox())

    until(lambda: len(console.connections()) == 3)
    properties = [each["client_properties"] for each in console.connections()]
    assert {each["connection_name"] for each in properties} == {"organizer@host-1:4711"}
    assert {(each["product"], each["version"]) for each in properties} == {("dicom-router", "3.1")}
    until(lambda: len(console.consumers()) == 2)
    assert {each["consumer_tag"] for each in console.consumers()} == {
        "organizer.intake@host-1#4711-1",
        "organizer.intake@host-1#4711-2",
    }
    assert {each["prefetch_count"] for each in console.consumers()} == {200}


def test_a_queue_its_retries_and_dead_letters_are_safe_and_know_where_messages_go_next(
    bus: RabbitBus, console: Console
) -> None:
    bus.declare(INTAKE)

    until(lambda: len(console.get(f"/queues/{console.virtual_host}")) == 4)
    queues = {name: console.queue(name) for name in INTAKE.names}
    assert all(each["durable"] for each in queues.values())
    assert {each["arguments"]["x-queue-type"] for each in queues.values()} == {"quorum"}
    safe = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    assert queues["organizer.intake"]["arguments"] == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": "dicom.dead",
        "x-dead-letter-routing-key": "organizer.intake",
        **safe,
    }
    assert queues["organizer.intake.retry.2s"]["arguments"] == {
        "x-queue-type": "quorum",
        "x-message-ttl": 2000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "organizer.intake",
        **safe,
    }
    bindings = console.get(f"/queues/{console.virtual_host}/organizer.intake.dlq/bindings")
    assert ("dicom.dead", "organizer.intake") in {(b["source"], b["routing_key"]) for b in bindings}


def test_a_private_queue_goes_with_its_consumer_and_is_bounded(
    bus: RabbitBus, console: Console
) -> None:
    live = Queue("api.live", (Binding(EVENTS_EXCHANGE, "#"),), private=True)
    arrived = threading.Event()
    consumer = bus.consume(live, Inbox(), on_connected=arrived.set)
    assert arrived.wait(PATIENCE)

    (queue,) = console.get(f"/queues/{console.virtual_host}")
    assert queue["name"].startswith("api.live.")
    assert (queue["durable"], queue["auto_delete"]) == (False, True)
    assert queue["arguments"]["x-overflow"] == "drop-head"
    assert queue["arguments"]["x-max-length"] == 10_000

    assert consumer.stop(PATIENCE)
    until(lambda: console.get(f"/queues/{console.virtual_host}") == [])


def test_a_message_shows_what_it_is_about_without_being_opened(
    bus: RabbitBus, amqp_url: str
) -> None:
    bus.declare(INTAKE)
    sent = message("receipt-1", source="receiver@host", correlation_id="association-1")
    publish(bus, sent)

    with closing(connected(amqp_url)) as connection:
        _, properties, _ = connection.channel().basic_get(INTAKE.name, auto_ack=True)

    assert properties is not None
    assert properties.content_type == "application/cloudevents+json"
    assert properties.delivery_mode == 2
    assert (properties.message_id, properties.type) == ("receipt-1", sent.type)
    assert properties.timestamp == int(sent.time.timestamp())
    assert (properties.app_id, properties.correlation_id) == ("receiver@host", "association-1")


def test_logs_are_not_written_to_the_brokers_disk(bus: RabbitBus, amqp_url: str) -> None:
    logs = Queue("logs", (Binding(LOGS_EXCHANGE, "#"),))
    bus.declare(logs)
    publish(bus, message(exchange=LOGS_EXCHANGE))

    with closing(connected(amqp_url)) as connection:
        _, properties, _ = connection.channel().basic_get(logs.name, auto_ack=True)

    assert properties is not None
    assert properties.delivery_mode == 1


# What the broker refuses.


def test_a_user_who_may_not_make_exchanges_uses_those_that_are_there(
    bus: RabbitBus, console: Console, amqp_url: str
) -> None:
    bus.declare(INTAKE)  # by a user who may; the exchanges are there now
    user = f"organizer-{console.virtual_host}"
    console.send("PUT", f"/users/{user}", password="secret", tags="")
    console.send(
        "PUT",
        f"/permissions/{console.virtual_host}/{user}",
        configure=r"^organizer\.",
        write=r"^(amq\.default|dicom\.|organizer\.)",
        read=r"^(dicom\.|organizer\.)",
    )
    address = amqp_url.rpartition("@")[2]
    limited = RabbitBus(f"amqp://{user}:secret@{address}", name="organizer@host:1")
    try:
        inbox = Inbox()
        subscribed(limited, INTAKE, inbox)
        publish(limited, message())
        inbox.wait_handled(1)
        with pytest.raises(ConfigurationError, match=r"forwarder\.deliver.*ACCESS_REFUSED"):
            limited.declare(Queue("forwarder.deliver.pacs"))
        publish(limited, message(2))
        inbox.wait_handled(2)
    finally:
        limited.close(10)
        console.send("DELETE", f"/users/{user}")


def test_a_queue_that_exists_with_other_arguments_is_refused_with_a_reason(
    bus: RabbitBus, amqp_url: str
) -> None:
    with closing(connected(amqp_url)) as connection:
        connection.channel().queue_declare(INTAKE.name, durable=True)

    with pytest.raises(ConfigurationError, match="inequivalent arg"):
        bus.declare(INTAKE)
    with pytest.raises(ConfigurationError, match="inequivalent arg"):
        bus.consume(INTAKE, Inbox())


def test_what_does_not_fit_into_amqp_fails_alone(bus: RabbitBus) -> None:
    inbox = Inbox()
    subscribed(bus, INTAKE, inbox)

    too_long = bus.publish(message("x" * 300))
    publish(bus, message("fits"))

    assert isinstance(too_long.exception(PATIENCE), Unprocessable)
    inbox.wait_handled(1)
    assert inbox.ids == ["fits"]


def test_a_url_that_is_none_is_a_configuration_error_that_does_not_repeat_it() -> None:
    with pytest.raises(ConfigurationError) as error:
        RabbitBus("amqp://router:secret@host:not-a-port", name="organizer@host:1")

    assert "secret" not in str(error.value)


def test_what_a_full_queue_refuses_is_published_again_until_there_is_room(
    bus: RabbitBus, amqp_url: str
) -> None:
    with closing(connected(amqp_url)) as connection:
        channel = connection.channel()
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", durable=True, arguments=full)
        publish(bus, message(0, exchange="", key="full"))
        refused = bus.publish(message(1, exchange="", key="full"))
        publish(bus, message("another"))  # answered after the refusal, and not held up by it
        assert not refused.done()

        channel.queue_purge("full")

        refused.result(PATIENCE)
        until(lambda: channel.queue_declare("full", passive=True).method.message_count == 1)


# A broker that is away.


@pytest.fixture
def nobodys_url() -> str:
    (port,) = free_ports(1)
    return f"amqp://guest:guest@{LOOPBACK}:{port}/"


@pytest.fixture
def lonely_bus(nobodys_url: str) -> Iterator[RabbitBus]:
    bus = RabbitBus(nobodys_url, name="receiver@host:1", max_pending=5)
    yield bus
    bus.close(0)


def test_no_more_than_so_many_messages_wait_for_a_broker(lonely_bus: RabbitBus) -> None:
    waiting = [lonely_bus.publish(message(number)) for number in range(5)]

    one_too_many = lonely_bus.publish(message("one too many"))

    assert isinstance(one_too_many.exception(0), BrokerUnavailable)
    assert not any(future.done() for future in waiting)
    assert not lonely_bus.connected


def test_what_still_waits_when_the_bus_closes_fails(lonely_bus: RabbitBus) -> None:
    waiting = lonely_bus.publish(message())

    lonely_bus.close(0)

    assert isinstance(waiting.exception(PATIENCE), BrokerUnavailable)


def test_nobody_can_be_asked_about_queues_while_the_broker_is_away(lonely_bus: RabbitBus) -> None:
    lonely_bus.declare(INTAKE)  # noted

    with pytest.raises(BrokerUnavailable):
        lonely_bus.depths()
    with pytest.raises(BrokerUnavailable):
        lonely_bus.delete(INTAKE)


def test_consumers_of_a_broker_that_is_away_stop_at_once(lonely_bus: RabbitBus) -> None:
    consumer = lonely_bus.consume(INTAKE, Inbox())

    assert consumer.stop(2)


@of_the_doomed_broker
def test_what_is_published_while_the_broker_is_away_arrives_later(
    doomed_rabbitmq: PrivateRabbitMQ,
) -> None:
    doomed_rabbitmq.stop()
    bus = RabbitBus(doomed_rabbitmq.amqp_url, name="receiver@host:1")
    try:
        inbox = Inbox()
        bus.consume(INTAKE, inbox)
        futures = [bus.publish(message(number)) for number in range(100)]
        doomed_rabbitmq.start()

        inbox.wait_distinct(100)
        for future in futures:
            future.result(PATIENCE)
    finally:
        bus.close(10)


@of_the_doomed_broker
def test_a_broker_that_restarts_in_the_middle_loses_nothing(
    doomed_rabbitmq: PrivateRabbitMQ,
) -> None:
    bus = RabbitBus(doomed_rabbitmq.amqp_url, name="organizer@host:1")
    try:
        inbox = Inbox()
        again = subscribed(bus, INTAKE, inbox)
        first = [bus.publish(message(number)) for number in range(2500)]
        inbox.wait_handled(500)

        doomed_rabbitmq.kill()
        second = [bus.publish(message(number)) for number in range(2500, 5000)]
        until(lambda: not bus.connected)
        doomed_rabbitmq.start()

        inbox.wait_distinct(5000, 60)
        for future in first + second:
            future.result(PATIENCE)
        assert again.is_set()
        assert depth(bus, INTAKE.dead_letter_name) == 0
    finally:
        bus.close(10)


@of_the_doomed_broker
def test_a_broker_that_has_lost_all_its_data_is_told_everything_again(
    doomed_rabbitmq: PrivateRabbitMQ,
) -> None:
    bus = RabbitBus(doomed_rabbitmq.amqp_url, name="organizer@host:1")
    commands = Queue("forwarder.commands", (Binding(COMMANDS_EXCHANGE, "#"),))
    live = Queue("api.live", (Binding(EVENTS_EXCHANGE, "#"),), private=True)
    try:
        inbox, live_inbox = Inbox(), Inbox()
        again = subscribed(bus, INTAKE, inbox)
        live_again = subscribed(bus, live, live_inbox)
        bus.declare(commands)

        doomed_rabbitmq.kill()
        doomed_rabbitmq.lose_data()
        until(lambda: not bus.connected)
        # The publisher declares what it publishes to before it does so.
        early = [bus.publish(message(f"early-{number}")) for number in range(10)]
        command = bus.publish(message("command", exchange=COMMANDS_EXCHANGE, key="stop"))
        doomed_rabbitmq.start()

        inbox.wait_distinct(10)
        for future in [*early, command]:
            future.result(PATIENCE)
        assert again.wait(PATIENCE)
        assert live_again.wait(PATIENCE)
        publish(bus, message("late"))
        inbox.wait_distinct(11)
        until(lambda: "late" in live_inbox.ids)
        until(lambda: depth(bus, commands.name) == 1)
    finally:
        bus.close(10)


# Consumers in trouble.


def test_a_connection_that_breaks_in_the_middle_of_a_batch_loses_nothing(
    bus: RabbitBus, console: Console
) -> None:
    go_on = threading.Event()
    inbox = Inbox(lambda _: assert_set(go_on))
    again = subscribed(bus, INTAKE, inbox)
    until(lambda: len(console.connections()) == 2)
    publish(bus, *map(message, range(10)))
    inbox.wait_called(1)

    for connection in console.connections():
        console.cut(connection["name"])
    go_on.set()

    assert again.wait(PATIENCE)
    inbox.wait_distinct(10)
    until(lambda: bus.connected)
    until(lambda: depth(bus, INTAKE.name) == 0)


def test_a_queue_that_is_deleted_under_its_consumer_is_made_again(
    bus: RabbitBus, console: Console
) -> None:
    inbox = Inbox()
    again = subscribed(bus, INTAKE, inbox)

    console.send("DELETE", f"/queues/{console.virtual_host}/{INTAKE.name}")

    assert again.wait(PATIENCE)
    publish(bus, message())
    inbox.wait_handled(1)


def test_in_a_long_outage_messages_go_back_untouched_and_are_handled_when_it_is_over(
    make_bus: MakeBus, amqp_url: str
) -> None:
    bus = make_bus(hold_seconds=0.3)
    outage = Outage()
    inbox = Inbox(outage)
    again = subscribed(bus, INTAKE, inbox, batch=10)
    publish(bus, *map(message, range(50)))

    until(lambda: (depth(bus, INTAKE.name), inbox.handled) == (50, []))
    calls = len(inbox.calls)
    inbox.wait_called(calls + 1)  # it goes on asking
    assert depth(bus, INTAKE.name) == 50
    outage.over.set()

    assert again.wait(PATIENCE)
    inbox.wait_distinct(50)
    until(lambda: depth(bus, INTAKE.name) == 0)
    # The broker has not counted a single delivery against them.
    assert not any(each.redelivered for each in inbox.handled)
    assert RabbitBackend(amqp_url, make_bus).dead_letters(INTAKE) == []


def test_restarting_a_service_again_and_again_in_an_outage_makes_no_dead_letters(
    bus: RabbitBus,
) -> None:
    bus.declare(INTAKE)
    publish(bus, *map(message, range(20)))

    for _ in range(25):  # the delivery limit is 20
        inbox = Inbox(Outage())
        consumer = bus.consume(INTAKE, inbox)
        inbox.wait_called(1)
        assert consumer.stop(PATIENCE)

    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    inbox.wait_distinct(20)
    assert depth(bus, INTAKE.dead_letter_name) == 0


def test_a_message_that_takes_its_consumer_down_every_time_becomes_a_dead_letter(
    bus: RabbitBus, amqp_url: str
) -> None:
    bus.declare(INTAKE)
    publish(bus, message("poison"))

    for _ in range(21):
        take_and_crash(amqp_url, INTAKE.name)

    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)
