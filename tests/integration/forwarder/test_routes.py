"""Routes decide which destinations a study is owed to, when it completes."""

from collections.abc import Iterator

import pytest

from dicom_router.events import ForwardRequested, RouteChanged
from dicom_router.models import Association, DeliveryState, Route, StudyState
from tests.integration.forwarder.world import StudyAtHand, World, eventually
from tests.support.pacs import Pacs


@pytest.fixture
def archive() -> Iterator[Pacs]:
    with Pacs() as started:
        yield started


def add_route(world: World, name: str, *destinations: str, **values: object) -> None:
    row = {
        "name": name,
        "order": 100,
        "modalities": [],
        "calling_ae_titles": [],
        "called_ae_titles": [],
        "patient_ids": [],
        "study_descriptions": [],
        "destinations": list(destinations),
        "created_at": world.clock(),
        "updated_at": world.clock(),
    } | values
    with world.database.write() as session:
        session.merge(Route(**row))
    world.tell(RouteChanged(route=name))


def owed_to(world: World, study: StudyAtHand) -> list[tuple[str, int]]:
    """Each delivery's destination and how many images it has."""
    found = [(each.destination, len(world.instances(each))) for each in world.deliveries(study)]
    return sorted(found)


def is_state(world: World, study: StudyAtHand, state: StudyState) -> None:
    eventually(lambda: world.state(study) == state, f"the study to be {state}")


def test_a_study_goes_where_a_route_says_and_nowhere_else(
    world: World, pacs: Pacs, archive: Pacs
) -> None:
    world.add_destination(pacs)
    world.add_destination(archive, "archive")
    add_route(world, "ct", "archive", modalities=["CT"])
    add_route(world, "mr", "pacs", modalities=["MR"])
    world.start()
    study = world.add_study(3)
    is_state(world, study, StudyState.SENT)
    assert owed_to(world, study) == [("archive", 3)]
    assert (len(archive.has()), len(pacs.has())) == (3, 0)
    assert ("routed", "route ct: archive") in world.timeline(study)


def test_a_route_can_go_by_who_sent_the_study(world: World, pacs: Pacs, archive: Pacs) -> None:
    world.add_destination(pacs)
    world.add_destination(archive, "archive")
    caller = Association(
        association_id="a" * 16,
        receiver="r",
        calling_ae_title="CT_ROOM_1",
        called_ae_title="ROUTER",
        peer_address="10.0.0.7",
    )
    with world.database.write() as session:
        session.add(caller)
    add_route(world, "room-1", "pacs", calling_ae_titles=["ct_room_1"], called_ae_titles=["ROUT*"])
    add_route(world, "room-2", "archive", calling_ae_titles=["CT_ROOM_2"])
    world.start()
    study = world.add_study(1)
    is_state(world, study, StudyState.SENT)
    assert owed_to(world, study) == [("pacs", 1)]


def test_a_study_that_fits_no_route_waits_for_one(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    add_route(world, "mr", "pacs", modalities=["MR"])
    world.start()
    study = world.add_study(2)
    is_state(world, study, StudyState.UNROUTED)
    assert ("routed", "the only route does not apply") in world.timeline(study)
    add_route(world, "mr", "pacs", modalities=["MR", "CT"])
    is_state(world, study, StudyState.SENT)
    assert owed_to(world, study) == [("pacs", 2)]


def test_an_unrouted_study_is_looked_at_again_however_long_it_has_waited(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs)
    add_route(world, "mr", "pacs", modalities=["MR"])
    world.start()
    study = world.add_study(1)
    is_state(world, study, StudyState.UNROUTED)
    world.clock.advance(minutes=2)  # from now on it is left alone
    other = world.add_study(1)
    is_state(world, other, StudyState.UNROUTED)
    add_route(world, "ct", "pacs", modalities=["CT"])
    is_state(world, study, StudyState.SENT)
    is_state(world, other, StudyState.SENT)


def test_what_a_study_owes_is_fixed_when_it_completes(
    world: World, pacs: Pacs, archive: Pacs
) -> None:
    world.add_destination(pacs, paused=True)
    world.add_destination(archive, "archive")
    add_route(world, "ct", "pacs", modalities=["CT"])
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.has_delivery(study, DeliveryState.WAITING), "a delivery")
    add_route(world, "ct", "archive", modalities=["CT"])
    world.change_destination(paused=False)
    is_state(world, study, StudyState.SENT)
    assert owed_to(world, study) == [("pacs", 2)]


def test_a_destination_that_a_late_image_leads_to_gets_the_whole_study(
    world: World, pacs: Pacs, archive: Pacs
) -> None:
    world.add_destination(pacs)
    world.add_destination(archive, "archive")
    add_route(world, "all", "pacs")
    add_route(world, "reports", "archive", modalities=["SR"])
    world.start()
    study = world.add_study(2)
    is_state(world, study, StudyState.SENT)
    world.receive(study, 1)
    world.change_study(study, modalities=["CT", "SR"])
    world.complete(study)
    eventually(lambda: len(archive.has()) == 3, "the whole study at the archive")
    is_state(world, study, StudyState.SENT)
    assert owed_to(world, study) == [("archive", 3), ("pacs", 1), ("pacs", 2)]


def test_by_hand_a_study_goes_where_the_routes_say_or_where_it_is_told(
    world: World, pacs: Pacs, archive: Pacs
) -> None:
    world.add_destination(pacs)
    world.add_destination(archive, "archive")
    add_route(world, "ct", "pacs", modalities=["CT"])
    world.start()
    study = world.add_study(1)
    is_state(world, study, StudyState.SENT)

    def ask(destination: str | None) -> None:
        world.tell(
            ForwardRequested(
                study_uid=study.uid, destination=destination, only_missing=False, by="ann"
            )
        )

    ask(None)
    eventually(lambda: len(pacs.stored) == 2, "the study once more")
    ask("archive")
    eventually(lambda: len(archive.stored) == 1, "the study at the archive")
    assert owed_to(world, study) == [("archive", 1), ("pacs", 1), ("pacs", 1)]
