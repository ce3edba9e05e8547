"""What answers, errors and attempts mean."""

from datetime import UTC, datetime, timedelta

import pytest

from services.forwarder import policy
from services.forwarder.policy import Answer, Ended, Tally, TryLater

NOW = datetime(2026, 1, 22, tzinfo=UTC)


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0x0107, 0x0116, 0xB000, 0xB006, 0xBFFF])
def test_success_and_warnings_mean_stored(status: int) -> None:
    assert policy.answer(status) is Answer.STORED


@pytest.mark.parametrize("status", [0xA700, 0xA702, 0xA7FF])
def test_out_of_resources_is_about_the_destination(status: int) -> None:
    assert policy.answer(status) is Answer.OUT_OF_RESOURCES


@pytest.mark.parametrize("status", [0x0110, 0x0122, 0x0124, 0xA6FF, 0xA800, 0xA900, 0xC000, 0xFE00])
def test_every_other_status_refuses_the_image(status: int) -> None:
    assert policy.answer(status) is Answer.REFUSED


def test_the_peers_comment_stays_out_of_the_reason() -> None:
    failure = policy.refused("pacs", 0xC123, "DOE^JOHN is unknown")
    assert failure.reason.text == "pacs refused an image with status 0xC123"
    assert failure.detail == "pacs refused an image with status 0xC123 (DOE^JOHN is unknown)"


def test_what_is_not_accepted_is_named_as_the_standard_names_it() -> None:
    failure = policy.not_accepted("pacs", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.4.90")
    assert "CT Image Storage in JPEG 2000" in failure.reason.text
    private = policy.not_accepted("pacs", "1.2.3.4", "1.2.840.10008.1.2")
    assert private.reason.text == "pacs does not accept 1.2.3.4 in Implicit VR Little Endian"


def test_an_outage_blames_three_images_at_most() -> None:
    assert policy.aborts_count("a", [])
    assert policy.aborts_count("c", ["a", "b"])
    assert not policy.aborts_count("d", ["a", "b", "c"])
    assert policy.aborts_count("b", ["a", "b", "c"])


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 60), (3, 600)])
def test_an_own_failure_is_tried_again_later_and_later(attempts: int, seconds: int) -> None:
    tally = Tally(total=5, delivered=4, failed=0, waiting=1, attempts=attempts)
    assert policy.ending(tally, NOW) == TryLater(attempts, NOW + timedelta(seconds=seconds))


def test_what_failed_for_good_waits_for_what_may_still_arrive() -> None:
    tally = Tally(total=5, delivered=3, failed=1, waiting=1, attempts=1)
    assert policy.ending(tally, NOW) == TryLater(1, NOW + timedelta(seconds=10))
    assert policy.ending(Tally(5, 4, 1, 0, 0), NOW) is Ended.FAILED


def test_all_of_it_there_or_nothing_owed_any_more_is_delivered() -> None:
    assert policy.ending(Tally(5, 5, 0, 0, 0), NOW) is Ended.DELIVERED
    assert policy.ending(Tally(0, 0, 0, 0, 0), NOW) is Ended.DELIVERED


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "under 1 s"), (12, "12 s"), (180, "3 min"), (50_400, "14 h")]
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert policy.spoken(seconds) == text
