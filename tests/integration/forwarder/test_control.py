"""What people decide: paused, disabled, deleted, held, cancelled; destinations that come later."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from dicom_router.events import DeliveryFailed, DeliveryRetry
from dicom_router.models import DeliveryInstanceState, DeliveryState, StudyState
from dicom_router.outbox import OutboxRelay
from dicom_router.queues import delivery_queue
from dicom_router.tls import Reloading, TlsFiles, client_context
from services.api.queries import decisions
from services.api.queries.deliveries import lock_delivery
from services.forwarder.deliveries import Deliveries
from services.forwarder.destinations import Destinations, Worker
from services.forwarder.messages import Due, wake_up
from services.forwarder.outages import Outages
from services.forwarder.sending import Sender
from services.forwarder.writing import Stopping, Writer
from tests.integration.forwarder.world import TIMEOUTS, StudyAtHand, World, eventually
from tests.support.pacs import Pacs


def test_what_is_owed_to_a_paused_destination_waits(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.depths().get(".retry.30s"), "its message to wait visibly")
    assert world.delivery(study).state == DeliveryState.WAITING
    assert pacs.calls == 0
    world.change_destination(paused=False)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


def test_pausing_stops_after_the_image_in_hand(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(10)
    eventually(lambda: pacs.asked, "an image in hand")
    world.change_destination(paused=True)
    pacs.gate.set()
    eventually(lambda: world.has_delivery(study, DeliveryState.RETRYING), "the rest to wait")
    assert len(pacs.has()) == 1
    world.change_destination(paused=False)
    eventually(lambda: world.state(study) == StudyState.SENT, "the rest")
    assert pacs.repeats == 0


def test_holding_a_study_stops_after_the_image_in_hand(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(10)
    eventually(lambda: pacs.asked, "an image in hand")
    world.change_study(study, held=True)
    other = world.add_study(2)
    pacs.gate.set()
    eventually(lambda: world.state(other) == StudyState.SENT, "the other study")
    assert len(set(pacs.has()) & set(study.uids)) == 1
    assert world.state(study) == StudyState.HELD
    world.change_study(study, held=False)
    eventually(lambda: world.state(study) == StudyState.SENT, "the rest")
    assert pacs.repeats == 0


def test_nothing_new_is_owed_to_a_disabled_destination(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    owed = world.add_study(2)
    eventually(lambda: world.deliveries(owed), "what is owed")
    world.change_destination(enabled=False, paused=False)
    eventually(lambda: world.state(owed) == StudyState.SENT, "what was owed already")
    new = world.add_study(2)
    eventually(lambda: world.state(new) == StudyState.UNROUTED, "the new one")
    assert world.deliveries(new) == []


def test_an_unrouted_study_goes_to_the_first_destination_there_is(world: World, pacs: Pacs) -> None:
    world.start()
    study = world.add_study(3)
    eventually(lambda: world.state(study) == StudyState.UNROUTED, "no destination")
    world.receive(study, 2)
    world.complete(study)
    eventually(lambda: world.state(study) == StudyState.UNROUTED, "still none")
    world.add_destination(pacs)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert sorted(pacs.has()) == sorted(study.uids)


def test_a_later_destination_gets_new_studies_only(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    old = world.add_study(2)
    eventually(lambda: world.state(old) == StudyState.SENT, "the old one")
    with Pacs("LATER") as later:
        world.add_destination(later, "later")
        new = world.add_study(3)
        eventually(lambda: world.state(new) == StudyState.SENT, "the new one")
        assert sorted(later.has()) == sorted(new.uids)


def test_a_revision_that_nobody_is_owed_keeps_the_study_from_being_sent(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the first revision")
    world.change_destination(enabled=False)
    world.receive(study, 1)
    world.complete(study)
    eventually(lambda: world.state(study) == StudyState.UNROUTED, "the second, owed to nobody")
    world.change_destination(enabled=True)
    eventually(lambda: world.state(study) == StudyState.SENT, "all of it")
    assert sorted(pacs.has()) == sorted(study.uids)


def test_what_an_earlier_version_sent_is_not_sent_again(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study()
    world.receive(study, 3)
    world.complete(study, announce=False)
    world.change_study(study, taken_over=True, taken_over_sent=True, routed_revision=1)
    world.start()
    (late,) = world.receive(study, 1)
    world.complete(study)
    eventually(lambda: world.deliveries(study), "a delivery of the late image")
    eventually(lambda: world.state(study) == StudyState.SENT, "the late image")
    assert pacs.has() == [late.sop_instance_uid]


def test_a_deleted_destination_gets_nothing_and_its_queues_go(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.depths().get(".retry.30s"), "a message that waits")
    world.delete_destination()
    eventually(lambda: world.has_delivery(study, DeliveryState.CANCELLED), "the cancellation")
    assert world.state(study) == StudyState.FAILED
    assert pacs.calls == 0


def test_the_empty_queues_of_a_deleted_destination_are_deleted(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    world.delete_destination()
    eventually(lambda: not any("deliver.pacs" in each.name for each in world.bus.depths()), "gone")
    world.add_destination(pacs)
    new = world.add_study(2)
    eventually(lambda: world.state(new) == StudyState.SENT, "a destination of the same name")


def test_two_forwarders_delete_the_queues_of_a_deleted_destination(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs)
    world.start()
    world.start()
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    world.delete_destination()
    eventually(lambda: not any("deliver.pacs" in each.name for each in world.bus.depths()), "gone")


@pytest.fixture
def two(world: World) -> Iterator[list[Destinations]]:
    """The destinations of two forwarders without their tasks."""
    stopping = Stopping()
    relay = OutboxRelay(world.database, world.bus, "forwarder")
    writer = Writer(world.database, relay, "/forwarder/test", world.clock, stopping)
    deliveries = Deliveries(writer, "forwarder@test:1")
    sender = Sender(world.archive, deliveries, Outages(writer), stopping, TIMEOUTS, 0.0)
    tls = Reloading(TlsFiles.of_dicom(world.settings), client_context)
    worker = partial(
        Worker, writer=writer, sender=sender, tls=tls, own_ae_title="ROUTER", every=0.05
    )
    made = [Destinations(world.bus, writer, lambda name: [worker(name)]) for _ in range(2)]
    yield made
    stopping.set()
    for each in made:
        each.stop(5)
    stopping.close()


def test_the_last_forwarder_to_leave_a_queue_deletes_it(
    world: World, pacs: Pacs, two: list[Destinations]
) -> None:
    world.add_destination(pacs)
    for each in two:
        each.reload()
    world.delete_destination()
    for each in two:
        each.reload()
    first, last = two
    first.delete_queues()
    first.delete_queues()
    assert _consumers(world) == [1]
    last.delete_queues()
    assert _consumers(world) == []
    first.delete_queues()
    world.add_destination(pacs)
    for each in two:
        each.reload()
        each.delete_queues()
    assert _consumers(world) == [2]


def test_a_queue_that_somebody_still_wrote_to_is_emptied_and_then_deleted(
    world: World, pacs: Pacs, two: list[Destinations]
) -> None:
    world.add_destination(pacs)
    first, last = two
    for each in two:
        each.reload()
    world.delete_destination()
    for each in two:
        each.reload()
    first.delete_queues()
    last.stop(5)
    world.bus.publish(wake_up(Due("none", "1.2.3", "pacs"), "/test", world.clock())).result(5)
    first.delete_queues()
    eventually(lambda: not world.depths(), "the late message to be looked at")
    first.delete_queues()
    assert _consumers(world) == []


def _consumers(world: World) -> list[int]:
    name = delivery_queue("pacs").name
    return [each.consumers for each in world.bus.depths() if each.name == name]


def cancel(world: World, study: StudyAtHand) -> None:
    """As the API does it: it has taken effect when this returns."""
    with world.database.write() as session:
        locked = lock_delivery(session, world.delivery(study).id)
        assert locked is not None
        decisions.cancel(session, *locked, "an operator", world.clock())


def test_the_later_of_retry_and_cancel_wins_in_whichever_order_they_are_carried_out(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs, paused=True)
    world.start()
    cancelled_last, retried_last = world.add_study(1), world.add_study(1)
    for each in (cancelled_last, retried_last):
        eventually(lambda study=each: world.deliveries(study), "its delivery")  # type: ignore[misc]
        cancel(world, each)
    world.change_destination(paused=False)
    for each, asked_at in (
        (cancelled_last, world.clock() - timedelta(seconds=1)),
        (retried_last, world.clock()),
    ):
        world.tell(DeliveryRetry(delivery_id=world.delivery(each).id, by="ada", at=asked_at))
    eventually(lambda: world.state(retried_last) == StudyState.SENT, "the later one")
    assert world.delivery(cancelled_last).state == DeliveryState.CANCELLED
    assert pacs.has() == retried_last.uids


def test_a_cancelled_delivery_never_counts_as_delivered(world: World, pacs: Pacs) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    world.start()
    study = world.add_study(10)
    eventually(lambda: pacs.asked, "an image in hand")
    cancel(world, study)
    pacs.gate.set()
    other = world.add_study(1)
    eventually(lambda: world.state(other) == StudyState.SENT, "the worker to go on")
    assert len(set(pacs.has()) & set(study.uids)) == 1
    assert world.state(study) == StudyState.FAILED
    arrived = [
        each
        for each in world.instances(world.delivery(study)).values()
        if each.state == DeliveryInstanceState.DELIVERED
    ]
    assert len(arrived) == 1
    assert world.events_of(DeliveryFailed) == []
