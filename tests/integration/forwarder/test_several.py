"""Several forwarders, killed ones, stopped ones: every image is sent once."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from dicom_router.archive import data_set_sha256
from dicom_router.dimse import PeerAddress
from dicom_router.models import DeliveryInstanceState, DeliveryState, StudyState
from dicom_router.outbox import OutboxRelay
from services.forwarder.deliveries import Deliveries
from services.forwarder.writing import Stopping, Writer
from tests.integration.dimse.conftest import dcmtk, storescp  # noqa: F401 - fixtures
from tests.integration.forwarder.world import StudyAtHand, World, eventually
from tests.support.pacs import Pacs


def test_two_forwarders_send_each_image_once(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    with Pacs("OTHER") as other:
        world.add_destination(other, "other")
        world.start()
        world.start()
        studies = [world.add_study(6) for _ in range(12)]
        eventually(
            lambda: all(world.state(each) == StudyState.SENT for each in studies), "all", seconds=30
        )
        for each in (pacs, other):
            assert each.repeats == 0
            assert set(each.has()) == {uid for study in studies for uid in study.uids}


def test_two_studies_go_to_one_destination_at_the_same_time(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    studies = [world.add_study(2) for _ in range(3)]
    eventually(lambda: len(pacs.asked) == 2, "an image of two of them to be in hand")
    pacs.gate.set()
    eventually(lambda: all(world.state(each) == StudyState.SENT for each in studies), "all")
    assert sorted(pacs.has()) == sorted(uid for study in studies for uid in study.uids)


def test_a_destination_that_takes_one_association_is_sent_one_study_after_the_other(
    world: World,
) -> None:
    narrow = Pacs()
    narrow.most_associations = 1
    with narrow:
        narrow.gate.clear()
        world.add_destination(narrow)
        world.start()
        studies = [world.add_study(2) for _ in range(3)]
        eventually(lambda: narrow.asked and narrow.calls == 2, "the second not to be let in")
        narrow.gate.set()
        eventually(lambda: all(world.state(each) == StudyState.SENT for each in studies), "all")
        assert sorted(narrow.has()) == sorted(uid for study in studies for uid in study.uids)
        assert narrow.calls == 4  # it was not tried again
    assert not [each.type for each in world.messages if "destination-" in each.type]


def test_a_destination_that_breaks_a_second_association_is_left_with_one(
    world: World, pacs: Pacs
) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    studies = [world.add_study(2) for _ in range(2)]
    eventually(lambda: len(pacs.asked) == 2, "an image of each to be in hand")
    pacs.down()
    pacs.gate.set()
    eventually(world.outage, "the outage")
    pacs.up()
    world.pass_time(lambda: all(world.state(each) == StudyState.SENT for each in studies), "all")
    before = pacs.calls
    pacs.gate.clear()
    more = [world.add_study(1) for _ in range(2)]
    eventually(lambda: pacs.calls == before + 1, "the first")
    pacs.gate.set()
    eventually(lambda: all(world.state(each) == StudyState.SENT for each in more), "all")
    assert sorted(set(pacs.has())) == sorted(
        uid for study in (*studies, *more) for uid in study.uids
    )


def test_bytes_that_are_replaced_while_they_are_sent_arrive_before_the_newer_ones(
    world: World, pacs: Pacs, killed: Deliveries
) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(1)
    eventually(lambda: pacs.asked, "the older bytes to be in hand")
    old = study.images[0]
    new = world.replace(study, old)
    world.complete(study)
    eventually(lambda: len(world.deliveries(study)) == 2, "the delivery of the newer ones")
    first, second = world.deliveries(study)
    assert killed.claim(second.id, study.uid) is None
    assert killed.claim_next("pacs") is None
    pacs.gate.set()
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the newer ones")
    assert [each.sha256 for each in pacs.stored] == [old.sha256, new.sha256]
    states = {**world.instances(first), **world.instances(second)}
    assert {key: each.state for key, each in states.items()} == {
        old.receipt_id: DeliveryInstanceState.DELIVERED,
        new.receipt_id: DeliveryInstanceState.DELIVERED,
    }


def test_two_forwarders_tell_of_an_outage_once(world: World, pacs: Pacs) -> None:
    pacs.down()
    world.add_destination(pacs)
    studies = [world.add_study(1) for _ in range(6)]
    world.start()
    world.start()
    eventually(world.outage, "the outage")
    for _ in range(20):
        world.clock.advance(seconds=10)
    eventually(
        lambda: all(world.has_delivery(each, DeliveryState.WAITING) for each in studies),
        "nothing in hand",
    )
    pacs.up()
    world.pass_time(lambda: all(world.state(each) == StudyState.SENT for each in studies), "all")
    told = [each.type for each in world.messages if "destination-" in each.type]
    assert sorted(told) == ["dicomrouter.destination-down.v1", "dicomrouter.destination-up.v1"]
    assert pacs.repeats == 0


def test_one_of_two_forwarders_probes(world: World, pacs: Pacs) -> None:
    pacs.reject = True
    world.add_destination(pacs)
    study = world.add_study(1)
    world.start()
    world.start()
    eventually(world.outage, "the outage")
    eventually(lambda: world.has_delivery(study, DeliveryState.WAITING), "nothing in hand")
    before, began = pacs.calls, world.clock()
    world.pass_time(lambda: pacs.calls >= before + 8, "eight probes", most=400)
    passed = (world.clock() - began).total_seconds()
    assert pacs.calls - before <= passed / 30 + 1


@pytest.fixture
def killed(world: World) -> Iterator[Deliveries]:
    """The deliveries of a forwarder that claims and then is never heard of again."""
    stopping = Stopping()
    relay = OutboxRelay(world.database, world.bus, "forwarder")
    writer = Writer(world.database, relay, "/forwarder/killed", world.clock, stopping)
    yield Deliveries(writer, "forwarder@killed:1")
    stopping.close()


def test_what_a_killed_forwarder_held_is_taken_up_when_its_lease_ends(
    world: World, pacs: Pacs, killed: Deliveries
) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.deliveries(study), "a delivery")
    assert killed.claim_next("pacs") is not None
    world.change_destination(paused=False)
    other = world.add_study(1)
    eventually(lambda: world.state(other) == StudyState.SENT, "another study")
    assert world.delivery(study).state == DeliveryState.SENDING
    world.clock.advance(seconds=29)
    another = world.add_study(1)
    eventually(lambda: world.state(another) == StudyState.SENT, "yet another study")
    assert world.delivery(study).state == DeliveryState.SENDING
    world.clock.advance(seconds=2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


def test_a_forwarder_that_is_alone_waits_for_no_lease_of_its_earlier_life(
    world: World, pacs: Pacs, killed: Deliveries
) -> None:
    world.add_destination(pacs, paused=True)
    earlier = world.start()
    study = world.add_study(3)
    eventually(lambda: world.deliveries(study), "a delivery")
    world.stop(earlier)
    assert killed.claim_next("pacs") is not None
    world.change_destination(paused=False)
    world.start(alone=True)
    world.clock.advance(seconds=1)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


def _renewed(world: World, study: StudyAtHand, before: datetime | None) -> bool:
    until = world.delivery(study).lease_until
    return until is not None and before is not None and until > before


def test_a_lease_is_kept_while_one_image_takes_long(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    world.start()
    study = world.add_study(2)
    eventually(lambda: pacs.asked, "an image in hand")
    for _ in range(6):
        before = world.delivery(study).lease_until
        world.clock.advance(seconds=20)
        eventually(partial(_renewed, world, study, before), "a renewal")
    pacs.gate.set()
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert len(pacs.asked) == 2


def test_who_has_lost_the_lease_stops_and_changes_nothing(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(5)
    eventually(lambda: pacs.asked, "an image in hand")
    with world.database.write() as session:
        delivery = session.merge(world.delivery(study))
        delivery.lease_owner = "forwarder@elsewhere:1"
        delivery.lease_until = world.clock().replace(year=2030)
    pacs.gate.set()
    eventually(lambda: len(pacs.has()) == 1, "the image in hand")
    other = world.add_study(1)
    eventually(lambda: world.state(other) == StudyState.SENT, "the worker to go on")
    assert world.delivery(study).lease_owner == "forwarder@elsewhere:1"
    assert len(set(pacs.has()) & set(study.uids)) == 1


def test_a_stop_in_the_middle_gives_back_and_the_next_start_sends_the_rest(
    world: World, pacs: Pacs
) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    forwarder = world.start()
    study = world.add_study(8)
    eventually(lambda: pacs.asked, "an image in hand")
    threading.Timer(0.5, pacs.gate.set).start()
    began = monotonic()
    world.stop(forwarder)
    assert monotonic() - began < 6
    delivery = world.delivery(study)
    assert delivery.state in (DeliveryState.WAITING, DeliveryState.RETRYING)
    assert delivery.lease_owner is None
    assert len(pacs.has()) < 8
    world.start()
    eventually(lambda: world.state(study) == StudyState.SENT, "the rest, without waiting")
    assert pacs.repeats == 0
    assert len(pacs.has()) == 8


def test_a_peer_that_does_not_answer_does_not_hold_up_a_stop(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    forwarder = world.start()
    study = world.add_study(2)
    eventually(lambda: pacs.asked, "an image in hand")
    began = monotonic()
    world.stop(forwarder)
    assert monotonic() - began < 8
    assert world.delivery(study).state == DeliveryState.WAITING
    assert world.outage() is None


@pytest.mark.dcmtk
def test_dcmtk_gets_every_byte(
    world: World,
    storescp: Callable[..., tuple[PeerAddress, Path]],  # noqa: F811
) -> None:
    peer, folder = storescp()
    world.add_destination(Pacs(peer.ae_title), port=peer.port)
    world.start()
    study = world.add_study(5)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    arrived = {data_set_sha256(path)[2] for path in folder.iterdir()}
    assert arrived == {image.sha256 for image in study.images}
