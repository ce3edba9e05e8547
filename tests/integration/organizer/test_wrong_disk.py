"""With another disk in the place of its own, the organizer deletes, loses and writes nothing."""

from collections.abc import Callable

import pytest
from pydicom.uid import generate_uid

from dicom_router.archive import WrongFolder
from dicom_router.models import ReceiptState
from services.organizer.projection import HistoryFile
from tests.integration.organizer.conftest import Bench
from tests.integration.organizer.test_retention import complete_study
from tests.support.disk import Disk
from tests.support.instances import data_set


@pytest.fixture(params=[Disk.unmount, Disk.swap], ids=["unmounted", "swapped"])
def take_away(request: pytest.FixtureRequest) -> Callable[[Disk], None]:
    """How the right disk goes."""
    how: Callable[[Disk], None] = request.param
    return how


@pytest.fixture
def disk(bench: Bench) -> Disk:
    assert bench.archive.identity.is_right()  # and known by its id from now on
    return Disk(bench.archive.root)


def test_retention_deletes_nothing_and_forgets_nothing(
    bench: Bench, disk: Disk, take_away: Callable[[Disk], None]
) -> None:
    study = complete_study(bench)
    bench.mark_sent(study)
    take_away(disk)
    with pytest.raises(WrongFolder):
        bench.retention().run()
    assert bench.study(study).on_disk
    assert bench.outbox("study-deleted") == []
    disk.mount()
    assert len(bench.files()) == 2
    bench.retention().run()
    assert not bench.study(study).on_disk


def test_no_image_is_taken_for_missing(
    bench: Bench, disk: Disk, take_away: Callable[[Disk], None]
) -> None:
    study, uid, scanner = str(generate_uid()), generate_uid(), bench.scanner()
    encoded = data_set(StudyInstanceUID=study, SOPInstanceUID=uid)
    bench.intake.organize([scanner.store(encoded, uid)])
    again = scanner.store(encoded, uid, at=bench.clock())
    other = bench.scanner("b" * 16)
    new = other.store(data_set(StudyInstanceUID=study), generate_uid(), at=bench.clock())
    bench.intake._assign([bench.intake._inspect(new)])  # type: ignore[list-item]
    take_away(disk)
    before = disk.everything()
    with pytest.raises(WrongFolder):
        bench.intake.organize([again])
    with pytest.raises(WrongFolder):
        bench.intake.finish([new.receipt_id])
    states = {each.state: each.on_disk for each in bench.receipts().values()}
    assert states == {ReceiptState.ORGANIZED: True, ReceiptState.ASSIGNED: True}
    assert disk.everything() == before
    disk.mount()
    bench.sweep.run()
    assert sorted(each.state for each in bench.receipts().values()) == [
        ReceiptState.DUPLICATE,
        ReceiptState.ORGANIZED,
        ReceiptState.ORGANIZED,
    ]


def test_the_history_is_not_written_there(
    bench: Bench, disk: Disk, take_away: Callable[[Disk], None]
) -> None:
    complete_study(bench)
    take_away(disk)
    before = disk.everything()
    history = HistoryFile(bench.archive, bench.database, "organizer@test")
    with pytest.raises(WrongFolder):
        history.write_if_changed()
    assert disk.everything() == before
    disk.mount()
    history.write_if_changed()
    assert bench.archive.history_path.is_file()
