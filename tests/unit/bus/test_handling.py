"""Where a message goes whose handling failed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dicom_router.bus import NotYet, Queue
from dicom_router.bus.handling import next_batch, set_aside
from dicom_router.errors import TryAgain, Unprocessable
from dicom_router.events import Message

NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
QUEUE = Queue("organizer.intake", wait_seconds=30)
MESSAGE = Message("dicom.events", "instance-stored.CT", "id", "type", NOW, b"{}", redelivered=True)


def attempted(times: int) -> Message:
    return replace(MESSAGE, headers={"x-attempt": times} if times else {})


@pytest.mark.parametrize(
    ("attempts_before", "goes_to"),
    [
        (0, "organizer.intake.retry.10s"),
        (1, "organizer.intake.retry.1m"),
        (2, "organizer.intake.retry.10m"),
        (3, "organizer.intake.dlq"),
        (99, "organizer.intake.dlq"),
    ],
)
def test_it_waits_longer_after_every_attempt_and_then_rests(
    attempts_before: int, goes_to: str
) -> None:
    copy = set_aside(QUEUE, attempted(attempts_before), TryAgain("no luck"), NOW)

    assert copy is not None
    assert (copy.exchange, copy.routing_key) == ("", goes_to)
    assert copy.attempt == attempts_before + 1
    assert not copy.redelivered


def test_what_can_never_succeed_rests_at_once() -> None:
    copy = set_aside(QUEUE, MESSAGE, Unprocessable("it is bad"), NOW)

    assert copy is not None
    assert copy.routing_key == "organizer.intake.dlq"


def test_its_headers_tell_why_since_when_and_in_which_queue() -> None:
    first = set_aside(QUEUE, MESSAGE, TryAgain("no luck"), NOW)
    assert first is not None
    later = set_aside(QUEUE, first, ValueError("y" * 9999), datetime(2027, 1, 1, tzinfo=UTC))

    assert first.headers == {
        "x-attempt": 1,
        "x-last-error": "TryAgain: no luck",
        "x-first-failed-at": "2026-11-23T13:00:00+00:00",
        "x-queue": "organizer.intake",
    }
    assert later is not None
    assert later.headers["x-first-failed-at"] == first.headers["x-first-failed-at"]
    assert str(later.headers["x-last-error"]).startswith("ValueError: yyy")
    assert len(str(later.headers["x-last-error"])) == 500


def test_not_yet_leaves_the_message_as_it_was() -> None:
    copy = set_aside(QUEUE, attempted(2), NotYet("open"), NOW)

    assert copy is not None
    assert copy.routing_key == "organizer.intake.retry.30s"
    assert copy.headers == {"x-attempt": 2}


def test_a_private_queue_keeps_nothing_that_failed() -> None:
    assert set_aside(Queue("live", private=True), MESSAGE, TryAgain("no luck"), NOW) is None


def test_a_batch_is_what_is_there_up_to_the_limit() -> None:
    fresh = [replace(MESSAGE, id=str(number), redelivered=False) for number in range(5)]

    assert next_batch(fresh, 3) == fresh[:3]
    assert next_batch(fresh, 9) == fresh
    assert next_batch([], 9) == []


def test_a_redelivered_message_is_a_batch_of_its_own_whatever_stands_around_it() -> None:
    fresh = replace(MESSAGE, redelivered=False)

    assert next_batch([MESSAGE, fresh, fresh], 9) == [MESSAGE]
    assert next_batch([MESSAGE, MESSAGE], 9) == [MESSAGE]
    assert next_batch([fresh, fresh, MESSAGE, fresh], 9) == [fresh, fresh]
