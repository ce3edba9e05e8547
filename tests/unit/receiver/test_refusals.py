"""Refusals: each is told, and nobody can have so many told that it hurts."""

from services.receiver.refusals import MOST_IN_A_WINDOW, WINDOW_SECONDS, Refusal, Refusals


def refusal(ae_title: str = "CT1") -> Refusal:
    return "10.0.0.7", ae_title, "DICOMROUTER", "not a known sender"


def test_the_same_refusal_is_news_once_in_a_minute() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    assert [refusals.is_news(refusal()) for _ in range(3)] == [True, False, False]
    assert refusals.is_news(refusal("CT2"))
    now[0] += WINDOW_SECONDS
    assert refusals.is_news(refusal())


def test_whoever_calls_by_ever_new_names_is_told_of_a_few_times_only() -> None:
    refusals = Refusals(lambda: 0.0)
    told = [refusals.is_news(refusal(f"AE{number}")) for number in range(1000)]
    assert sum(told) == MOST_IN_A_WINDOW
