"""A delivery that is made in the moment in which an outage is recorded says what it waits for."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import text

from dicom_router.events import DeliveryReason, ForwardRequested
from dicom_router.ledger import lock_study
from dicom_router.models import DeliveryState, DestinationOutage
from dicom_router.outbox import OutboxRelay
from dicom_router.said import said
from services.forwarder import queries
from services.forwarder.deliveries import Deliveries
from services.forwarder.outages import Outages
from services.forwarder.owing import Owing
from services.forwarder.queries import Transaction
from services.forwarder.resending import Resending
from services.forwarder.writing import Stopping, Writer
from tests.integration.forwarder.world import StudyAtHand, World, eventually
from tests.support.pacs import Pacs

UNREACHABLE = DeliveryReason(kind="unreachable", text=said("nobody listens there"))

pytestmark = pytest.mark.postgresql  # SQLite has one writer at a time


@pytest.fixture
def world(tmp_path: Path, postgresql_url: str) -> Iterator[World]:
    with closing(World(tmp_path, postgresql_url)) as made:
        yield made


@pytest.fixture
def writer(world: World) -> Iterator[Writer]:
    """Of a forwarder that does only what a test calls."""
    stopping = Stopping()
    relay = OutboxRelay(world.database, world.bus, "forwarder")
    yield Writer(world.database, relay, "/forwarder/test", world.clock, stopping)
    stopping.close()


class Meanwhile:
    """Work of another forwarder, while this one is within a transaction."""

    def __init__(self, world: World, work: Callable[[], object]) -> None:
        self._world = world
        self._thread = Thread(target=work)
        self._thread.start()
        eventually(self._waits_or_has_ended, "the other to end or to wait for a lock")

    def _waits_or_has_ended(self) -> bool:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with self._world.database.read() as session:
            return not self._thread.is_alive() or bool(session.scalar(waiting))

    def end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def study(world: World, pacs: Pacs) -> StudyAtHand:
    """For a PACS that is configured; nothing is owed to it yet."""
    world.add_destination(pacs)
    return world.add_study(1)


def go_down(world: World, session: Transaction) -> None:
    outage = DestinationOutage(
        destination="pacs",
        since=world.clock(),
        reason=UNREACHABLE.as_row(),
        probe="echo",
        next_probe_at=world.clock(),
    )
    queries.insert_outage(session, outage)
    session.flush()


def test_a_delivery_made_while_an_outage_is_being_recorded_says_so(
    world: World, study: StudyAtHand, writer: Writer
) -> None:
    with world.database.write() as session:
        assert queries.lock_destination(session, "pacs")
        go_down(world, session)
        routing = Meanwhile(world, lambda: Owing(writer).route(study.uid))
    routing.end()
    assert world.delivery(study).reason == UNREACHABLE.as_row()
    assert "nobody listens there" in str(world.timeline(study))


def test_an_outage_recorded_while_a_delivery_is_being_made_is_its_reason(
    world: World, study: StudyAtHand, writer: Writer
) -> None:
    with world.database.write() as session:
        row = lock_study(session, study.uid)
        assert row is not None
        assert Owing(writer).route_locked(session, row, world.clock()) == 1
        outages = Outages(writer)
        going_down = Meanwhile(world, lambda: outages.went_down("pacs", UNREACHABLE, probing=False))
    going_down.end()
    assert world.delivery(study).reason == UNREACHABLE.as_row()


def test_sending_again_and_an_outage_wait_for_each_other_in_one_order(
    world: World, study: StudyAtHand, writer: Writer
) -> None:
    owing = Owing(writer)
    owing.route(study.uid)
    deliveries = Deliveries(writer, "forwarder@test:1")
    resending = Resending(writer, owing, deliveries, world.archive)
    asked = ForwardRequested(study_uid=study.uid, destination="pacs", only_missing=False, by="ana")
    served: list[str] = []
    with world.database.write() as session:
        assert queries.lock_destination(session, "pacs")
        sending = Meanwhile(world, lambda: served.extend(resending.forward(asked, "request-1")))
        go_down(world, session)
    sending.end()
    assert served == ["pacs"]
    old, new = sorted(world.deliveries(study), key=lambda each: each.replaced_by is None)
    assert old.replaced_by == new.id
    assert new.reason == UNREACHABLE.as_row()


def test_what_is_given_back_while_the_destination_is_down_says_so(
    world: World, study: StudyAtHand, writer: Writer
) -> None:
    Owing(writer).route(study.uid)
    deliveries = Deliveries(writer, "forwarder@test:1")
    claim = deliveries.claim_next("pacs")
    assert claim is not None
    Outages(writer).went_down("pacs", UNREACHABLE, probing=False)
    assert world.delivery(study).reason is None  # it is being sent
    deliveries.give_back(claim)
    assert world.delivery(study).reason == UNREACHABLE.as_row()


def test_a_delivery_retried_while_an_outage_is_being_recorded_says_so(
    world: World, study: StudyAtHand, writer: Writer
) -> None:
    Owing(writer).route(study.uid)
    deliveries = Deliveries(writer, "forwarder@test:1")
    delivery_id = world.delivery(study).id
    with world.database.write() as session:
        delivery = queries.get_delivery(session, delivery_id)
        assert delivery is not None
        delivery.state = DeliveryState.RETRYING
    with world.database.write() as session:
        assert queries.lock_destination(session, "pacs")
        go_down(world, session)
        retrying = Meanwhile(world, lambda: deliveries.retry(delivery_id, world.clock()))
    retrying.end()
    delivery = world.delivery(study)
    assert (delivery.state, delivery.reason) == (DeliveryState.WAITING, UNREACHABLE.as_row())


def test_what_a_probe_saw_begins_no_outage_once_another_forwarder_has_got_through(
    world: World, study: StudyAtHand, writer: Writer
) -> None:
    outages, deliveries = Outages(writer), Deliveries(writer, "forwarder@test:1")
    Owing(writer).route(study.uid)
    outages.went_down("pacs", UNREACHABLE, probing=False)
    claim = deliveries.claim_next("pacs", probing=True)
    assert claim is not None
    outages.came_up("pacs")
    outages.went_down("pacs", UNREACHABLE, probing=True)
    outages.refused_for_now(claim, claim.items[0], UNREACHABLE, probing=True)
    outages.aborted(claim, claim.items[0], UNREACHABLE, probing=True)
    assert not world.outage()
