"""A destination that is down is waited for: no attempt is used up, nothing is sent twice."""

import socket
from functools import partial

import pytest

from dicom_router.events import DeliveryFailed, DestinationDown, DestinationUp
from dicom_router.models import DeliveryState, StudyState
from infra.ports import free_port
from tests.integration.forwarder.world import World, eventually
from tests.support.pacs import Pacs


def test_a_pacs_that_was_down_for_fourteen_hours_has_everything_two_minutes_later(
    world: World, pacs: Pacs
) -> None:
    """REQ must-show 10."""
    world.add_destination(pacs)
    world.start()
    pacs.gate.clear()
    cut = world.add_study(12)
    eventually(lambda: pacs.asked, "an image in flight when the PACS goes down")
    pacs.down()
    pacs.gate.set()
    eventually(world.outage, "the outage")
    studies = [cut]
    for _half_hour in range(28):
        studies.append(world.add_study(3))
        world.clock.advance(minutes=30)
    eventually(lambda: len(world.deliveries()) == 29, "a delivery for each study")
    pacs.up()
    world.pass_time(
        lambda: all(world.state(each) == StudyState.SENT for each in studies), "all", most=120
    )
    assert world.dead_letters() == []
    assert {each.attempt for each in world.deliveries()} == {0}
    assert pacs.repeats <= 1
    assert set(pacs.has()) == {uid for each in studies for uid in each.uids}
    eventually(lambda: len(world.events_of(DestinationUp)) == 1, "one event")
    assert len(world.events_of(DestinationDown)) == 1
    assert world.events_of(DeliveryFailed) == []


def test_a_clock_that_is_set_back_keeps_nothing_waiting(world: World, pacs: Pacs) -> None:
    pacs.down()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(world.outage, "the outage")
    world.clock.advance(hours=-2)
    pacs.up()
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the study")


def test_an_unreachable_destination_is_announced_once_and_costs_no_attempt(
    world: World, pacs: Pacs
) -> None:
    pacs.down()
    world.add_destination(pacs)
    world.start()
    first, second = world.add_study(2), world.add_study(2)
    eventually(lambda: world.events_of(DestinationDown), "the event")
    eventually(lambda: len(world.deliveries()) == 2, "both deliveries")
    for _ in range(30):
        world.clock.advance(seconds=10)
    (down,) = world.events_of(DestinationDown)
    assert isinstance(down, DestinationDown)
    assert down.reason.kind == "unreachable"
    assert down.waiting >= 1
    for study in (first, second):
        eventually(partial(world.has_delivery, study, DeliveryState.WAITING), "waiting")
        delivery = world.delivery(study)
        assert delivery.attempt == 0
        assert delivery.reason is not None
        assert delivery.reason["kind"] == "unreachable"
        assert world.state(study) == StudyState.COMPLETE
    pacs.up()
    world.pass_time(lambda: world.state(first) == world.state(second) == StudyState.SENT, "both")
    (up,) = world.events_of(DestinationUp)
    assert isinstance(up, DestinationUp)
    assert up.since == down.since


def test_a_rejection_is_in_the_timeline_and_waited_for(world: World, pacs: Pacs) -> None:
    pacs.reject = True
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(lambda: "rejected" in str(world.timeline(study)), "the timeline to say so")
    later = world.add_study(1)
    eventually(lambda: world.timeline(later), "the timeline of a later study")
    assert world.timeline(later)[0][0] == "delivery-waiting"
    assert "rejected" in world.timeline(later)[0][1]
    entries = len(world.timeline(study))
    pacs.reject = False
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert len(world.timeline(study)) == entries + 2  # started once more, delivered


def test_after_an_abort_only_what_is_missing_is_sent(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    pacs.abort_after = 15
    study = world.add_study(40)
    world.start()
    eventually(lambda: world.has_delivery(study, DeliveryState.RETRYING), "the abort")
    assert len(pacs.has()) == 15
    delivery = world.delivery(study)
    assert delivery.attempt == 0
    assert delivery.reason is not None
    assert delivery.reason["kind"] == "aborted"
    assert world.state(study) == StudyState.FORWARDING
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the rest")
    assert sorted(pacs.has()) == sorted(study.uids)
    assert pacs.associations == 2


def test_a_pacs_that_aborts_everything_for_hours_fails_few_images_and_loses_none(
    world: World, pacs: Pacs
) -> None:
    pacs.aborts_all = True
    world.add_destination(pacs)
    studies = [world.add_study(4) for _ in range(3)]
    world.start()
    eventually(world.outage, "the outage")
    world.pass_time(lambda: pacs.calls > 40, "forty probes", most=3600, step=31)
    failed = [each for d in world.deliveries() for each in world.instances(d).values()]
    assert sum(each.attempts for each in failed) <= 3
    pacs.aborts_all = False
    world.pass_time(
        lambda: all(world.state(each) == StudyState.SENT for each in studies), "all", most=120
    )
    assert world.dead_letters() == []
    assert pacs.repeats == 0


def test_a_peer_that_does_not_know_echo_is_up_when_it_accepts(world: World, pacs: Pacs) -> None:
    pacs.down()
    pacs.knows_echo = False
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(world.outage, "the outage")
    pacs.up()
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


def test_what_waited_for_its_retry_is_due_when_the_destination_returns(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs)
    study = world.add_study(3)
    pacs.status_of[study.uids[0]] = 0x0110
    world.start()
    world.pass_time(
        lambda: world.deliveries() and world.delivery(study).attempt == 3, "a long wait"
    )
    pacs.down()
    other = world.add_study(1)
    eventually(world.outage, "the outage")
    pacs.status_of.clear()
    pacs.up()
    world.pass_time(lambda: world.state(other) == StudyState.SENT, "the other study")
    eventually(lambda: world.state(study) == StudyState.SENT, "the one that had failed")


def test_a_changed_address_is_tried_at_once(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs, port=free_port())
    world.start()
    study = world.add_study(2)
    eventually(world.outage, "the outage")
    world.change_destination(port=pacs.port)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


@pytest.mark.parametrize("forwarders", [1, 2])
def test_a_silent_destination_delays_no_other(world: World, pacs: Pacs, forwarders: int) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        world.add_destination(pacs, "silent", port=silent.getsockname()[1])
        world.add_destination(pacs, "good")
        for _ in range(forwarders):
            world.start()
        studies = [world.add_study(2) for _ in range(4)]
        wanted = {uid for each in studies for uid in each.uids}
        eventually(lambda: set(pacs.has()) == wanted, "the good one to have all", seconds=5)
        eventually(lambda: world.outage("silent"), "the other one to be down")
        assert world.outage("good") is None
        assert all(world.state(each) != StudyState.SENT for each in studies)
        eventually(lambda: len(world.events_of(DestinationDown)) == 1, "one event")


def test_messages_of_a_delivery_do_not_become_more_by_probing(world: World, pacs: Pacs) -> None:
    pacs.status = 0xA700
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(world.outage, "the outage")
    world.pass_time(lambda: len(pacs.asked) > 10, "ten probes", most=3600, step=31)
    eventually(lambda: world.has_delivery(study, DeliveryState.WAITING), "the last to end")
    assert sum(world.depths().values()) <= 2  # the first may come when the destination is down
