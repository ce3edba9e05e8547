"""A study sent (again) because a person asks for it."""

import uuid
from dataclasses import replace

from dicom_router.events import ForwardRequested, message
from dicom_router.models import DeliveryState, Receipt, StudyState
from services.forwarder import queries
from services.forwarder.queries import Delivered
from tests.integration.forwarder.world import PACE, StudyAtHand, World, eventually
from tests.support.pacs import Pacs


def ask(
    world: World,
    study: StudyAtHand,
    destination: str | None = "pacs",
    *,
    only_missing: bool = True,
    request: str = "",
) -> None:
    payload = ForwardRequested(
        study_uid=study.uid, destination=destination, only_missing=only_missing, by="ada"
    )
    world.bus.publish(message(payload, id=request or uuid.uuid4().hex, source="/test")).result(5)


def requests(world: World, study: StudyAtHand) -> list[str]:
    return [detail for event, detail in world.timeline(study) if event == "forward-requested"]


def test_nothing_is_sent_to_a_destination_that_has_all(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    ask(world, study)
    eventually(lambda: requests(world, study), "the request to be noted")
    assert requests(world, study) == [
        "ada asked to send what is missing to pacs: nothing is missing"
    ]
    assert world.state(study) == StudyState.SENT
    assert len(world.deliveries(study)) == 1


def test_everything_is_sent_again_once(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    for _ in range(2):  # a command may be delivered twice
        ask(world, study, only_missing=False, request="the-same")
    eventually(lambda: pacs.repeats == 3, "all of it to arrive again")
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent again")
    other = world.add_study(1)
    ask(world, other)  # after the second copy
    eventually(lambda: requests(world, other), "the commands to be through")
    assert requests(world, study) == ["ada asked to send everything again to pacs: 3 images"]
    assert len(world.deliveries(study)) == 2


def test_a_deletion_that_was_cut_off_before_it_was_recorded_leaves_nothing_to_send(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    for image in study.images[1:]:
        image.path.unlink()
    ask(world, study, only_missing=False)
    eventually(lambda: pacs.repeats == 1, "what is there to arrive again")
    study.images[0].path.unlink()
    ask(world, study, only_missing=False)
    eventually(lambda: len(requests(world, study)) == 2, "the second request to be noted")
    assert requests(world, study)[1].endswith("none of its images is on this disk any more")
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert len(world.deliveries(study)) == 2


def test_a_later_destination_is_sent_what_it_lacks_by_hand(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    with Pacs("LATER") as later:
        world.add_destination(later, "later")
        world.receive(study, 1)
        world.complete(study)
        eventually(lambda: world.state(study) == StudyState.SENT, "the late image")
        ask(world, study, None)
        eventually(lambda: sorted(later.has()) == sorted(study.uids), "all of it there")
        eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
        assert (later.repeats, pacs.repeats) == (0, 0)
        made = [each for each in world.deliveries(study) if each.destination == "later"]
        assert [each.revision for each in made] == [2, 2]


def test_what_failed_is_tried_again(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(4)
    pacs.status_of[study.uids[1]] = 0x0110
    world.pass_time(
        lambda: world.state(study) == StudyState.FAILED, "it to fail", most=3600, step=60
    )
    pacs.status_of.clear()
    ask(world, study)
    eventually(lambda: world.state(study) == StudyState.SENT, "the image")
    assert requests(world, study) == ["ada asked to send what is missing to pacs: 1 image"]
    assert pacs.repeats == 0
    assert world.has_delivery(study, DeliveryState.DELIVERED)


def test_what_waits_for_its_next_attempt_is_tried_now(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(3)
    pacs.status_of[study.uids[0]] = 0x0110
    eventually(lambda: world.has_delivery(study, DeliveryState.RETRYING), "an attempt")
    pacs.status_of.clear()
    ask(world, study)
    eventually(lambda: world.state(study) == StudyState.SENT, "it, with no time passing")


def test_a_study_that_is_not_routed_yet_is_owed_nothing_twice(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start(replace(PACE, sweep=3600))
    study = world.add_study()
    world.receive(study, 3)
    world.complete(study, announce=False)
    ask(world, study)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert len(world.deliveries(study)) == 1
    assert requests(world, study) == [
        "ada asked to send what is missing to pacs: nothing is missing"
    ]
    assert pacs.repeats == 0


def test_an_unrouted_study_that_is_sent_by_hand_is_owed_nothing_twice(
    world: World, pacs: Pacs
) -> None:
    world.start(replace(PACE, sweep=3600))
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.UNROUTED, "no destination")
    world.add_destination(pacs)
    ask(world, study)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    with world.database.read() as session:
        assert queries.not_routed(session, "", 10, unrouted=True) == []
    assert len(world.deliveries(study)) == 1
    assert pacs.repeats == 0


def test_a_delivery_in_hand_is_replaced_after_the_image_in_hand(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(6)
    eventually(lambda: pacs.asked, "an image in hand")
    ask(world, study, only_missing=False)
    eventually(lambda: len(world.deliveries(study)) == 2, "the new delivery")
    pacs.gate.set()
    eventually(lambda: world.state(study) == StudyState.SENT, "all of it")
    old, new = sorted(world.deliveries(study), key=lambda each: each.state)
    assert (old.state, new.state) == (DeliveryState.CANCELLED, DeliveryState.DELIVERED)
    assert old.replaced_by == new.id
    assert pacs.repeats == 1
    assert len(pacs.has()) == 7


def test_only_missing_leaves_a_delivery_in_hand_alone(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(4)
    eventually(lambda: pacs.asked, "an image in hand")
    ask(world, study)
    eventually(lambda: requests(world, study), "the request")
    pacs.gate.set()
    eventually(lambda: world.state(study) == StudyState.SENT, "all of it")
    assert pacs.repeats == 0
    assert len(world.deliveries(study)) == 1


def test_what_a_replaced_delivery_brought_late_is_recorded_and_decides_nothing(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.deliveries(study), "the delivery")
    old = world.delivery(study)
    ask(world, study, only_missing=False)
    eventually(lambda: len(world.deliveries(study)) == 2, "the new delivery")
    with world.database.write() as session:
        late = Delivered(study.images[0].receipt_id, 0)
        queries.record_delivered(session, old.id, [late], world.clock())
    assert world.state(study) == StudyState.COMPLETE
    world.change_destination(paused=False)
    eventually(lambda: world.state(study) == StudyState.SENT, "all of it")
    assert sorted(pacs.has()) == sorted(study.uids)


def test_a_destination_that_went_meanwhile_is_noted(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(1)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    world.change_destination(enabled=False)
    ask(world, study, only_missing=False)
    eventually(lambda: requests(world, study), "the request")
    ask(world, study, None)
    eventually(lambda: len(requests(world, study)) == 2, "the other request")
    assert [detail.partition(": ")[2] for detail in requests(world, study)] == [
        "nothing is sent: pacs was disabled or deleted meanwhile",
        "nothing is sent: no destination is enabled",
    ]
    assert world.state(study) == StudyState.SENT


def test_a_study_that_was_deleted_meanwhile_is_not_sent(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(1)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    world.change_study(study, deleted=True)
    ask(world, study, only_missing=False)
    eventually(lambda: requests(world, study), "the request")
    assert requests(world, study)[0].endswith("nothing is sent: the study was deleted meanwhile")
    assert len(world.deliveries(study)) == 1


def test_superseded_bytes_are_not_sent_again(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    newer = world.replace(study, study.images[0])
    world.complete(study)
    eventually(lambda: len(pacs.has()) == 3, "the newer bytes")
    eventually(lambda: world.state(study) == StudyState.SENT, "the revision")
    ask(world, study, only_missing=False)
    eventually(lambda: len(pacs.has()) == 5, "both images again")
    assert [each.sha256 for each in pacs.stored].count(newer.sha256) == 2


def test_what_can_not_be_sent_any_more_is_told(world: World, pacs: Pacs) -> None:
    """Two images are deleted as sent, a late one comes, and another destination wants all."""
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    with world.database.write() as session:
        for image in study.images:
            row = session.get(Receipt, image.receipt_id)
            assert row is not None
            row.on_disk = False
    world.receive(study, 1)
    world.complete(study)
    eventually(lambda: world.state(study) == StudyState.SENT, "the late image to be sent")
    with Pacs("LATER") as later:
        world.add_destination(later, "later")
        ask(world, study, None)
        eventually(lambda: len(later.has()) == 1, "what there is")
    gone = "2 that it was not sent are no longer on this disk"
    assert requests(world, study) == [
        f"ada asked to send what is missing to later: 1 image; {gone}",
        "ada asked to send what is missing to pacs: nothing is missing",
    ]
