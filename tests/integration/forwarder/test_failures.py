"""An instance's own failure is tried again after 10 s, 1 min and 10 min; the rest goes on."""

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from dicom_router.events import DeliveryFailed, DeliveryRetry, DestinationDown, StudyForwarded
from dicom_router.models import DeliveryInstanceState, DeliveryState, StudyState
from tests.integration.forwarder.world import StudyAtHand, World, eventually
from tests.support.pacs import Pacs


def _attempted(world: World, study: StudyAtHand, attempt: int) -> bool:
    return any(
        each.attempt == attempt and each.state != DeliveryState.SENDING
        for each in world.deliveries(study)
    )


def test_a_refused_image_is_tried_four_times_and_the_others_arrive(
    world: World, pacs: Pacs
) -> None:
    world.add_destination(pacs)
    study = world.add_study(6)
    bad = study.uids[2]
    pacs.status_of[bad] = 0xC000
    world.start()
    for attempt, seconds in ((1, 10), (2, 60), (3, 600)):
        eventually(partial(_attempted, world, study, attempt), f"attempt {attempt}")
        delivery = world.delivery(study)
        assert delivery.state == DeliveryState.RETRYING
        assert delivery.next_attempt_at is not None
        assert (delivery.next_attempt_at - world.clock()).total_seconds() == seconds
        assert pacs.asked.count(bad) == attempt
        world.clock.advance(seconds=seconds - 1)
        assert not world.dead_letters()
        world.clock.advance(seconds=1)
    eventually(world.dead_letters, "the dead letter")
    assert pacs.asked.count(bad) == 4
    assert sorted(pacs.has()) == sorted(set(study.uids) - {bad})
    assert world.outage() is None
    assert world.state(study) == StudyState.FAILED


def test_a_final_failure_says_why_everywhere(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study(2)
    pacs.status_of[study.uids[0]] = 0x0122
    pacs.comment = "no such class"
    world.start()
    world.pass_time(world.dead_letters, "the dead letter", most=1000, step=60)
    delivery = world.delivery(study)
    assert (delivery.state, delivery.attempt) == (DeliveryState.FAILED, 4)
    assert delivery.reason == {
        "kind": "refused",
        "dicom_status": 0x0122,
        "text": "pacs refused an image with status 0x0122",
        "said": {
            "template": "{destination} refused an image with status 0x{status:04X}",
            "values": {"destination": "pacs", "status": 0x0122},
        },
    }
    instance = world.instances(delivery)[study.images[0].receipt_id]
    assert instance.state == DeliveryInstanceState.FAILED
    assert instance.detail == "pacs refused an image with status 0x0122 (no such class)"
    event, detail = world.timeline(study)[-1]
    assert event == "delivery-failed"
    assert detail.startswith("pacs: 1 of 2 images. pacs refused an image with status 0x0122")
    eventually(
        lambda: (
            [
                (each.attempt, each.final)
                for each in world.events_of(DeliveryFailed)
                if isinstance(each, DeliveryFailed)
            ]
            == [(1, False), (2, False), (3, False), (4, True)]
        ),
        "the four events",
    )
    (letter,) = world.dead_letters()
    assert letter.headers["x-attempt"] == 4
    assert letter.headers["x-last-error"] == "pacs refused an image with status 0x0122"
    assert letter.headers["x-study-uid"] == study.uid
    assert "x-first-failed-at" in letter.headers


def test_what_failed_is_sent_when_a_person_says_so(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study(3)
    pacs.status_of[study.uids[1]] = 0x0110
    world.start()
    world.pass_time(
        lambda: world.state(study) == StudyState.FAILED, "the failure", most=1000, step=60
    )
    pacs.status_of.clear()
    world.tell(
        DeliveryRetry(delivery_id=world.delivery(study).id, by="an operator", at=world.clock())
    )
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert pacs.repeats == 0
    eventually(lambda: len(world.events_of(StudyForwarded)) == 1, "one event")


def test_an_image_that_heals_meanwhile_ends_the_retries(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study(3)
    pacs.status_of[study.uids[0]] = 0x0110
    world.start()
    eventually(lambda: _attempted(world, study, 1), "the first attempt")
    assert world.state(study) == StudyState.FORWARDING
    eventually(lambda: world.depths() == {".retry.10s": 1}, "the message to wait")
    pacs.status_of.clear()
    world.clock.advance(seconds=10)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert pacs.repeats == 0


def test_a_syntax_that_the_pacs_does_not_take_fails_its_images_only(
    world: World, pacs: Pacs
) -> None:
    pacs.transfer_syntaxes = [ExplicitVRLittleEndian]
    world.add_destination(pacs)
    study = world.add_study(4, transfer_syntaxes=[ExplicitVRLittleEndian, JPEG2000Lossless])
    world.start()
    eventually(lambda: _attempted(world, study, 1), "the first attempt")
    delivery = world.delivery(study)
    assert len(pacs.has()) == 2
    assert delivery.reason is not None
    assert delivery.reason["kind"] == "not-accepted"
    assert delivery.reason["text"] == (
        "pacs does not accept CT Image Storage in JPEG 2000 Image Compression (Lossless Only)"
    )
    assert world.events_of(DestinationDown) == []


def test_the_third_abort_at_an_image_is_its_own_failure(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    study = world.add_study(6)
    poison = study.images[2]
    pacs.aborts_at = {poison.sop_instance_uid}
    world.start()
    eventually(world.outage, "the first abort")
    world.pass_time(lambda: len(pacs.has()) == 5, "the others, once one got through", most=35)
    world.pass_time(lambda: _attempted(world, study, 1), "its own failure", most=120)
    instance = world.instances(world.delivery(study))[poison.receipt_id]
    assert (instance.aborts, instance.attempts) == (3, 1)
    world.pass_time(world.dead_letters, "the dead letter", most=1000, step=60)
    assert world.outage() is None
    assert pacs.asked.count(poison.sop_instance_uid) == 6
    assert pacs.repeats == 0


def test_other_studies_pass_a_poisonous_one(world: World, pacs: Pacs) -> None:
    world.add_destination(pacs)
    poisoned = world.add_study(1)
    pacs.aborts_at = set(poisoned.uids)
    world.start()
    eventually(world.outage, "the first abort")
    others = [world.add_study(2) for _ in range(3)]
    eventually(lambda: len(world.deliveries()) == 4, "all deliveries")
    world.pass_time(
        lambda: all(world.state(each) == StudyState.SENT for each in others), "the others", most=35
    )
    assert pacs.repeats == 0


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xA7FF])
def test_out_of_resources_is_an_outage_that_an_image_ends(
    world: World, pacs: Pacs, status: int
) -> None:
    world.add_destination(pacs)
    study = world.add_study(5)
    pacs.first_statuses = [0x0000, status, status, status]
    world.start()
    eventually(world.outage, "the outage")
    outage = world.outage()
    assert outage is not None
    assert outage.probe == "image"
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert world.delivery(study).attempt == 0
    assert pacs.repeats == 0
    assert len(world.events_of(DestinationDown)) == 1
    assert {each.attempts for each in world.instances(world.delivery(study)).values()} == {0}


def test_a_bad_sector_fails_its_image_and_keeps_nothing_else_from_going_out(
    world: World, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_destination(pacs)
    study, other = world.add_study(3), world.add_study(1)
    bad = study.images[0].path
    monkeypatch.setattr(os, "open", _unreadable(bad))
    world.start()
    eventually(lambda: world.state(other) == StudyState.SENT, "the other study")
    eventually(lambda: world.has_delivery(study, DeliveryState.RETRYING), "the rest")
    assert len(pacs.has()) == 3
    monkeypatch.undo()
    world.pass_time(lambda: world.state(study) == StudyState.SENT, "the image, once it is read")
    assert pacs.repeats == 0


def _unreadable(bad: Path) -> Callable[..., int]:
    """`os.open` on a disk with a bad sector."""
    really = os.open

    def opened(path: Any, *args: Any, **named: Any) -> int:
        if path == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(path, *args, **named)

    return opened
