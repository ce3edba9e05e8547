"""Cursors come back as they went out, or are refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(sort=TEXT, key=TEXT | st.integers(-(2**63), 2**63), identity=TEXT)
def test_a_cursor_comes_back_as_it_went_out(sort: str, key: str | int, identity: str) -> None:
    cursor = Cursor(sort, key, identity)
    assert parse_cursor(str(cursor), sort) == cursor


def test_no_cursor_is_the_beginning() -> None:
    assert parse_cursor(None, "name") is None
    assert parse_cursor("", "name") is None


@given(text=st.text(min_size=1))
def test_whatever_else_is_sent_is_refused_as_a_problem(text: str) -> None:
    with pytest.raises(Problem, match="cursor"):
        parse_cursor(text, "name")


@pytest.mark.parametrize(
    "forged",
    ["[]", "{}", "1", '["name",null,"x"]', '["name","k",1]', '["other","k","x"]', "[" * 9999],
)
def test_a_forged_cursor_is_refused_as_a_problem(forged: str) -> None:
    text = base64.urlsafe_b64encode(forged.encode()).decode().rstrip("=")
    with pytest.raises(Problem, match="cursor"):
        parse_cursor(text, "name")


def test_there_is_a_next_page_only_if_there_is_something_on_it() -> None:
    def cursor_of(row: int) -> Cursor:
        return Cursor("number", row, "")

    assert next_cursor([1, 2], 2, cursor_of) is None
    assert next_cursor([1, 2, 3], 2, cursor_of) == str(Cursor("number", 2, ""))
