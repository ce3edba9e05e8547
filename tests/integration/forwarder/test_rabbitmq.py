"""On RabbitMQ: two forwarders share the queues that operators see."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.models import StudyState
from tests.integration.forwarder.world import World, eventually
from tests.support.pacs import Pacs

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]


@pytest.fixture
def world(tmp_path: Path, postgresql_url: str, amqp_url: str) -> Iterator[World]:
    bus = RabbitBus(amqp_url, name="forwarder@test:1")
    with closing(World(tmp_path, postgresql_url, bus)) as made:
        yield made


def test_two_forwarders_share_the_work(world: World, pacs: Pacs) -> None:
    world.start()
    world.start()
    world.add_destination(pacs)
    studies = [world.add_study(4) for _ in range(6)]
    eventually(lambda: all(world.state(each) == StudyState.SENT for each in studies), "all", 30)
    assert pacs.repeats == 0
    assert len(pacs.has()) == 24


def test_what_waits_is_seen_in_its_queue(world: World, pacs: Pacs) -> None:
    world.start()
    world.add_destination(pacs, paused=True)
    study = world.add_study(2)
    eventually(lambda: world.depths() == {".retry.30s": 1}, "the message to wait")
    world.change_destination(paused=False)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")


def test_what_waits_for_a_destination_that_is_new_is_seen_as_well(world: World, pacs: Pacs) -> None:
    world.start()
    world.insert_destination(pacs, paused=True)
    world.add_study(2)
    eventually(lambda: world.depths() == {".retry.30s": 1}, "the message to wait")


def test_queues_go_with_their_destination(world: World, pacs: Pacs) -> None:
    world.start()
    world.add_destination(pacs)
    study = world.add_study(2)
    eventually(lambda: world.state(study) == StudyState.SENT, "the study to be sent")
    assert _queues(world)
    world.delete_destination()
    eventually(lambda: not _queues(world), "the queues to be gone", 60)


def _queues(world: World) -> list[str]:
    return [each.name for each in world.bus.depths() if "deliver.pacs" in each.name]
