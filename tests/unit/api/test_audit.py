"""The trail's waiting room: what is folded, what is kept while the database is away."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.models import AuditEntry
from services.api.actor import Actor, Kind, Principal, Role
from services.api.audit import MOST_WAITING, Trail, filters_of

MARIA = Principal("maria", Role.VIEWER, Kind.USER, "maria")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def trail(database: Database, clock: Clock) -> Trail:
    return Trail(database, clock)


def look(trail: Trail, study_uid: str = "1.2", who: Principal | None = MARIA) -> None:
    trail.add(Actor(principal=who, action="study.view", study_uid=study_uid), "done")


def written(database: Database) -> list[tuple[str | None, int]]:
    with database.read() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    return [(row.study_uid, row.count) for row in rows]


def test_a_look_is_written_at_once_and_the_same_again_after_a_minute(
    trail: Trail, database: Database, clock: Clock
) -> None:
    look(trail)
    trail.flush()
    assert written(database) == [("1.2", 1)]
    for _ in range(29):
        clock.now += timedelta(seconds=2)
        look(trail)
        trail.flush()
    assert written(database) == [("1.2", 1)]
    clock.now += timedelta(seconds=2)
    trail.flush()
    assert written(database) == [("1.2", 1), ("1.2", 29)]


def test_looks_of_others_and_at_others_are_rows_of_their_own(
    trail: Trail, database: Database
) -> None:
    look(trail)
    look(trail, "3.4")
    look(trail, who=Principal("joao", Role.VIEWER, Kind.USER, "joao"))
    trail.flush()
    assert sorted(written(database)) == [("1.2", 1), ("1.2", 1), ("3.4", 1)]


def test_what_is_not_to_be_folded_is_not(trail: Trail, database: Database) -> None:
    for number in range(2):
        actor = Actor(principal=MARIA, action="peer.echo", request_id=f"r{number}")
        trail.add(actor, "done", fold=False)
    trail.flush()
    assert len(written(database)) == 2


def test_nothing_is_lost_while_the_database_is_away(trail: Trail, database: Database) -> None:
    rename(database, "audit", "away")
    look(trail)
    look(trail)
    with pytest.raises(Unavailable):
        trail.flush()
    look(trail)
    rename(database, "away", "audit")
    trail.flush()
    assert written(database) == [("1.2", 3)]


def test_what_waits_is_bounded_and_strangers_can_t_fill_it(trail: Trail) -> None:
    for number in range(MOST_WAITING):
        look(trail, str(number), who=None)
    assert not trail.is_full
    for number in range(MOST_WAITING):
        look(trail, str(number))
    assert trail.is_full


def test_of_what_may_name_a_patient_only_that_it_was_given_is_kept() -> None:
    given = [("q", "silva"), ("state", "sent"), ("state", "failed"), ("patient_id", "1")]
    assert filters_of(given) == {"q": True, "state": "sent,failed", "patient_id": True}


def rename(database: Database, old: str, new: str) -> None:
    with database.write() as session:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
