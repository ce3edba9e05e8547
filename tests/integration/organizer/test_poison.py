"""A message that the organizer cannot handle takes no others with it, and its image is not lost."""

from dataclasses import replace

from pydicom.uid import generate_uid

from dicom_router.bus.memory import MemoryBus
from dicom_router.events import message
from dicom_router.models import ReceiptState
from dicom_router.queues import INTAKE
from dicom_router.tasks import Task
from services.organizer.handlers import Handlers
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set
from tests.support.waiting import wait_for

STUDY = str(generate_uid())


def test_one_bad_message_of_a_hundred_is_parked_and_the_others_are_done_once(bench: Bench) -> None:
    scanner, idle = bench.scanner(), Task("idle", lambda: None, every=1)
    handlers = Handlers(bench.intake, bench.quarantine(), bench.database, idle, idle, bench.clock)
    stored = [
        scanner.store(data_set(StudyInstanceUID=STUDY), generate_uid(), at=bench.clock())
        for _ in range(100)
    ]
    messages = [message(each, id=each.receipt_id, source="/receiver/test") for each in stored]
    messages[50] = replace(messages[50], body=b"torn")
    bus = MemoryBus()
    bus.declare(INTAKE)
    for each in messages:
        bus.publish(each).result(5)

    bus.consume(INTAKE, handlers.on_intake, batch=100)
    wait_for(lambda: bench.spooled()[1:] == [], "99 images to be organized")
    wait_for(lambda: bus.depths([INTAKE])[-1].messages == 1, "the bad one to be parked")
    bus.close(5)  # and forgets its dead letters

    assert len(bench.files()) == bench.study(STUDY).image_count == 99
    assert [path.stem for path in bench.spooled()] == [stored[50].receipt_id]
    bench.sweep.run()  # at the next start
    assert len(bench.files()) == bench.study(STUDY).image_count == 100
    assert {each.state for each in bench.receipts().values()} == {ReceiptState.ORGANIZED}
