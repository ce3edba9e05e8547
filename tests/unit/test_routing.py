"""Which destinations a study goes to."""

from typing import Any

import pytest

from dicom_router.routing import Route, StudyFacts, decide, matches

CT = StudyFacts(["CT", "SR"], ["CT_ROOM_1"], ["ROUTER"], "P001", "CHEST CT WITH CONTRAST")


def route(
    name: str, *destinations: str, order: int = 100, last: bool = False, **given: Any
) -> Route:
    return Route(name=name, order=order, last=last, destinations=destinations, **given)


def goes_to(*routes: Route, facts: StudyFacts = CT) -> tuple[str, ...]:
    return decide({"pacs", "archive", "ai"}, routes, facts).destinations


def test_without_routes_a_study_goes_to_every_enabled_destination() -> None:
    decision = decide(["pacs", "archive"], [], CT)
    assert decision.destinations == ("archive", "pacs")


def test_a_study_goes_wherever_a_route_that_fits_says() -> None:
    assert goes_to(
        route("a", "pacs", modalities=["CT"]),
        route("b", "archive", "pacs"),
        route("c", "ai", modalities=["MR"]),
    ) == ("archive", "pacs")


def test_a_study_that_fits_no_route_goes_nowhere() -> None:
    decision = decide(["pacs"], [route("mr", "pacs", modalities=["MR"])], CT)
    assert decision.destinations == ()
    assert decision.sentence() == "the only route does not apply"


@pytest.mark.parametrize(
    ("condition", "fits", "fits_not"),
    [
        ("modalities", ["MR", "SR"], ["MR", "US"]),
        ("calling_ae_titles", ["MR*", "ct_room_?"], ["CT_ROOM"]),
        ("called_ae_titles", ["ROUTER"], ["OTHER"]),
        ("patient_ids", ["P*"], ["X*"]),
        ("study_descriptions", ["*contrast*"], ["contrast"]),
    ],
)
def test_a_condition_is_met_by_one_of_its_values(
    condition: str, fits: list[str], fits_not: list[str]
) -> None:
    given: dict[str, Any] = {condition: fits}
    assert goes_to(route("a", "pacs", **given)) == ("pacs",)
    given = {condition: fits_not}
    assert goes_to(route("a", "pacs", **given)) == ()


def test_every_condition_has_to_be_met() -> None:
    assert goes_to(route("a", "pacs", modalities=["CT"], patient_ids=["X*"])) == ()


def test_no_route_after_the_last_one_that_applies_is_looked_at() -> None:
    research = route("research", "ai", order=1, last=True, patient_ids=["P*"])
    everything = route("everything", "pacs", order=2)
    decision = decide(["pacs", "ai"], [everything, research], CT)
    assert decision.destinations == ("ai",)
    assert "research comes before it" in decision.verdicts[1].why_not[0]
    other = StudyFacts(["CT"], [], [], "X", "")
    assert goes_to(research, everything, facts=other) == ("pacs",)


def test_disabled_and_missing_destinations_are_told_of() -> None:
    decision = decide(["pacs"], [route("a", "pacs", "gone")], CT)
    assert (decision.destinations, decision.unusable) == (("pacs",), ("gone",))
    assert decision.sentence() == "route a: pacs; disabled or not there: gone"


def test_why_a_route_does_not_apply_is_said_without_naming_the_patient() -> None:
    strict = route("a", "pacs", modalities=["MR"], patient_ids=["X*"], study_descriptions=["*MR*"])
    (verdict,) = decide(["pacs"], [strict], CT).verdicts
    assert verdict.why_not == (
        "modality: CT, SR, not MR",
        "patient ID: not X*",
        "study description: not *MR*",
    )


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("*", "", True),
        ("?", "", False),
        ("CT*", "ct1", True),
        ("*CT", "xxCTCT", True),
        ("*a*b", "ab_a_b", True),
        ("*a*b", "ab_a", False),
        ("a?c", "abc", True),
        ("[ab]", "a", False),
        ("a.c", "abc", False),
        ("**x**", "x", True),
    ],
)
def test_a_pattern_has_stars_and_question_marks(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_no_pattern_takes_long() -> None:
    assert not matches("*a" * 31 + "b", "a" * 256)
