"""What every bus promises about dead letters: to look at them, and to take them back to work."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pika
import pytest

from dicom_router.bus import BrokerUnavailable, Bus, Queue, revived
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.bus.rabbitmq.dead_letters import looked_at, take
from dicom_router.errors import ConfigurationError, Unprocessable
from dicom_router.events import DeliveryDue, Message
from dicom_router.events import message as wrapped
from dicom_router.queues import delivery_queue
from infra.init.secret_files import DEFINITIONS
from tests.integration.bus.conftest import MakeBus
from tests.integration.bus.support import (
    INTAKE,
    Backend,
    Console,
    Inbox,
    depth,
    message,
    publish,
    take_and_crash,
    until,
)


def bury(bus: Bus, *letters: Message) -> None:
    """Have a queue's dead letters hold these."""
    bus.declare(INTAKE)
    publish(bus, *(replace(e, exchange="", routing_key=INTAKE.dead_letter_name) for e in letters))
    until(lambda: depth(bus, INTAKE.dead_letter_name) == len(letters))


def ids(bus: Bus, queue: Queue = INTAKE) -> list[str]:
    with bus.dead_letters(queue) as letters:
        return [each.id for each in letters]


@pytest.fixture
def other(backend: Backend, bus: Bus, request: pytest.FixtureRequest) -> Iterator[Bus]:
    """A bus that has declared and consumes nothing; in one process there is but one."""
    if request.node.callspec.params["backend"] == "memory":
        yield bus
        return
    other = backend.bus()
    until(lambda: other.connected)
    yield other


def test_queues_that_another_process_consumes_can_be_asked_about(bus: Bus, other: Bus) -> None:
    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    bury(bus, message("dead"))

    found = {each.name: each for each in other.depths([INTAKE, Queue("not-there")])}

    assert set(found) == set(INTAKE.names)
    until(lambda: other.depths([INTAKE])[0].consumers == 1)
    assert found[INTAKE.dead_letter_name].messages == 1


def test_a_dead_letter_says_why_it_is_one_and_of_which_study(bus: Bus, other: Bus) -> None:
    def refuse(_: Sequence[Message]) -> None:
        raise Unprocessable("no such delivery")

    due = wrapped(
        DeliveryDue(delivery_id="d1", study_uid="1.2.3"),
        id="due",
        source="test",
        routing_key=INTAKE.name,
    )
    bus.consume(INTAKE, Inbox(refuse))
    publish(bus, due)
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)

    with other.dead_letters(INTAKE) as letters:
        (letter,) = letters

    assert (letter.id, letter.type, letter.body) == (due.id, due.type, due.body)
    assert letter.headers.pop("x-first-failed-at")
    assert letter.headers == {
        "x-attempt": 1,
        "x-last-error": "Unprocessable: no such delivery",
        "x-queue": INTAKE.name,
        "x-study-uid": "1.2.3",
    }


def test_looking_at_dead_letters_takes_none_away(bus: Bus, other: Bus) -> None:
    bury(bus, *map(message, range(7)))

    for _ in range(3):
        assert sorted(ids(other)) == ["0", "1", "2", "3", "4", "5", "6"]
        with other.dead_letters(INTAKE) as letters:
            assert next(letters).id  # and no further

    until(lambda: depth(bus, INTAKE.dead_letter_name) == 7)


def test_a_queue_that_is_not_there_has_no_dead_letters(bus: Bus) -> None:
    assert ids(bus, Queue("not-there")) == []


def test_replayed_letters_are_work_again_with_all_their_attempts(bus: Bus, other: Bus) -> None:
    headers: dict[str, str | int] = {
        "x-attempt": 4,
        "x-last-error": "TryAgain: no luck",
        "x-first-failed-at": "2026-11-23T13:00:00+00:00",
        "x-queue": INTAKE.name,
        "x-study-uid": "1.2.3",
        "note": "of its publisher",
    }
    bury(bus, *(message(number, headers=headers) for number in range(3)))

    count = other.replay(INTAKE, lambda letters: [[revived(INTAKE, each)] for each in letters])

    assert count == 3
    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    inbox.wait_handled(3)
    assert inbox.ids == ["0", "1", "2"]
    assert all((e.attempt, e.headers) == (0, {"note": "of its publisher"}) for e in inbox.handled)
    assert depth(bus, INTAKE.dead_letter_name) == 0


def test_letters_become_what_is_decided_are_dropped_or_stay(bus: Bus, other: Bus) -> None:
    bury(bus, *map(message, ("stays", "goes", "becomes", "stays too")))
    what: dict[str, list[Message] | None] = {
        "goes": [],
        "becomes": [message("first"), message("second")],
    }

    assert other.replay(INTAKE, lambda letters: [what.get(each.id) for each in letters]) == 2

    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    inbox.wait_handled(2)
    assert sorted(inbox.ids) == ["first", "second"]
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 2)
    assert sorted(ids(other)) == ["stays", "stays too"]


def test_a_decision_that_fails_takes_no_letter_away(bus: Bus, other: Bus) -> None:
    def fail(_: Sequence[Message]) -> list[None]:
        raise Unprocessable("the database is confused")

    bury(bus, message(1))
    with pytest.raises(Unprocessable):
        other.replay(INTAKE, fail)
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)


def test_letters_that_die_again_at_once_are_not_replayed_for_ever(bus: Bus, other: Bus) -> None:
    def refuse(_: Sequence[Message]) -> None:
        raise Unprocessable("still bad")

    bus.consume(INTAKE, Inbox(refuse))
    bury(bus, *map(message, range(20)))

    count = other.replay(INTAKE, lambda letters: [[revived(INTAKE, each)] for each in letters])

    assert count == 20
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 20)


@pytest.mark.rabbitmq
def test_the_api_s_user_can_look_at_dead_letters_and_replay_them_and_touch_nothing_else(
    make_bus: MakeBus, console: Console, amqp_url: str
) -> None:
    queue = delivery_queue("pacs")
    owner = make_bus()
    owner.declare(queue)
    publish(owner, message("work", exchange="", key=queue.name))
    publish(owner, message("dead", exchange="", key=queue.dead_letter_name))
    until(lambda: depth(owner, queue.dead_letter_name) == 1)
    user = f"api-{console.virtual_host}"
    permissions = json.loads(DEFINITIONS.read_text("utf-8"))["permissions"]
    rule = next(each for each in permissions if each["user"] == "api")
    console.send("PUT", f"/users/{user}", password="secret", tags="")
    console.send(
        "PUT",
        f"/permissions/{console.virtual_host}/{user}",
        **{what: rule[what] for what in ("configure", "write", "read")},
    )
    address = amqp_url.rpartition("@")[2]
    api = RabbitBus(f"amqp://{user}:secret@{address}", name="api@host:1")
    try:
        until(lambda: api.connected)
        assert {each.name for each in api.depths([queue])} == set(queue.names)
        assert ids(api, queue) == ["dead"]
        assert api.replay(queue, lambda letters: [[revived(queue, e)] for e in letters]) == 1
        until(lambda: depth(owner, queue.name) == 2)
        with pytest.raises(ConfigurationError, match="ACCESS_REFUSED"):
            api.declare(queue)
        with (
            pytest.raises(BrokerUnavailable, match="ACCESS_REFUSED"),
            looked_at(pika.URLParameters(f"amqp://{user}:secret@{address}"), queue.name) as letters,
        ):
            next(letters)
    finally:
        api.close(10)
        console.send("DELETE", f"/users/{user}")


@pytest.mark.rabbitmq
def test_a_letter_whose_copy_is_not_safe_stays_where_it_is(
    make_bus: MakeBus, amqp_url: str
) -> None:
    bus = make_bus()
    bury(bus, message("dead"))
    unsafe: Future[None] = Future()
    unsafe.set_exception(BrokerUnavailable("the broker went away"))

    with pytest.raises(BrokerUnavailable, match="went away"):
        take(
            pika.URLParameters(amqp_url),
            INTAKE.dead_letter_name,
            lambda letters: [[each] for each in letters],
            lambda _: unsafe,
        )

    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)


@pytest.mark.rabbitmq
def test_a_letter_that_the_broker_parked_itself_says_so(make_bus: MakeBus, amqp_url: str) -> None:
    bus = make_bus()
    bus.declare(INTAKE)
    publish(bus, message("poison"))
    for _ in range(21):
        take_and_crash(amqp_url, INTAKE.name)
    until(lambda: depth(bus, INTAKE.dead_letter_name) == 1)

    with bus.dead_letters(INTAKE) as letters:
        (letter,) = letters

    assert "took down whoever handled it" in str(letter.headers["x-last-error"])
    assert letter.headers["x-queue"] == INTAKE.name
    assert letter.headers["x-first-failed-at"]
