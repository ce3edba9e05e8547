"""Background work goes on, whatever happens in one round."""

import threading
from collections.abc import Callable

import pytest

from dicom_router.errors import Unavailable
from dicom_router.tasks import Task, for_each


def rounds(*outcomes: Exception | None) -> tuple[Callable[[], None], threading.Event]:
    """Work that ends each round as told, and an event for when the last of them was done."""
    left, done = list(outcomes), threading.Event()

    def work() -> None:
        outcome = left.pop(0) if left else None
        if not left:
            done.set()
        if outcome is not None:
            raise outcome

    return work, done


@pytest.mark.parametrize("error", [ValueError("a bug"), Unavailable("away")])
def test_a_round_that_fails_is_followed_by_another(error: Exception) -> None:
    work, done = rounds(error, None)
    task = Task("test", work, every=0.01).start()
    assert done.wait(10)
    assert task.stop(5)


def test_a_wake_up_is_answered_at_once() -> None:
    work, done = rounds(None, None)
    task = Task("test", work, every=3600).start()
    task.wake()
    assert done.wait(10)
    assert task.stop(5)


def test_one_study_that_fails_keeps_no_other_from_its_turn() -> None:
    seen = []

    def work(study_uid: str) -> None:
        seen.append(study_uid)
        if study_uid == "2":
            raise ValueError

    for_each("test", ["1", "2", "3"], work)
    assert seen == ["1", "2", "3"]


def test_what_is_away_for_one_study_is_away_for_all() -> None:
    def work(_study_uid: str) -> None:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        for_each("test", ["1", "2"], work)
