"""Refusals: each is told, and nobody can have so many told that it hurts."""

from dicom_router.dimse import VERIFICATION, PresentationContext
from services.receiver.refusals import (
    MOST_IN_A_WINDOW,
    WINDOW_SECONDS,
    Refusal,
    Refusals,
    useless,
)


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


COMMITMENT, CT = "1.2.840.10008.1.20.1", "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"


def asked(*services: str, syntaxes: tuple[str, ...] = (IMPLICIT,)) -> str | None:
    contexts = [
        PresentationContext(2 * number + 1, uid, syntaxes) for number, uid in enumerate(services)
    ]
    found = useless(contexts)
    if found is None:
        return None
    assert found.kind == "nothing-accepted"
    return found.why


def test_an_association_of_which_something_is_taken_is_of_use() -> None:
    assert asked(COMMITMENT, CT) is None
    assert asked(VERIFICATION) is None


def test_of_one_that_is_of_no_use_it_is_told_what_was_asked_for() -> None:
    assert asked(COMMITMENT) == (
        "no presentation context was accepted; it asked for Storage Commitment Push Model SOP "
        f"Class ({COMMITMENT}), which the router does not do"
    )
    assert "CT Image Storage" in str(asked(CT, syntaxes=()))
    assert "in no transfer syntax" in str(asked(CT, syntaxes=("",)))
    assert str(asked(*[COMMITMENT] * 5)).endswith(", 2 more")
    assert str(asked()).endswith("it asked for none")
    assert "9" * 65 not in str(asked("1.2.840.10008." + "9" * 100))
