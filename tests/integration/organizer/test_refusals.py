"""Who was refused: put on record, and forgotten after a while."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from dicom_router.database import Database
from dicom_router.events import AssociationRejected, AssociationReleased, RefusalKind
from dicom_router.models import Association
from services.organizer import queries
from services.organizer.refusals import KEPT, Refusals

NOW = datetime(2026, 1, 22, 12, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        yield opened


def refuse(database: Database, number: int, at: datetime) -> None:
    refused = AssociationRejected(
        receiver="host-1",
        association_id=f"refused-{number}",
        calling_ae_title="CT9",
        called_ae_title="DICOMROUTER",
        peer_address="10.0.0.9",
        at=at,
        why="not a known sender",
        kind=RefusalKind.UNKNOWN_CALLER,
    )
    with database.write() as session:
        queries.record_rejection(session, refused, at)


def known(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Association.association_id)))


def test_refusals_are_forgotten_after_30_days_and_nothing_else_is(database: Database) -> None:
    long_ago = NOW - KEPT - timedelta(seconds=1)
    end = AssociationReleased(
        receiver="host-1",
        association_id="was-open",
        calling_ae_title="CT1",
        called_ae_title="DICOMROUTER",
        peer_address="10.0.0.7",
        outcome="released",
        receipts=1,
        refused=0,
        opened_at=long_ago,
        closed_at=long_ago,
    )
    with database.write() as session:
        queries.record_end(session, end, long_ago)
    for number in range(3):
        refuse(database, number, long_ago)
    refuse(database, 3, NOW - KEPT + timedelta(seconds=1))
    Refusals(database, lambda: NOW).forget()
    assert known(database) == {"was-open", "refused-3"}


def test_a_refusal_that_is_told_again_is_on_record_once(database: Database) -> None:
    refuse(database, 1, NOW)
    refuse(database, 1, NOW)
    assert known(database) == {"refused-1"}
    with database.read() as session:
        assert session.scalar(select(Association.refusal)) == "unknown-caller"
