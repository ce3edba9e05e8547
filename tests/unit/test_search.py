"""What people type finds what they mean."""

import re

import pytest

from dicom_router.search import folded, name_patterns, patterns, search_text

CONCEICAO = search_text("CONCEIÇÃO_MARIA_JOSÉ", "P-001", "ACC_77", "TÓRAX PA|PERFIL")


@pytest.mark.parametrize(
    "typed",
    [
        "conceicao",
        "Conceição",
        "CONCEIC\u0327A\u0303O",  # the same, its accents as characters of their own
        "maria conceicao",
        "Conceição^Maria",
        "CONCEIÇÃO_MARIA",
        "Conceição, Maria",
        "eicao",
        "m",
        "jo co",
        "p-001",
        "acc_77",
        "torax perfil",
        "maria -",
        "",
    ],
)
def test_a_study_is_found_by(typed: str) -> None:
    assert _finds(typed, CONCEICAO)


@pytest.mark.parametrize("typed", ["ao", "77", "maria joao", "acc%77", "accx77", "pa perf1l"])
def test_a_study_is_not_found_by(typed: str) -> None:
    assert not _finds(typed, CONCEICAO)


@pytest.mark.parametrize(
    ("typed", "found"), [("jose maria", True), ("JOSÉ_MARIA", True), ("torax", False), ("p", False)]
)
def test_a_name_is_not_found_in_what_is_none(typed: str, found: bool) -> None:
    assert all(_like(each, CONCEICAO) for each in name_patterns(typed)) is found


def test_letters_of_all_scripts_lose_what_sits_on_them() -> None:
    assert folded("Ångström ŁÓDŹ Straße Жё Ａ") == "angstrom łodz strasse же a"


def _finds(typed: str, text: str) -> bool:
    return all(any(_like(each, text) for each in word) for word in patterns(typed))


def _like(pattern: str, text: str) -> bool:
    """LIKE, with a backslash as its escape."""
    parts = re.split(r"(\\.|%|_)", pattern)
    known = {"%": ".*", "_": "."}
    expression = "".join(known.get(each) or re.escape(each.removeprefix("\\")) for each in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None
