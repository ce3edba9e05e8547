"""What services build their statements and transactions of, on both databases."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from dicom_router.database import Database, DatabaseUnavailable, insert_or_ignore, one_of, texts
from dicom_router.models import Milestone

_NAMES = ["plain", "with 'quotes' and \\", 'a "b", {c}', "Ünïcode 患者", ""]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        yield opened


@pytest.fixture
def names(database: Database) -> list[str]:
    with database.write() as session:
        insert_or_ignore(session, Milestone, [_row(each) for each in _NAMES])
    return _NAMES


@pytest.mark.parametrize("asked", [[], ["plain"], _NAMES, ["nothing of the kind"]])
def test_any_number_of_texts_is_looked_for_as_it_is(
    database: Database, names: list[str], asked: list[str]
) -> None:
    is_asked = one_of(Milestone.name, asked)

    with database.read() as session:
        found = set(session.scalars(select(Milestone.name).where(is_asked)))
        others = set(session.scalars(select(Milestone.name).where(~is_asked)))

    assert found == set(names) & set(asked)
    assert set(names) - set(asked) <= others
    assert not found & others


def test_more_texts_than_a_statement_has_parameters_are_looked_for(
    database: Database, names: list[str]
) -> None:
    many = [f"other {number}" for number in range(70_000)] + names

    with database.read() as session:
        found = session.scalars(select(Milestone.name).where(one_of(Milestone.name, many))).all()

    assert sorted(found) == sorted(names)


def test_a_statement_that_is_made_once_takes_other_texts_each_time(
    database: Database, names: list[str]
) -> None:
    query = select(Milestone.name).where(one_of(Milestone.name, texts("names")))

    with database.read() as session:
        first = session.scalars(query, {"names": names[:1]}).all()
        then = session.scalars(query, {"names": names[1:3]}).all()

    assert list(first) == names[:1]
    assert sorted(then) == sorted(names[1:3])


def test_what_is_there_already_stays_as_it_is(database: Database, names: list[str]) -> None:
    with database.write() as session:
        insert_or_ignore(session, Milestone, [_row(names[0]), _row("new")])
        insert_or_ignore(session, Milestone, [])

    with database.read() as session:
        found = session.scalars(select(Milestone.name)).all()
    assert len(found) == len(set(found))
    assert {*names, "new"} <= set(found)


def test_a_connection_that_was_idle_while_the_server_ended_it_is_replaced_unnoticed(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_router.database._IDLE_SECONDS", 0.0)
    with closing(Database(postgresql_url)) as database:
        _have_it_ended(database)

        assert _one(database) == 1


def test_a_connection_that_ended_right_after_its_use_is_unavailable_once(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_router.database._IDLE_SECONDS", 3600.0)
    with closing(Database(postgresql_url)) as database:
        _have_it_ended(database)

        with pytest.raises(DatabaseUnavailable):
            _one(database)
        assert _one(database) == 1


def _row(name: str) -> dict[str, object]:
    return {"name": name, "at": datetime(2026, 1, 22, tzinfo=UTC)}


def _have_it_ended(database: Database) -> None:
    """Have the server end the one connection that the pool holds, which is not in use."""
    with database.read() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
    url = database.engine.url.render_as_string(hide_password=False)
    with closing(Database(url)) as other, other.read() as session:
        assert session.scalar(text(f"SELECT pg_terminate_backend({pid}, 10000)"))


def _one(database: Database) -> object:
    with database.read() as session:
        return session.scalar(text("SELECT 1"))
