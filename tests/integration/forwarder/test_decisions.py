"""A study that is held, released or deleted while it is sent: what the API says is so at once."""

from collections.abc import Callable
from datetime import datetime

from dicom_router.database import Session
from dicom_router.events import StudyRelease
from dicom_router.ledger import lock_study
from dicom_router.models import BY_DELETION, DeliveryInstanceState, DeliveryState, Study, StudyState
from services.api.queries import decisions
from tests.integration.forwarder.test_resending import ask, requests
from tests.integration.forwarder.world import StudyAtHand, World, eventually
from tests.support.pacs import Pacs

Decision = Callable[[Session, Study, str, str, datetime], object]


def decide(world: World, study: StudyAtHand, decision: Decision) -> None:
    """As the API does it: it has taken effect when this returns."""
    with world.database.write() as session:
        row = lock_study(session, study.uid)
        assert row is not None
        decision(session, row, "ada", "a reason", world.clock())


def test_after_a_hold_only_the_image_in_hand_arrives_and_the_rest_once_released(
    world: World, pacs: Pacs
) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(10)
    eventually(lambda: pacs.asked, "an image in hand")
    decide(world, study, decisions.hold)
    assert world.state(study) == StudyState.HELD
    pacs.gate.set()
    other = world.add_study(1)
    eventually(lambda: world.state(other) == StudyState.SENT, "the worker to go on")
    assert len(set(pacs.has()) & set(study.uids)) == 1
    decide(world, study, decisions.release)
    world.tell(StudyRelease(study_uid=study.uid, by="ada"))
    eventually(lambda: world.state(study) == StudyState.SENT, "the rest")
    assert pacs.repeats == 0


def test_what_completes_while_it_is_held_waits(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study()
    world.receive(study, 2)
    decide(world, study, decisions.hold)
    world.complete(study)
    eventually(lambda: world.has_delivery(study, DeliveryState.WAITING), "its delivery")
    ask(world, study, only_missing=False)
    eventually(lambda: requests(world, study), "a request to send it")
    assert requests(world, study)[0].endswith("2 images, once the study is released")
    other = world.add_study(1)
    eventually(lambda: world.state(other) == StudyState.SENT, "the worker to be free")
    assert (world.state(study), pacs.has()) == (StudyState.HELD, other.uids)
    decide(world, study, decisions.release)
    eventually(lambda: world.state(study) == StudyState.SENT, "it, without a command")
    assert pacs.repeats == 0


def test_after_a_deletion_only_the_image_in_hand_arrives(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(10)
    eventually(lambda: pacs.asked, "an image in hand")
    decide(world, study, decisions.delete)
    for image in study.images:
        image.path.unlink()
    pacs.gate.set()
    other = world.add_study(1)
    eventually(lambda: world.state(other) == StudyState.SENT, "the worker to go on")
    assert len(set(pacs.has()) & set(study.uids)) == 1
    delivery = world.delivery(study)
    assert (delivery.state, delivery.replaced_by) == (DeliveryState.CANCELLED, BY_DELETION)
    arrived = [
        each
        for each in world.instances(delivery).values()
        if each.state == DeliveryInstanceState.DELIVERED
    ]
    assert len(arrived) == 1
    assert world.state(study) == StudyState.DELETED
