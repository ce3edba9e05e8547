"""A complete study arrives at its destinations, bit for bit, and the account says so."""

import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from dicom_router.events import StudyForwarded
from dicom_router.models import DeliveryInstanceState, DeliveryState, StudyState
from tests.integration.forwarder.world import PATIENT, World, eventually
from tests.support.pacs import Pacs

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def test_a_complete_study_arrives_bit_for_bit(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(20)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert {each.sha256 for each in pacs.stored} == {image.sha256 for image in study.images}
    assert pacs.has() == study.uids
    assert pacs.associations == 1
    assert pacs.callers == {"ROUTER"}


def test_the_account_of_a_delivery_is_complete(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.events_of(StudyForwarded), "the event")
    delivery = world.delivery(study)
    assert (delivery.state, delivery.attempt) == (DeliveryState.DELIVERED, 0)
    assert delivery.images == 3
    assert delivery.lease_owner is None
    assert delivery.started_at is not None
    assert delivery.finished_at is not None
    states = {each.state for each in world.instances(delivery).values()}
    assert states == {DeliveryInstanceState.DELIVERED}
    assert world.timeline(study) == [
        ("delivery-started", "pacs: 3 of 3 images to send"),
        ("delivered", "pacs: 3 of 3 images in under 1 s"),
    ]
    (event,) = world.events_of(StudyForwarded)
    assert isinstance(event, StudyForwarded)
    assert (event.delivered, event.total, event.destination) == (3, 3, "pacs")
    (sent,) = [each for each in world.messages if "study-forwarded" in each.type]
    assert sent.routing_key == "study-forwarded.CT"


def test_every_syntax_and_class_shares_one_association(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study()
    syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless]
    world.receive(study, 8, transfer_syntaxes=syntaxes)
    world.receive(study, 2, sop_class=SECONDARY_CAPTURE)
    world.complete(study)
    world.start()
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert pacs.associations == 1
    arrived = {(each.sha256, each.transfer_syntax_uid) for each in pacs.stored}
    assert arrived == {(image.sha256, image.transfer_syntax_uid) for image in study.images}


def test_more_kinds_than_an_association_has_contexts_take_two(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study()
    syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless]
    for number in range(43):
        world.receive(study, 3, sop_class=f"1.2.3.{number}", transfer_syntaxes=syntaxes)
    world.complete(study)
    world.start()
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert len(pacs.has()) == 129
    assert pacs.associations == 2


def test_a_warning_is_a_success(world: World, pacs: Pacs) -> None:
    pacs.status = 0xB007
    world.add_destination(pacs)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    instances = world.instances(world.delivery(study)).values()
    assert {each.dicom_status for each in instances} == {0xB007}
    assert len(pacs.has()) == 3


def test_each_destination_gets_all_and_the_study_is_sent_when_both_have_it(
    world: World, pacs: Pacs
) -> None:
    with Pacs("OTHER") as other:
        other.gate.clear()
        world.add_destination(pacs, calling_ae_title="SPECIAL")
        world.add_destination(other, "other")
        world.start()
        study = world.add_study(4)
        eventually(lambda: len(pacs.has()) == 4, "one destination to have all")
        eventually(lambda: len(world.events_of(StudyForwarded)) == 1, "the account to say so")
        assert world.state(study) == StudyState.FORWARDING
        other.gate.set()
        eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
        assert (len(pacs.has()), len(other.has())) == (4, 4)
        assert (pacs.callers, other.callers) == ({"SPECIAL"}, {"ROUTER"})


def test_a_late_image_travels_alone(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(5)
    eventually(lambda: world.state(study) == StudyState.SENT, "the first revision")
    (late,) = world.receive(study, 1)
    assert world.state(study) == StudyState.RECEIVING
    world.complete(study)
    eventually(lambda: world.state(study) == StudyState.SENT, "the second revision")
    assert pacs.has()[5:] == [late.sop_instance_uid]
    assert [each.revision for each in world.deliveries(study)] == [1, 2]


def test_a_study_that_was_announced_twice_is_sent_once(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    world.start()
    study = world.add_study(3)
    for _ in range(3):
        world.complete(study)  # nothing new in it: a revision without instances
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert len(world.deliveries(study)) == 1
    assert pacs.repeats == 0


def test_an_announcement_that_was_lost_is_made_up_for(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study()
    world.receive(study, 2)
    world.complete(study, announce=False)
    world.start()
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


def test_replaced_bytes_are_not_sent_for_the_old_ones(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(6)
    eventually(lambda: pacs.asked, "the first image to be in hand")
    old = study.images[4]
    new = world.replace(study, old)
    pacs.gate.set()
    eventually(lambda: world.has_delivery(study, DeliveryState.DELIVERED), "the first revision")
    instances = world.instances(world.delivery(study))
    assert instances[old.receipt_id].state == DeliveryInstanceState.SUPERSEDED
    assert new.sha256 not in {each.sha256 for each in pacs.stored}
    assert world.state(study) == StudyState.RECEIVING
    world.complete(study)
    eventually(lambda: world.state(study) == StudyState.SENT, "the second revision")
    assert {each.sha256 for each in pacs.stored} == {image.sha256 for image in study.images}
    assert pacs.repeats == 0


def test_a_delivery_of_which_nothing_is_owed_any_more_is_delivered(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    study = world.add_study(1)
    eventually(lambda: world.deliveries(study), "a delivery")
    world.replace(study, study.images[0])
    world.change_destination(paused=False)
    eventually(lambda: world.has_delivery(study, DeliveryState.DELIVERED), "its end")
    assert pacs.asked == []


@pytest.mark.parametrize("harm", ["gone", "link", "other"])
def test_a_file_that_is_not_what_was_received_is_never_called_delivered(
    world: World, pacs: Pacs, harm: str
) -> None:
    world.add_destination(pacs)
    study = world.add_study(3)
    path, other = study.images[1].path, study.images[0].path
    if harm == "other":
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
    if harm == "link":
        path.symlink_to(other)
    world.start()
    eventually(lambda: world.has_delivery(study, DeliveryState.RETRYING), "the failure")
    assert len(pacs.has()) == 2
    reason = world.delivery(study).reason
    assert reason is not None
    assert reason["kind"] == "missing"
    assert pacs.associations == 1


def test_nothing_that_leaves_the_router_names_the_patient(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study(3)
    pacs.status_of[study.uids[0]], pacs.comment = 0xC001, PATIENT
    pacs.abort_after = 1
    world.start()
    eventually(world.outage, "the outage")
    world.pass_time(world.dead_letters, "the dead letter", most=1000, step=60)
    assert any(PATIENT in detail for _, detail in world.timeline(study))
    for each in [*world.messages, *world.dead_letters()]:
        assert PATIENT.encode() not in each.body
        assert PATIENT not in str(each.headers)
