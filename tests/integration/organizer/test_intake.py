"""From the spool into the study's folder, whatever happens on the way."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from dicom_router.archive import WrongFolder
from dicom_router.errors import TryAgain
from dicom_router.ledger import lock_studies
from dicom_router.models import Receipt, ReceiptState, Study, StudyState
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set


def test_the_images_of_a_study_end_in_one_folder_exactly_as_sent(bench: Bench) -> None:
    study, scanner = generate_uid(), bench.scanner()
    uids = [generate_uid() for _ in range(3)]
    sent = {uid: data_set(StudyInstanceUID=study, SOPInstanceUID=uid) for uid in uids}
    bench.intake.organize([scanner.store(encoded, uid) for uid, encoded in sent.items()])

    folder = bench.study(study).folder
    assert folder.endswith("_P001_DOE_JOHN")
    files = bench.files()
    assert files.keys() == {f"{folder}/CT.{uid}.dcm" for uid in uids}
    assert all(files[f"{folder}/CT.{uid}.dcm"].endswith(sent[uid]) for uid in uids)
    assert bench.spooled() == []
    row = bench.study(study)
    assert (row.image_count, row.state, row.study_time) == (3, StudyState.RECEIVING, "141530")


def test_an_event_that_comes_again_changes_nothing(bench: Bench) -> None:
    event = bench.scanner().store(data_set(), generate_uid())
    bench.intake.organize([event])
    before = bench.files()
    bench.intake.organize([event, event])
    assert bench.files() == before
    assert len(bench.receipts()) == 1


def test_two_studies_that_want_one_name_get_folders_of_their_own(bench: Bench) -> None:
    scanner, studies = bench.scanner(), [generate_uid() for _ in range(3)]
    bench.intake.organize(
        [scanner.store(data_set(StudyInstanceUID=uid), generate_uid()) for uid in studies]
    )
    folders = sorted(bench.study(uid).folder for uid in studies)
    assert [name.rpartition("DOE_JOHN")[2] for name in folders] == ["", "_2", "_3"]


def test_a_folder_that_someone_else_made_is_not_used(bench: Bench) -> None:
    scanner, first, second = bench.scanner(), generate_uid(), generate_uid()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=first), generate_uid())])
    (bench.archive.root / f"{bench.study(first).folder}_2").mkdir()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=second), generate_uid())])
    assert bench.study(second).folder.endswith("_3")


def test_organizers_at_once_make_one_folder_for_a_study(bench: Bench) -> None:
    study, scanner = generate_uid(), bench.scanner()
    events = [scanner.store(data_set(StudyInstanceUID=study), generate_uid()) for _ in range(40)]
    start = threading.Barrier(4)

    def organize(number: int) -> None:
        intake = bench.another_intake()
        start.wait(10)
        for event in events[number::4]:
            intake.organize([event])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(organize, range(4)))
    assert len(bench.archive.study_folders()) == 1
    assert bench.study(study).image_count == 40
    assert {each.state for each in bench.receipts().values()} == {ReceiptState.ORGANIZED}


def test_an_image_without_a_study_goes_to_quarantine_with_the_reason(bench: Bench) -> None:
    event = bench.scanner().store(data_set(StudyInstanceUID=None), generate_uid())
    bench.intake.organize([event])
    assert "no Study Instance UID" in bench.aside()[f"{event.receipt_id}.dcm"]
    assert bench.receipts()[event.receipt_id].state == ReceiptState.QUARANTINED
    assert [e["data"]["receipt_id"] for e in bench.outbox("instance-rejected")] == [
        event.receipt_id
    ]


def test_what_cannot_be_read_does_not_keep_the_others_from_their_folder(bench: Bench) -> None:
    scanner, study = bench.scanner(), generate_uid()
    bad = scanner.store(data_set()[:300], generate_uid())
    good = scanner.store(data_set(StudyInstanceUID=study), generate_uid())
    bench.intake.organize([bad, good])
    assert bench.study(study).image_count == 1
    assert f"{bad.receipt_id}.dcm" in bench.aside()


def test_a_crash_after_setting_a_file_aside_is_made_up_for(bench: Bench) -> None:
    event = bench.scanner().store(data_set(StudyInstanceUID=None), generate_uid())
    bench.archive.quarantine.put(
        bench.archive.path(event.spool_path), f"{event.receipt_id}.dcm", "it was bad"
    )
    with pytest.raises(TryAgain):
        bench.intake.organize([event])
    bench.sweep.run()
    receipt = bench.receipts()[event.receipt_id]
    assert (receipt.state, receipt.reason) == (ReceiptState.QUARANTINED, "it was bad")
    assert (receipt.association_id, receipt.sha256) == (event.association_id, event.sha256)
    bench.intake.organize([event])
    assert len(bench.outbox("instance-rejected")) == 1


def test_the_same_bytes_again_are_noted_and_kept_once(bench: Bench) -> None:
    uid, encoded = generate_uid(), data_set()
    scanner = bench.scanner()
    first, again = scanner.store(encoded, uid), scanner.store(encoded, uid)
    bench.intake.organize([first, again])
    states = {key: each.state for key, each in bench.receipts().items()}
    assert states == {
        first.receipt_id: ReceiptState.ORGANIZED,
        again.receipt_id: ReceiptState.DUPLICATE,
    }
    assert (len(bench.files()), bench.spooled(), bench.aside()) == (1, [], {})


def test_other_bytes_under_the_same_uid_supersede_and_both_are_kept(bench: Bench) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    old = data_set(StudyInstanceUID=study, StudyDescription="OLD")
    new = data_set(StudyInstanceUID=study, StudyDescription="NEW")
    first = scanner.store(old, uid)
    bench.intake.organize([first])
    bench.intake.organize([scanner.store(new, uid)])
    (content,) = bench.files().values()
    assert content.endswith(new)
    aside = bench.archive.root / ".quarantine" / f"{first.receipt_id}.dcm"
    assert aside.read_bytes().endswith(old)
    assert "superseded" in bench.aside()[aside.name]
    assert bench.study(study).image_count == 1


def test_a_crash_between_move_and_record_is_made_up_for(bench: Bench) -> None:
    study, uid = generate_uid(), generate_uid()
    event = bench.scanner().store(data_set(StudyInstanceUID=study), uid)
    bench.intake._assign([r for r in [bench.intake._inspect(event)] if r])
    bench.archive.place(
        bench.archive.path(event.spool_path), bench.study(study).folder, f"CT.{uid}.dcm"
    )
    bench.intake.organize([event])
    assert bench.receipts()[event.receipt_id].state == ReceiptState.ORGANIZED
    assert bench.study(study).image_count == 1


def test_a_series_is_known_though_its_images_were_moved_after_a_crash(bench: Bench) -> None:
    study = generate_uid()
    encoded = data_set(StudyInstanceUID=study, Modality="MR")
    event = bench.scanner().store(encoded, generate_uid(), at=bench.clock())
    bench.intake._assign([r for r in [bench.intake._inspect(event)] if r])
    bench.sweep.run()
    assert (bench.study(study).series_count, bench.study(study).modalities) == (1, ["MR"])


def test_an_image_that_was_moved_before_a_crash_is_recorded_before_newer_bytes_come(
    bench: Bench,
) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    first = scanner.store(data_set(StudyInstanceUID=study, StudyDescription="OLD"), uid)
    bench.intake._assign([r for r in [bench.intake._inspect(first)] if r])
    bench.archive.place(
        bench.archive.path(first.spool_path), bench.study(study).folder, f"CT.{uid}.dcm"
    )
    newer = scanner.store(data_set(StudyInstanceUID=study, StudyDescription="NEW"), uid)
    bench.intake.organize([newer])
    states = {key: each.state for key, each in bench.receipts().items()}
    assert states == {
        first.receipt_id: ReceiptState.SUPERSEDED,
        newer.receipt_id: ReceiptState.ORGANIZED,
    }
    assert bench.aside().keys() == {f"{first.receipt_id}.dcm"}


@pytest.mark.parametrize("versions", ["AB", "AAB", "ABA", "ABC", "ABB", "ABAB"])
def test_several_versions_whose_moves_were_not_recorded_end_as_if_they_had_been(
    bench: Bench, versions: str
) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    made = {
        version: data_set(StudyInstanceUID=study, SeriesInstanceUID="1.2", StudyDescription=version)
        for version in set(versions)
    }
    events = [scanner.store(made[version], uid) for version in versions]
    ids = [each.receipt_id for each in events]
    bench.intake._assign([r for r in map(bench.intake._inspect, events) if r])
    with bench.database.write() as session:
        bench.intake._move(session, lock_studies(session, Study.study_uid == study), ids)
        session.rollback()  # as if the database had gone away before the commit

    bench.sweep.run()

    receipts = bench.receipts()
    states = [receipts[receipt_id].state for receipt_id in ids]
    assert states[-1] == ReceiptState.ORGANIZED or versions[-1] == versions[-2]
    assert states.count(ReceiptState.ORGANIZED) == 1
    assert set(states) <= {
        ReceiptState.ORGANIZED,
        ReceiptState.SUPERSEDED,
        ReceiptState.DUPLICATE,
    }
    (content,) = bench.files().values()
    assert content.endswith(made[versions[-1]])
    for receipt_id, state in zip(ids, states, strict=True):
        if state == ReceiptState.SUPERSEDED:
            row = receipts[receipt_id]
            kept = bench.archive.path(str(row.file_name)).read_bytes()
            assert kept.endswith(made[versions[ids.index(receipt_id)]])
    assert bench.spooled() == []


def test_a_crash_in_the_middle_of_superseding_is_made_up_for(bench: Bench) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    first = scanner.store(data_set(StudyInstanceUID=study, StudyDescription="OLD"), uid)
    bench.intake.organize([first])
    folder = bench.study(study).folder
    new = data_set(StudyInstanceUID=study, StudyDescription="NEW")
    event = scanner.store(new, uid, at=bench.clock())
    bench.intake._assign([r for r in [bench.intake._inspect(event)] if r])
    target = bench.archive.study_file(folder, f"CT.{uid}.dcm")
    bench.archive.quarantine.put(target, f"{first.receipt_id}.dcm", "superseded")
    bench.archive.place(bench.archive.path(event.spool_path), folder, target.name)
    bench.sweep.run()
    (content,) = bench.files().values()
    assert content.endswith(new)
    assert f"{first.receipt_id}.dcm" in bench.aside()
    assert bench.receipts()[first.receipt_id].state == ReceiptState.SUPERSEDED


def test_nothing_is_set_aside_for_a_newer_file_that_is_nowhere(bench: Bench) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=study), uid)])
    before = bench.files()
    newer = scanner.store(data_set(StudyInstanceUID=study, StudyDescription="NEW"), uid)
    bench.intake._assign([r for r in [bench.intake._inspect(newer)] if r])
    bench.archive.path(newer.spool_path).unlink()
    assert bench.intake.finish([newer.receipt_id]) == [newer.receipt_id]
    assert (bench.files(), bench.aside()) == (before, {})


def test_the_same_bytes_again_replace_a_file_that_was_lost(bench: Bench) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    encoded = data_set(StudyInstanceUID=study)
    bench.intake.organize([scanner.store(encoded, uid)])
    (lost,) = bench.files()
    (bench.archive.root / lost).unlink()
    bench.intake.organize([scanner.store(encoded, uid)])
    assert list(bench.files()) == [lost]


def test_a_data_folder_that_is_away_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    event = bench.scanner().store(data_set(), generate_uid())
    bench.archive.root.rename(tmp_path / "away")
    bench.archive.root.mkdir()
    with pytest.raises(WrongFolder, match="mounted"):
        bench.intake.organize([event])
    assert list(bench.archive.root.iterdir()) == []
    bench.archive.root.rmdir()
    (tmp_path / "away").rename(bench.archive.root)
    bench.intake.organize([event])
    assert len(bench.files()) == 1


def test_a_folder_that_cannot_be_used_holds_up_its_own_study_only(bench: Bench) -> None:
    bad, good, scanner = str(generate_uid()), str(generate_uid()), bench.scanner()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=bad), generate_uid())])
    folder = bench.archive.root / bench.study(bad).folder
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("a file where the folder was")
    more = scanner.store(data_set(StudyInstanceUID=bad), generate_uid(), at=bench.clock())
    with pytest.raises(TryAgain):
        bench.intake.organize([more])
    scanner.store(data_set(StudyInstanceUID=good), generate_uid(), at=bench.clock())
    bench.sweep.run()
    assert bench.study(good).image_count == 1
    assert bench.sweep.swept.is_set()


def test_receipts_whose_files_are_gone_hide_no_others(bench: Bench) -> None:
    scanner = bench.scanner()
    events = [scanner.store(data_set(), generate_uid(), at=bench.clock()) for _ in range(130)]
    bench.intake._assign([r for r in map(bench.intake._inspect, events) if r])
    for each in events[:-1]:
        bench.archive.path(each.spool_path).unlink()
    bench.sweep.run()
    assert bench.receipts()[events[-1].receipt_id].state == ReceiptState.ORGANIZED
    assert len(bench.archive.study_folders()) == 1


def test_a_file_that_is_nowhere_is_asked_for_again_never_dropped(bench: Bench) -> None:
    scanner = bench.scanner()
    lost, good = (scanner.store(data_set(), generate_uid()) for _ in range(2))
    bench.archive.path(lost.spool_path).unlink()
    with pytest.raises(TryAgain, match="neither in the spool nor"):
        bench.intake.organize([lost, good])
    assert bench.receipts()[good.receipt_id].state == ReceiptState.ORGANIZED


def test_a_file_nobody_knows_is_set_aside_when_its_name_is_needed(bench: Bench) -> None:
    study, uid, scanner = generate_uid(), generate_uid(), bench.scanner()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=study), generate_uid())])
    stranger = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    stranger.write_bytes(b"someone's")
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=study), uid)])
    assert stranger.read_bytes() != b"someone's"
    aside = [p.read_bytes() for p in (bench.archive.root / ".quarantine").glob("*-before.dcm")]
    assert aside == [b"someone's"]
    (row,) = [r for r in bench.receipts().values() if r.state == ReceiptState.QUARANTINED]
    assert (bench.archive.root / str(row.file_name)).read_bytes() == b"someone's"


def test_the_sweep_takes_in_what_nobody_announced(bench: Bench) -> None:
    study = generate_uid()
    event = bench.scanner().store(
        data_set(StudyInstanceUID=study), generate_uid(), at=bench.clock()
    )
    bench.sweep.run()
    receipt = bench.receipts()[event.receipt_id]
    assert receipt.state == ReceiptState.ORGANIZED
    assert (receipt.sha256, receipt.size) == (event.sha256, event.size)
    assert bench.study(study).image_count == 1


def test_after_the_first_sweep_fresh_files_are_left_to_their_announcement(bench: Bench) -> None:
    bench.sweep.run()
    bench.scanner().store(data_set(), generate_uid(), at=bench.clock())
    bench.clock.forward(seconds=59)
    bench.sweep.run()
    assert len(bench.spooled()) == 1
    bench.clock.forward(seconds=2)
    bench.sweep.run()
    assert bench.spooled() == []


def test_what_came_before_the_clock_was_set_back_does_not_wait_for_that_time(
    bench: Bench,
) -> None:
    bench.sweep.run()
    ahead = bench.clock() + timedelta(days=365)
    bench.scanner().store(data_set(), generate_uid(), at=ahead)
    stranded = bench.scanner("b" * 16).store(data_set(), generate_uid(), at=ahead)
    bench.intake._assign([r for r in [bench.intake._inspect(stranded)] if r])
    bench.sweep.run()
    assert bench.spooled() == []
    assert {each.state for each in bench.receipts().values()} == {ReceiptState.ORGANIZED}


def test_one_bad_file_does_not_end_the_sweep(bench: Bench) -> None:
    good, study = bench.scanner(), str(generate_uid())
    bad = good.store(data_set(), generate_uid(), at=bench.clock())
    good.store(data_set(StudyInstanceUID=study), generate_uid(), at=bench.clock())
    path = bench.archive.path(bad.spool_path)
    path.unlink()
    path.symlink_to("/dev/null")
    bench.swept.clear()
    bench.sweep.run()
    assert bench.study(study).image_count == 1
    assert bench.sweep.swept.is_set()


def test_a_copy_of_what_has_ended_is_dropped_and_other_bytes_are_kept(bench: Bench) -> None:
    scanner = bench.scanner()
    event = scanner.store(data_set(), generate_uid(), at=bench.clock())
    other = scanner.store(data_set(), generate_uid(), at=bench.clock())
    path = bench.archive.path(event.spool_path)
    same, different = path.read_bytes(), bench.archive.path(other.spool_path).read_bytes()
    bench.intake.organize([event, other])
    path.write_bytes(same)
    bench.archive.path(other.spool_path).write_bytes(different + b"x")
    bench.sweep.run()
    bench.sweep.everything_next()
    bench.sweep.run()
    assert bench.spooled() == []
    assert list(bench.aside()) == [f"{other.receipt_id}-again.dcm"]
    row = bench.receipts()[f"{other.receipt_id}-again"]
    assert (row.state, row.reason) == (
        ReceiptState.QUARANTINED,
        "its receipt has ended with other bytes",
    )


def test_a_second_file_of_a_name_in_quarantine_needs_no_other_row(bench: Bench) -> None:
    event = bench.scanner().store(data_set(StudyInstanceUID=None), generate_uid())
    earlier = bench.archive.root / ".quarantine" / f"{event.receipt_id}.dcm"
    earlier.write_bytes(b"of another time")
    bench.intake.organize([event])
    rows = bench.receipts()
    assert rows[event.receipt_id].file_name == f".quarantine/{event.receipt_id}_2.dcm"
    bench.sweep.run()
    assert len(bench.receipts()) == len(rows)


def test_what_a_crash_kept_from_being_removed_from_quarantine_is_shown_again(bench: Bench) -> None:
    event = bench.scanner().store(data_set(StudyInstanceUID=None), generate_uid())
    bench.intake.organize([event])
    with bench.database.write() as session:
        session.get_one(Receipt, event.receipt_id).on_disk = False
    bench.sweep.run()
    assert bench.receipts()[event.receipt_id].on_disk


def test_temporary_files_go_once_nobody_writes_to_them(bench: Bench) -> None:
    bench.archive.older_history_path("2025-01")
    folders = ["", ".metadata.d/", ".quarantine/", ".spool/host-9/"]
    bench.archive.open_spool("host-9")
    left = [bench.archive.root / f"{folder}.x.part" for folder in folders]
    for path in left:
        path.write_bytes(b"half")
        os.utime(path, (bench.clock().timestamp(), bench.clock().timestamp()))
    bench.clock.forward(minutes=59)
    bench.sweep.run()
    assert all(path.exists() for path in left)
    bench.clock.forward(minutes=2)
    bench.sweep.run()
    assert not any(path.exists() for path in left)


def test_a_strange_file_in_the_spool_goes_to_quarantine(bench: Bench) -> None:
    folder = bench.archive.open_spool("host-9")
    (folder / "strange.dcm").write_bytes(b"no DICOM at all")
    bench.sweep.run()
    assert "no DICOM file" in bench.aside()["strange.dcm"]
    assert bench.spooled() == []
    assert bench.receipts()["strange"].state == ReceiptState.QUARANTINED
    assert len(bench.outbox("instance-rejected")) == 1


def test_what_lies_in_quarantine_without_a_row_gets_one_once(bench: Bench) -> None:
    folder = bench.archive.root / ".quarantine"
    (folder / "left.dcm").write_bytes(b"something")
    (folder / "left.dcm.reason.txt").write_text("a crash came between\n")
    (folder / "unexplained.dcm").write_bytes(b"something else")
    bench.sweep.run()
    bench.sweep.everything_next()
    bench.sweep.run()
    rows = {str(each.file_name): each.reason for each in bench.receipts().values()}
    assert rows == {
        ".quarantine/left.dcm": "a crash came between",
        ".quarantine/unexplained.dcm": "the reason is not known",
    }
    assert len(bench.outbox("instance-rejected")) == 2
