"""What is the in-process bus's own: a clock that tests move, and what happens when it is full."""

from functools import partial

import pytest

from dicom_router.bus import Queue
from dicom_router.bus.memory import MemoryBus, topic_matches
from dicom_router.errors import TryAgain
from tests.integration.bus.support import INTAKE, Inbox, depth, message, until


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("instance-stored.CT", "instance-stored.CT", True),
        ("instance-stored.CT", "instance-stored.MR", False),
        ("instance-stored.*", "instance-stored.CT", True),
        ("instance-stored.*", "instance-stored", False),
        ("instance-stored.*", "instance-stored.CT.more", False),
        ("instance-stored.#", "instance-stored", True),
        ("instance-stored.#", "instance-stored.CT.more", True),
        ("instance-stored.#", "instance-storedly", False),
        ("#", "", True),
        ("#", "any.thing", True),
        ("*", "", False),
        ("#.CT", "instance-stored.CT", True),
        ("#.CT", "CT", True),
        ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.#.z", "a.b.c", False),
        ("a.*.#", "a", False),
    ],
)
def test_topics_match_as_on_rabbitmq(pattern: str, key: str, matches: bool) -> None:
    assert topic_matches(pattern, key) is matches


def holds_one(bus: MemoryBus, name: str) -> bool:
    return depth(bus, name) == 1


def test_a_failed_message_comes_back_when_the_clock_says_so() -> None:
    clock = Clock()
    bus = MemoryBus(clock=clock)
    queue = Queue("organizer.intake")

    def judge(_: object) -> None:
        if len(inbox.calls) < 3:
            raise TryAgain("not yet")

    inbox = Inbox(judge)
    bus.consume(queue, inbox)
    bus.publish(message(exchange="", key=queue.name))

    for tier, seconds in (("organizer.intake.retry.10s", 10), ("organizer.intake.retry.1m", 60)):
        until(partial(holds_one, bus, tier))
        clock.now += seconds - 0.1
        bus.wake()
        assert holds_one(bus, tier)
        clock.now += 0.1
        bus.wake()

    inbox.wait_handled(1)
    bus.close(5)


def test_what_finds_its_queue_full_is_dropped_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bus = MemoryBus(max_messages=10)
    bus.declare(INTAKE)

    futures = [bus.publish(message(number)) for number in range(15)]

    assert all(future.result(0) is None for future in futures)
    assert bus.dropped == 5
    assert depth(bus, INTAKE.name) == 10
    assert capsys.readouterr().out.count("message.dropped") == 1
    inbox = Inbox()
    bus.consume(INTAKE, inbox)
    inbox.wait_handled(10)
    assert inbox.ids == [str(number) for number in range(10)]
    bus.close(5)


def test_a_full_queue_takes_nothing_from_another() -> None:
    bus = MemoryBus(max_messages=1)
    bus.declare(INTAKE)
    bus.declare(Queue("other"))

    for name in (INTAKE.name, INTAKE.name, "other"):
        bus.publish(message(exchange="", key=name))

    assert {each.name for each in bus.depths() if each.messages} == {INTAKE.name, "other"}
    bus.close(0)
