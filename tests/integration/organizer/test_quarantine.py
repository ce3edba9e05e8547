"""Files in quarantine: taken in once more, or removed, whatever happens on the way."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom.uid import generate_uid

from dicom_router.archive import SpoolFile
from dicom_router.errors import TryAgain
from dicom_router.events import InstanceStored
from dicom_router.models import ReceiptState, TimelineEntry
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set

STUDY = str(generate_uid())


class PowerCut(Exception):
    """The process ends here."""


def superseded(bench: Bench) -> tuple[str, str, bytes, bytes]:
    """An instance that came twice: the older receipt, its UID, the older bytes, the newer."""
    uid, scanner = str(generate_uid()), bench.scanner()
    old = data_set(StudyInstanceUID=STUDY, StudyDescription="OLD")
    new = data_set(StudyInstanceUID=STUDY, StudyDescription="NEW")
    first = scanner.store(old, uid)
    bench.intake.organize([first])
    bench.intake.organize([scanner.store(new, uid)])
    return first.receipt_id, uid, old, new


def unreadable(bench: Bench) -> str:
    """An instance that names no study."""
    event = bench.scanner().store(data_set(StudyInstanceUID=None), generate_uid())
    bench.intake.organize([event])
    return event.receipt_id


def mended(bench: Bench, receipt_id: str) -> str:
    """As if the router had learned to read it: its file is one that can be organized."""
    path = bench.archive.root / ".quarantine" / f"{receipt_id}.dcm"
    uid = str(generate_uid())
    whole = bench.scanner("b" * 16).store(data_set(StudyInstanceUID=STUDY), uid)
    bench.archive.path(whole.spool_path).rename(path)
    return uid


def announcements(bench: Bench) -> list[InstanceStored]:
    return [InstanceStored.model_validate(e["data"]) for e in bench.outbox("instance-stored")]


def timeline(bench: Bench) -> list[str]:
    with bench.database.read() as session:
        return [row.event for row in session.query(TimelineEntry).order_by(TimelineEntry.id)]


def test_what_can_be_organized_by_now_is_taken_in(bench: Bench) -> None:
    receipt_id = unreadable(bench)
    mended(bench, receipt_id)
    bench.quarantine().retry(receipt_id, "ada", bench.clock())
    bench.intake.organize(announcements(bench))
    assert bench.study(STUDY).image_count == 1
    assert bench.aside() == {}
    old = bench.receipts()[receipt_id]
    assert (old.state, old.on_disk) == (ReceiptState.QUARANTINED, False)
    assert "taken in again as" in (old.reason or "")
    assert "for ada" in (old.reason or "")
    (end,) = bench.outbox("association-released")
    assert end["data"]["calling_ae_title"] == "CT1"  # who sent it in the first place


def test_what_still_cannot_be_organized_stays_with_its_reason(bench: Bench) -> None:
    receipt_id = unreadable(bench)
    path = bench.archive.root / ".quarantine" / f"{receipt_id}.dcm"
    path.write_bytes(b"no DICOM at all")
    bench.quarantine().retry(receipt_id, "ada", bench.clock())
    assert path.exists()
    row = bench.receipts()[receipt_id]
    assert (row.state, row.on_disk) == (ReceiptState.QUARANTINED, True)
    assert "no DICOM file" in (row.reason or "")
    assert "no DICOM file" in bench.aside()[path.name]
    assert announcements(bench) == []


def test_superseded_bytes_become_the_newest_and_the_others_go_aside(bench: Bench) -> None:
    receipt_id, _uid, old, new = superseded(bench)
    bench.quarantine().retry(receipt_id, "ada", bench.clock())
    (stored,) = announcements(bench)
    bench.intake.organize([stored])
    (content,) = bench.files().values()
    assert content.endswith(old)
    (aside,) = (bench.archive.root / ".quarantine").glob("*.dcm")
    assert aside.read_bytes().endswith(new)
    # A receipt of its own: what was delivered of the older one does not count for it.
    assert bench.receipts()[stored.receipt_id].state == ReceiptState.ORGANIZED
    assert bench.study(STUDY).image_count == 1
    assert "quarantine-retried" in timeline(bench)


@pytest.mark.parametrize("step", ["new_spool_file", "relative", "remove_quarantined"])
def test_a_retry_that_is_cut_off_is_finished_when_the_command_comes_again(
    bench: Bench, step: str
) -> None:
    receipt_id, _uid, old, _new = superseded(bench)
    asked_at = bench.clock()
    cut = bench.quarantine()
    cut._archive = _CutOff(bench.archive, step)  # type: ignore[assignment]
    try:
        cut.retry(receipt_id, "ada", asked_at)
    except PowerCut:
        bench.sweep.everything_next()
        bench.sweep.run()  # at the next start
    bench.quarantine().retry(receipt_id, "ada", asked_at)
    bench.intake.organize(announcements(bench))
    bench.sweep.everything_next()
    bench.sweep.run()
    (content,) = bench.files().values()
    assert content.endswith(old)
    assert bench.spooled() == []
    states = sorted(each.state for each in bench.receipts().values())
    assert states == ["organized", "superseded", "superseded"]
    assert len(list((bench.archive.root / ".quarantine").glob("*.dcm"))) == 1


def test_a_copy_that_was_spooled_before_a_crash_is_taken_in_once(bench: Bench) -> None:
    receipt_id, _uid, old, _new = superseded(bench)
    cut, asked_at = bench.quarantine(), bench.clock()
    cut._relay = _CutOff(bench.relay, "wake")  # type: ignore[assignment]
    with pytest.raises(PowerCut):
        cut.retry(receipt_id, "ada", asked_at)
    assert len(bench.spooled()) == 1
    bench.sweep.everything_next()
    bench.sweep.run()
    bench.quarantine().retry(receipt_id, "ada", asked_at)
    bench.intake.organize(announcements(bench))
    bench.intake.organize(announcements(bench))
    (content,) = bench.files().values()
    assert content.endswith(old)
    assert len(bench.receipts()) == 3


def test_a_copy_that_another_organizer_is_writing_is_left_to_it(bench: Bench) -> None:
    receipt_id, _uid, old, _new = superseded(bench)
    bench.clock.now = datetime.now(UTC)
    inner, asked_at = bench.quarantine(), bench.clock()

    class Redelivered:
        """The command comes again, elsewhere, while the copy is being written."""

        def __getattr__(self, name: str) -> object:
            return getattr(bench.archive, name)

        def new_spool_file(self, *args: Any) -> SpoolFile:
            file = bench.archive.new_spool_file(*args)
            with pytest.raises(TryAgain):
                bench.quarantine().retry(receipt_id, "ada", asked_at)
            return file

    inner._archive = Redelivered()  # type: ignore[assignment]
    inner.retry(receipt_id, "ada", asked_at)
    bench.intake.organize(announcements(bench))
    (content,) = bench.files().values()
    assert content.endswith(old)


def test_a_copy_that_goes_missing_does_not_cost_the_file(bench: Bench) -> None:
    receipt_id, *_ = superseded(bench)
    path = bench.archive.root / ".quarantine" / f"{receipt_id}.dcm"
    inner = bench.quarantine()

    class Lost:
        """Somebody removes the copy before it has its name."""

        def __getattr__(self, name: str) -> object:
            return getattr(bench.archive, name)

        def new_spool_file(self, *args: Any) -> SpoolFile:
            file = bench.archive.new_spool_file(*args)
            file._temporary.unlink()
            return file

    inner._archive = Lost()  # type: ignore[assignment]
    with pytest.raises(TryAgain):
        inner.retry(receipt_id, "ada", bench.clock())
    assert path.exists()
    bench.quarantine().retry(receipt_id, "ada", bench.clock())
    assert len(announcements(bench)) == 1


def test_asking_twice_takes_a_file_in_once(bench: Bench) -> None:
    receipt_id, *_ = superseded(bench)
    for _ in range(2):
        bench.quarantine().retry(receipt_id, "ada", bench.clock())
        bench.clock.forward(seconds=1)
    assert len(announcements(bench)) == 1


def test_a_deleted_file_is_gone_with_its_reason_and_its_row_says_who(bench: Bench) -> None:
    receipt_id, *_ = superseded(bench)
    for _ in range(2):
        bench.quarantine().delete(receipt_id, "ada")
    assert list((bench.archive.root / ".quarantine").iterdir()) == []
    row = bench.receipts()[receipt_id]
    assert (row.state, row.on_disk) == (ReceiptState.SUPERSEDED, False)
    assert "; deleted by ada (" in (row.reason or "")
    assert timeline(bench).count("quarantine-deleted") == 1
    assert len(bench.files()) == 1


def test_what_is_not_in_quarantine_is_left_alone(bench: Bench) -> None:
    event = bench.scanner().store(data_set(StudyInstanceUID=STUDY), generate_uid())
    bench.intake.organize([event])
    before = bench.files()
    for receipt_id in (event.receipt_id, "no-such-receipt"):
        bench.quarantine().retry(receipt_id, "ada", bench.clock())
        bench.quarantine().delete(receipt_id, "ada")
    assert bench.files() == before
    assert bench.receipts()[event.receipt_id].on_disk


class _CutOff:
    """Something real, up to one call of it at which the power goes."""

    def __init__(self, real: object, call: str) -> None:
        self._real, self._call = real, call

    def __getattr__(self, name: str) -> object:
        if name == self._call:
            raise PowerCut
        return getattr(self._real, name)
