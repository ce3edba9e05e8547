"""The outbox: what is written with a change is published after it, in order, at least once."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from dicom_router.bus import Binding, BrokerUnavailable, Queue
from dicom_router.bus.memory import MemoryBus
from dicom_router.database import Database
from dicom_router.events import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, Message
from dicom_router.models import OutboxMessage
from dicom_router.outbox import OutboxRelay, enqueue, has_enqueued
from tests.support.waiting import wait_for


class SlowBus(MemoryBus):
    """Confirms only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.unconfirmed: list[tuple[str, Future[None]]] = []
        self.asked = threading.Event()

    def publish(self, message: Message) -> Future[None]:
        future: Future[None] = Future()
        self.unconfirmed.append((message.id, future))
        self.asked.set()
        return future

    def confirm(self, *only: str) -> list[str]:
        """Confirm everything, or only these; which messages that was."""
        confirmed = [each for each in self.unconfirmed if not only or each[0] in only]
        self.unconfirmed = [each for each in self.unconfirmed if each not in confirmed]
        for _, future in confirmed:
            future.set_result(None)
        return [name for name, _ in confirmed]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        yield opened


def fill(database: Database, *names: str) -> None:
    with database.write() as session:
        enqueue(session, "organizer", [message_called(name) for name in names])


def message_called(name: str) -> Message:
    at = datetime(2026, 1, 22, 14, 15, 30, tzinfo=UTC)
    return Message(EVENTS_EXCHANGE, "test", id=name, type="test", time=at, body=b"")


def left(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(OutboxMessage.message_id).order_by(OutboxMessage.id)))


def test_who_has_written_knows_whether_there_is_something_to_publish(database: Database) -> None:
    with database.write() as session:
        enqueue(session, "organizer", [])
        assert not has_enqueued(session)
        enqueue(session, "organizer", [message_called("a")])
        assert has_enqueued(session)
    with database.write() as session:
        assert not has_enqueued(session)


def test_everything_is_published_in_order_and_removed(database: Database) -> None:
    bus, seen = MemoryBus(), list[str]()

    def keep(messages: Sequence[Message]) -> None:
        seen.extend(each.id for each in messages)

    bus.consume(Queue("test", (Binding(EVENTS_EXCHANGE, "#"),)), keep)
    names = [f"m{number}" for number in range(450)]
    fill(database, *names)
    OutboxRelay(database, bus, "organizer").relay()
    wait_for(lambda: len(seen) == len(names), "all messages")
    assert seen == names
    assert left(database) == []
    bus.close(5)


def test_without_a_broker_nothing_is_given_to_the_bus_and_nothing_is_lost(
    database: Database,
) -> None:
    fill(database, "m1")
    bus = MemoryBus()
    bus.close(1)
    with pytest.raises(BrokerUnavailable, match="wait for the broker"):
        OutboxRelay(database, bus, "organizer").relay()
    assert left(database) == ["m1"]


def test_others_write_while_the_broker_is_slow_to_confirm(database: Database) -> None:
    bus = SlowBus()
    fill(database, "m1", "m2")
    relay = threading.Thread(target=OutboxRelay(database, bus, "organizer").relay)
    relay.start()
    assert bus.asked.wait(10)
    fill(database, "m3")
    assert bus.confirm() == ["m1", "m2"]
    wait_for(lambda: left(database) == ["m3"], "the first two to be removed")
    wait_for(lambda: bus.unconfirmed or not relay.is_alive(), "the end or the third")
    bus.confirm()
    relay.join(10)
    assert not relay.is_alive()


def test_what_the_bus_still_has_in_hand_is_not_given_to_it_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_router.outbox._CONFIRM_SECONDS", 0.01)
    bus = SlowBus()
    relay = OutboxRelay(database, bus, "organizer")
    fill(database, "m1")
    for _ in range(2):
        with pytest.raises(BrokerUnavailable, match="did not confirm 1"):
            relay.relay()
    fill(database, "m2")
    with pytest.raises(BrokerUnavailable, match="did not confirm 2"):
        relay.relay()
    assert left(database) == ["m1", "m2"]
    assert bus.confirm() == ["m1", "m2"]
    relay.relay()
    assert left(database) == []


def test_a_message_that_is_never_confirmed_holds_up_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_router.outbox._CONFIRM_SECONDS", 0.01)
    bus = SlowBus()
    relay = OutboxRelay(database, bus, "organizer")
    fill(database, "m1", "m2")
    with pytest.raises(BrokerUnavailable):
        relay.relay()
    bus.confirm("m2")
    relay.relay()
    assert left(database) == ["m1"]
    fill(database, "m3")
    with pytest.raises(BrokerUnavailable):
        relay.relay()
    assert [name for name, _ in bus.unconfirmed] == ["m1", "m3"]  # each of them once
    bus.confirm()
    relay.relay()
    assert left(database) == []


def test_a_wake_up_that_is_never_confirmed_is_given_up_and_an_event_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_router.outbox._CONFIRM_SECONDS", 0.01)
    monkeypatch.setattr("dicom_router.outbox._GIVE_UP_SECONDS", 0.0)
    fill(database, "event")
    with database.write() as session:
        wake_up = replace(message_called("wake-up"), exchange=COMMANDS_EXCHANGE)
        enqueue(session, "organizer", [wake_up])
    OutboxRelay(database, SlowBus(), "organizer").relay()
    assert left(database) == ["event"]


def test_what_the_bus_gave_up_is_given_to_it_again(database: Database) -> None:
    bus = SlowBus()
    relay = OutboxRelay(database, bus, "organizer")
    fill(database, "m1")
    failing = threading.Thread(target=_fail, args=(relay,))
    failing.start()
    assert bus.asked.wait(10)
    bus.unconfirmed.pop()[1].set_exception(BrokerUnavailable("closed"))
    failing.join(10)
    assert left(database) == ["m1"]
    again = threading.Thread(target=relay.relay)
    again.start()
    wait_for(lambda: bus.unconfirmed, "a second copy")
    assert bus.confirm() == ["m1"]
    again.join(10)
    assert left(database) == []


def _fail(relay: OutboxRelay) -> None:
    with pytest.raises(BrokerUnavailable):
        relay.relay()


@pytest.mark.postgresql
def test_two_relays_on_postgresql_publish_nothing_twice(postgresql_url: str) -> None:
    with closing(Database(postgresql_url)) as one, closing(Database(postgresql_url)) as two:
        bus = SlowBus()
        fill(one, "m1", "m2")
        first = threading.Thread(target=OutboxRelay(one, bus, "organizer").relay)
        first.start()
        assert bus.asked.wait(10)
        OutboxRelay(two, bus, "organizer").relay()
        assert bus.confirm() == ["m1", "m2"]
        first.join(10)
        assert left(one) == []
