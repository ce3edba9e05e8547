"""While another disk is in the place of the images, no delivery fails for it."""

from collections.abc import Callable

import pytest

from dicom_router.models import DeliveryState, StudyState
from tests.integration.forwarder.world import World, eventually
from tests.support.disk import Disk
from tests.support.pacs import Pacs


@pytest.mark.parametrize("take_away", [Disk.unmount, Disk.swap], ids=["unmounted", "swapped"])
def test_a_delivery_waits_for_its_disk_and_uses_up_no_attempt(
    world: World, pacs: Pacs, take_away: Callable[[Disk], None]
) -> None:
    pacs.gate.clear()
    world.add_destination(pacs)
    study = world.add_study(4)
    world.start()
    eventually(lambda: pacs.asked, "an image in hand")
    disk = Disk(world.archive.root)
    take_away(disk)
    before = disk.everything()
    pacs.gate.set()
    eventually(lambda: world.has_delivery(study, DeliveryState.RETRYING), "the rest to wait")
    (delivery,) = world.deliveries(study)
    assert {each.attempts for each in world.instances(delivery).values()} == {0}
    started = [event for event, _ in world.timeline(study) if event == "delivery-started"]
    assert len(started) == 1
    assert disk.everything() == before
    disk.mount()
    eventually(lambda: world.state(study) == StudyState.SENT, "the rest", 60)
    assert pacs.repeats == 0
    assert "delivery-failed" not in [event for event, _ in world.timeline(study)]
