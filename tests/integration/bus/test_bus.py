"""What every bus promises."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from dicom_router.bus import Binding, BrokerUnavailable, Bus, NotYet, Queue
from dicom_router.errors import TryAgain, Unprocessable
from dicom_router.events import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, Message
from tests.integration.bus.support import (
    INTAKE,
    PATIENCE,
    Backend,
    Inbox,
    Outage,
    depth,
    message,
    publish,
    until,
)


def test_a_bus_says_which_broker_it_has(bus: Bus) -> None:
    assert re.fullmatch(r"|RabbitMQ [34]\.\d+\.\d+", bus.server)


def test_a_message_reaches_every_queue_whose_pattern_matches_and_no_other(bus: Bus) -> None:
    patterns = {
        "all": "#",
        "any-modality": "instance-stored.#",
        "one-word": "instance-stored.*",
        "exact": "instance-stored.CT",
        "other": "study-complete",
    }
    inboxes = {name: Inbox() for name in patterns}
    for name, pattern in patterns.items():
        bus.declare(Queue(name, (Binding(EVENTS_EXCHANGE, pattern),)))
    bus.declare(Queue("other-exchange", (Binding(COMMANDS_EXCHANGE, "#"),)))

    publish(
        bus,
        message("ct", "instance-stored.CT"),
        message("mr", "instance-stored.MR"),
        message("none", "instance-stored"),
    )
    publish(bus, *(message("end", exchange="", key=name) for name in patterns))

    for name, inbox in inboxes.items():
        bus.consume(Queue(name), inbox)
    until(lambda: all("end" in inbox.ids for inbox in inboxes.values()))
    assert {name: set(inbox.ids) - {"end"} for name, inbox in inboxes.items()} == {
        "all": {"ct", "mr", "none"},
        "any-modality": {"ct", "mr", "none"},
        "one-word": {"ct", "mr"},
        "exact": {"ct"},
        "other": set(),
    }
    assert depth(bus, "other-exchange") == 0


def test_a_message_matching_two_patterns_of_one_queue_comes_once(bus: Bus) -> None:
    both = (Binding(EVENTS_EXCHANGE, "instance-stored.#"), Binding(EVENTS_EXCHANGE, "#"))
    bus.declare(replace(INTAKE, bindings=both))

    publish(bus, message())

    assert depth(bus, INTAKE.name) == 1


def test_a_message_that_nobody_listens_to_is_confirmed(bus: Bus) -> None:
    publish(bus, message(key="unheard-of"), message(exchange="", key="no-such-queue"))


def test_a_message_arrives_as_it_was_sent(bus: Bus) -> None:
    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    sent = message(
        "receipt-1",
        body=b'{"specversion":"1.0"}',
        source="receiver@host",
        correlation_id="association-1",
        headers={"x-attempt": 2, "note": "Grüße"},
    )

    publish(bus, sent)

    inbox.wait_handled(1)
    assert inbox.handled == [sent]


def test_a_declared_queue_keeps_messages_until_somebody_consumes_them(bus: Bus) -> None:
    bus.declare(INTAKE)
    publish(bus, message(1), message(2))

    inbox = Inbox()
    bus.consume(INTAKE, inbox)

    inbox.wait_handled(2)
    assert inbox.ids == ["1", "2"]


def test_what_has_piled_up_comes_in_batches_no_larger_than_asked_for(bus: Bus) -> None:
    bus.declare(INTAKE)
    publish(bus, *map(message, range(500)))

    inbox = Inbox()
    bus.consume(INTAKE, inbox, batch=50)

    inbox.wait_handled(500)
    assert inbox.ids == [str(number) for number in range(500)]
    assert max(inbox.sizes) == 50
    assert len(inbox.sizes) < 50


def test_a_single_message_is_handled_at_once(bus: Bus) -> None:
    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    publish(bus, message("first"))
    inbox.wait_handled(1)

    took = []
    for number in range(10):
        began = time.monotonic()
        publish(bus, message(number))
        inbox.wait_handled(number + 2)
        took.append(time.monotonic() - began)

    # The median, for a loaded machine; any polling would show in most of them.
    assert sorted(took)[5] < 0.1


def test_while_the_other_side_is_away_the_same_batch_is_handed_over_again(
    bus: Bus, backend: Backend
) -> None:
    bus.declare(INTAKE)
    publish(bus, *map(message, range(5)))
    outage = Outage()
    inbox = Inbox(outage)
    bus.consume(INTAKE, inbox)
    inbox.wait_called(3)

    outage.over.set()

    inbox.wait_handled(5)
    assert all(call == inbox.calls[0] for call in inbox.calls[:3])
    assert sorted(inbox.ids) == ["0", "1", "2", "3", "4"]
    assert all(each.attempt == 0 for each in inbox.handled)
    assert backend.dead_letters(INTAKE) == []


def test_a_bad_message_takes_no_others_of_its_batch_with_it(bus: Bus, backend: Backend) -> None:
    def judge(messages: Sequence[Message]) -> None:
        if any(each.id == "bad" for each in messages):
            raise Unprocessable("it is bad")

    bus.declare(INTAKE)
    publish(bus, message(1), message(2), message("bad"), message(3))
    inbox = Inbox(judge)
    bus.consume(INTAKE, inbox)

    inbox.wait_handled(3)
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)
    assert inbox.ids == ["1", "2", "3"]
    (dead,) = backend.dead_letters(INTAKE)
    assert dead.id == "bad"
    assert dead.headers["x-last-error"] == "Unprocessable: it is bad"


@pytest.mark.parametrize("error", [TryAgain("no luck"), ZeroDivisionError("no luck")])
def test_a_message_that_keeps_failing_is_tried_again_and_becomes_a_dead_letter(
    bus: Bus, backend: Backend, error: Exception
) -> None:
    def judge(_: Sequence[Message]) -> None:
        raise error

    inbox = Inbox(judge)
    bus.consume(INTAKE, inbox)
    began = time.monotonic()
    publish(bus, message("unlucky", correlation_id="association-1"))

    inbox.wait_called(3)
    assert time.monotonic() - began > 3  # seconds, as the tiers say
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)
    assert [call[0].attempt for call in inbox.calls] == [0, 1, 2]
    (dead,) = backend.dead_letters(INTAKE)
    assert (dead.id, dead.correlation_id, dead.body) == ("unlucky", "association-1", b"{}")
    assert dead.headers["x-attempt"] == 3
    assert dead.headers["x-last-error"] == f"{type(error).__name__}: no luck"
    assert dead.headers["x-queue"] == INTAKE.name
    first = datetime.fromisoformat(str(dead.headers["x-first-failed-at"]))
    assert first.isoformat() == inbox.calls[1][0].headers["x-first-failed-at"]


def test_a_message_that_succeeds_at_its_second_attempt_is_done(bus: Bus) -> None:
    def judge(messages: Sequence[Message]) -> None:
        if messages[0].attempt == 0:
            raise TryAgain("not at the first attempt")

    inbox = Inbox(judge)
    bus.consume(INTAKE, inbox)
    publish(bus, message())

    inbox.wait_handled(1)
    assert [call[0].attempt for call in inbox.calls] == [0, 1]
    until(lambda: all(each.messages == 0 for each in bus.depths()))


def test_not_yet_waits_without_using_up_an_attempt(bus: Bus) -> None:
    queue = replace(INTAKE, wait_seconds=3, retry_delays=(1,))

    def judge(_: Sequence[Message]) -> None:
        if len(inbox.calls) == 1:
            raise NotYet("its association is still open")

    inbox = Inbox(judge)
    bus.consume(queue, inbox)
    began = time.monotonic()
    publish(bus, message())

    inbox.wait_handled(1)
    assert time.monotonic() - began > 2.9
    assert inbox.handled[0].attempt == 0


def test_not_yet_from_a_queue_that_does_not_wait_is_a_failure(bus: Bus) -> None:
    def judge(_: Sequence[Message]) -> None:
        raise NotYet("nobody expected this")

    bus.consume(replace(INTAKE, retry_delays=()), Inbox(judge))
    publish(bus, message())

    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)


def test_redelivered_messages_are_handed_over_one_by_one(bus: Bus, backend: Backend) -> None:
    bus.declare(INTAKE)
    publish(bus, *map(message, range(5)))
    backend.redeliver(bus, INTAKE)

    inbox = Inbox()
    bus.consume(INTAKE, inbox)

    inbox.wait_handled(5)
    assert inbox.sizes == [1] * 5
    assert all(each.redelivered for each in inbox.handled)


def test_a_message_can_be_sent_to_one_queue_by_its_name(bus: Bus) -> None:
    queue = Queue("forwarder.deliver.pacs")
    inbox = Inbox()
    bus.consume(queue, inbox)

    publish(bus, message(exchange="", key=queue.name))

    inbox.wait_handled(1)


def test_a_message_can_be_sent_to_a_retry_queue_by_its_name(bus: Bus) -> None:
    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    began = time.monotonic()

    publish(bus, message("later", exchange="", key=INTAKE.retry_name(1)))
    publish(bus, message("at once"))

    inbox.wait_handled(2)
    assert inbox.ids == ["at once", "later"]
    assert time.monotonic() - began > 0.9


def test_an_empty_queue_can_be_deleted(bus: Bus) -> None:
    bus.declare(INTAKE)

    assert bus.delete(INTAKE)

    assert bus.depths() == []
    publish(bus, message(), message(exchange="", key=INTAKE.name))
    bus.declare(INTAKE)
    assert depth(bus, INTAKE.name) == 0


def test_a_queue_that_does_not_exist_counts_as_deleted(bus: Bus) -> None:
    assert bus.delete(INTAKE)


@pytest.mark.parametrize(
    "name", [INTAKE.name, INTAKE.retry_name(2), INTAKE.dead_letter_name], ids=str
)
def test_a_queue_is_not_deleted_while_it_or_what_belongs_to_it_holds_a_message(
    bus: Bus, name: str
) -> None:
    bus.declare(INTAKE)
    publish(bus, message(exchange="", key=name))
    until(lambda: depth(bus, name) == 1)

    assert not bus.delete(INTAKE)

    assert {each.name for each in bus.depths()} == set(INTAKE.names)


def test_a_queue_is_not_deleted_while_somebody_consumes_it(bus: Bus) -> None:
    subscribed = threading.Event()
    consumer = bus.consume(INTAKE, Inbox(), on_connected=subscribed.set)
    assert subscribed.wait(PATIENCE)

    assert not bus.delete(INTAKE)
    assert consumer.stop(PATIENCE)
    until(lambda: bus.delete(INTAKE))


def test_depths_tell_messages_and_consumers_of_queues_retries_and_dead_letters(bus: Bus) -> None:
    subscribed = threading.Event()
    bus.consume(INTAKE, Inbox(), on_connected=subscribed.set)
    assert subscribed.wait(PATIENCE)
    other = Queue("forwarder.study-complete", retry_delays=(1,), wait_seconds=30)
    bus.declare(other)
    publish(bus, message(exchange="", key=other.name))

    expected = {
        "organizer.intake": (0, 1),
        "organizer.intake.retry.1s": (0, 0),
        "organizer.intake.retry.2s": (0, 0),
        "organizer.intake.dlq": (0, 0),
        "forwarder.study-complete": (1, 0),
        "forwarder.study-complete.retry.1s": (0, 0),
        "forwarder.study-complete.retry.30s": (0, 0),
        "forwarder.study-complete.dlq": (0, 0),
    }
    until(lambda: {d.name: (d.messages, d.consumers) for d in bus.depths()} == expected)


def test_two_consumers_share_a_queue(bus: Bus) -> None:
    # Neither gets past its first message before the other has one too.
    both = threading.Barrier(2)
    met: set[int] = set()

    def judge(_: Sequence[Message]) -> None:
        if threading.get_ident() not in met:
            both.wait(PATIENCE)
            met.add(threading.get_ident())

    bus.declare(INTAKE)
    publish(bus, *map(message, range(40)))
    inbox = Inbox(judge)
    for _ in range(2):
        bus.consume(INTAKE, inbox, batch=1)

    inbox.wait_handled(40)
    assert sorted(inbox.ids, key=int) == [str(number) for number in range(40)]


def test_consumers_of_a_private_queue_each_get_every_message(bus: Bus) -> None:
    live = Queue("api.live", (Binding(EVENTS_EXCHANGE, "#"),), private=True)
    inboxes = [Inbox(), Inbox()]
    for inbox in inboxes:
        subscribed = threading.Event()
        bus.consume(live, inbox, on_connected=subscribed.set)
        assert subscribed.wait(PATIENCE)

    publish(bus, message(1))

    for inbox in inboxes:
        inbox.wait_handled(1)
    assert bus.depths() == []


def test_what_fails_in_a_private_queue_is_dropped_and_the_next_handled(bus: Bus) -> None:
    def judge(messages: Sequence[Message]) -> None:
        if messages[0].id == "bad":
            raise TryAgain("there is no again")

    live = Queue("api.live", (Binding(EVENTS_EXCHANGE, "#"),), private=True)
    inbox, subscribed = Inbox(judge), threading.Event()
    bus.consume(live, inbox, batch=1, on_connected=subscribed.set)
    assert subscribed.wait(PATIENCE)

    publish(bus, message("bad"), message("good"))

    inbox.wait_handled(1)
    assert inbox.ids == ["good"]


def test_a_private_queue_cannot_be_declared_ahead(bus: Bus) -> None:
    with pytest.raises(ValueError, match="while it is consumed"):
        bus.declare(Queue("api.live", private=True))


def test_what_on_connected_raises_does_not_keep_messages_away(bus: Bus) -> None:
    def fail() -> None:
        raise TryAgain("the sweep could not be started")

    inbox = Inbox()
    bus.declare(INTAKE)
    bus.consume(INTAKE, inbox, on_connected=fail)
    publish(bus, message())

    inbox.wait_handled(1)


def test_a_stopped_consumer_finishes_what_it_has_in_hand_and_takes_no_more(bus: Bus) -> None:
    go_on = threading.Event()

    def judge(_: Sequence[Message]) -> None:
        assert go_on.wait(PATIENCE)

    inbox = Inbox(judge)
    bus.declare(INTAKE)
    publish(bus, *map(message, range(10)))
    consumer = bus.consume(INTAKE, inbox, batch=1)
    inbox.wait_called(1)

    assert not consumer.stop(0.05)
    go_on.set()
    assert consumer.stop(PATIENCE)

    assert inbox.ids == ["0"]
    until(lambda: depth(bus, INTAKE.name) == 9)


def test_idle_consumers_stop_at_once(bus: Bus) -> None:
    consumers = []
    for _ in range(5):
        subscribed = threading.Event()
        consumers.append(bus.consume(INTAKE, Inbox(), on_connected=subscribed.set))
        assert subscribed.wait(PATIENCE)

    began = time.monotonic()
    assert all(consumer.stop(PATIENCE) for consumer in consumers)

    # Any polling would show five times over.
    assert time.monotonic() - began < 1


def test_closing_interrupts_waiting_and_leaves_no_thread(backend: Backend) -> None:
    before = set(threading.enumerate())
    bus = backend.bus()
    inbox, subscribed = Inbox(Outage()), threading.Event()
    bus.consume(INTAKE, inbox)
    bus.consume(Queue("idle"), Inbox(), on_connected=subscribed.set)
    publish(bus, message())
    # From the fifth call on it waits for more than three seconds.
    inbox.wait_called(5)
    assert subscribed.wait(PATIENCE)

    began = time.monotonic()
    bus.close(10)

    assert time.monotonic() - began < 2
    assert set(threading.enumerate()) <= before
    assert not bus.connected


def test_a_closed_bus_takes_no_messages(bus: Bus) -> None:
    until(lambda: bus.connected)
    bus.close(10)

    error = bus.publish(message()).exception(0)

    assert isinstance(error, BrokerUnavailable)
