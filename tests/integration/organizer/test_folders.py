"""Study folders beside their rows: what the database does not know, what the folder lacks."""

from pathlib import Path

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import delete, select, update
from structlog.testing import capture_logs

from dicom_router.archive import DiskTrouble
from dicom_router.ledger import FILES_MISSING, call_attention, lock_study
from dicom_router.models import Receipt, ReceiptState, Series, Study, StudyState, TimelineEntry
from services.organizer import folders
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set


def organized(bench: Bench, study: str, *uids: str, **attributes: str) -> list[str]:
    """Instances of a study in its folder; their receipts."""
    scanner = bench.scanner()
    events = [
        scanner.store(data_set(StudyInstanceUID=study, SOPInstanceUID=uid, **attributes), uid)
        for uid in uids
    ]
    bench.intake.organize(events)
    return [event.receipt_id for event in events]


def completed(bench: Bench, study: str) -> None:
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    assert bench.study(study).revision == 1


def forget(bench: Bench, receipt_ids: list[str], study: str = "") -> None:
    """As a database is that went back to a backup from before these were received."""
    with bench.database.write() as session:
        session.execute(delete(Receipt).where(Receipt.receipt_id.in_(receipt_ids)))
        session.execute(delete(Series).where(Series.study_uid == study))
        session.execute(delete(Study).where(Study.study_uid == study))


def notes(bench: Bench, study: str, event: str) -> list[str]:
    with bench.database.read() as session:
        rows = session.scalars(
            select(TimelineEntry.detail).where(
                TimelineEntry.study_uid == study, TimelineEntry.event == event
            )
        )
        return list(rows)


def next_round(bench: Bench) -> None:
    bench.clock.forward(hours=1)
    bench.sweep.folders.run()


def test_images_that_an_older_database_lacks_are_taken_in_where_they_are(bench: Bench) -> None:
    study, uids = generate_uid(), [generate_uid() for _ in range(3)]
    receipts = organized(bench, study, *uids)
    before = bench.files()
    forget(bench, receipts[1:])
    bench.sweep.folders.run()
    assert bench.files() == before
    assert {key: each.state for key, each in bench.receipts().items()} == dict.fromkeys(
        receipts, ReceiptState.ORGANIZED
    )
    assert bench.study(study).image_count == 3
    assert len(notes(bench, study, "restored")) == 1
    next_round(bench)
    assert len(notes(bench, study, "restored")) == 1


def test_a_study_that_an_older_database_lacks_keeps_its_folder(bench: Bench) -> None:
    study = generate_uid()
    receipts = organized(bench, study, generate_uid(), generate_uid())
    was, before = bench.study(study), bench.files()
    forget(bench, receipts, study)
    bench.clock.forward(hours=20)
    bench.sweep.folders.run()
    now = bench.study(study)
    assert bench.files() == before
    assert (now.folder, now.created_stamp, now.image_count) == (was.folder, was.created_stamp, 2)
    assert set(bench.receipts()) == set(receipts)
    completed(bench, study)


def test_an_image_that_was_superseded_after_the_backup_is_the_newer_again(bench: Bench) -> None:
    study, uid = generate_uid(), generate_uid()
    (old,) = organized(bench, study, uid, StudyDescription="OLD")
    scanner = bench.scanner("b" * 16)
    newer = data_set(StudyInstanceUID=study, SOPInstanceUID=uid, StudyDescription="NEW")
    event = scanner.store(newer, uid)
    bench.intake.organize([event])
    forget(bench, [event.receipt_id])
    with bench.database.write() as session:
        row = session.get_one(Receipt, old)
        row.state, row.file_name, row.on_disk = ReceiptState.ORGANIZED, f"CT.{uid}.dcm", True
    bench.sweep.folders.run()
    (content,) = bench.files().values()
    assert content.endswith(newer)
    states = {key: each.state for key, each in bench.receipts().items()}
    assert states == {old: ReceiptState.SUPERSEDED, event.receipt_id: ReceiptState.ORGANIZED}


def test_the_same_bytes_that_came_again_after_the_backup_are_not_lost(bench: Bench) -> None:
    study, uid = generate_uid(), generate_uid()
    encoded = data_set(StudyInstanceUID=study, SOPInstanceUID=uid)
    first = bench.scanner().store(encoded, uid)
    bench.intake.organize([first])
    completed(bench, study)
    bench.mark_sent(study)
    again = bench.scanner("b" * 16).store(encoded, uid)
    bench.intake.organize([again])
    forget(bench, [again.receipt_id])
    with bench.database.write() as session:
        row = session.get_one(Receipt, first.receipt_id)
        row.state, row.on_disk, row.revision = ReceiptState.ORGANIZED, True, None
    bench.sweep.folders.run()
    (content,) = bench.files().values()
    assert content.endswith(encoded)
    assert bench.receipts()[again.receipt_id].state == ReceiptState.ORGANIZED


def test_a_missing_file_is_told_once_and_taken_back_when_it_is_there_again(bench: Bench) -> None:
    study, uid = generate_uid(), generate_uid()
    organized(bench, study, uid, generate_uid())
    path = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    aside = path.rename(bench.archive.root / "aside")
    bench.sweep.folders.run()
    next_round(bench)
    found = bench.study(study)
    assert found.needs_attention
    assert [each["kind"] for each in found.attention] == [folders.MISSING]
    (text,) = notes(bench, study, "missing")
    assert f"Not in the study's folder: 1 image (CT.{uid}.dcm). Put the files back" in text
    assert all(each.on_disk for each in bench.receipts().values())
    aside.rename(path)
    next_round(bench)
    assert not bench.study(study).needs_attention
    assert len(notes(bench, study, "found")) == 1
    path.rename(aside)
    next_round(bench)
    assert bench.study(study).needs_attention


def test_files_that_were_given_up_are_known_again_once_their_disk_is_back(bench: Bench) -> None:
    study, uids = generate_uid(), [generate_uid() for _ in range(2)]
    receipts = organized(bench, study, *uids)
    completed(bench, study)
    bench.mark_sent(study)
    with bench.database.write() as session:
        row = lock_study(session, study)
        assert row is not None
        row.on_disk = False
        call_attention(row, FILES_MISSING, "another folder was adopted", bench.clock())
        session.execute(update(Receipt).values(on_disk=False))
    folder = bench.study(study).folder
    bench.archive.study_file(folder, f"CT.{uids[1]}.dcm").rename(bench.archive.root / "aside")
    bench.sweep.folders.run()
    on_disk = {key: each.on_disk for key, each in bench.receipts().items()}
    assert on_disk == {receipts[0]: True, receipts[1]: False}
    assert bench.study(study).on_disk
    assert bench.study(study).needs_attention
    (bench.archive.root / "aside").rename(bench.archive.study_file(folder, f"CT.{uids[1]}.dcm"))
    next_round(bench)
    assert all(each.on_disk for each in bench.receipts().values())
    assert not bench.study(study).needs_attention
    assert len(notes(bench, study, "found")) == 3


def test_other_bytes_under_the_name_of_a_file_that_was_given_up_are_not_taken_for_it(
    bench: Bench,
) -> None:
    study, uid = generate_uid(), generate_uid()
    organized(bench, study, uid)
    path = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    path.write_bytes(b"something else")
    with bench.database.write() as session:
        session.execute(update(Receipt).values(on_disk=False))
        session.execute(update(Study).values(on_disk=False))
    bench.sweep.folders.run()
    assert not any(each.on_disk for each in bench.receipts().values())
    assert not bench.study(study).on_disk


def test_an_image_that_is_nowhere_calls_for_attention_after_an_hour_and_heals(
    bench: Bench,
) -> None:
    study, uid = str(generate_uid()), str(generate_uid())
    organized(bench, study, generate_uid())
    lost = bench.scanner("b" * 16).store(data_set(StudyInstanceUID=study, SOPInstanceUID=uid), uid)
    bench.intake._assign([r for r in [bench.intake._inspect(lost)] if r])
    path = bench.archive.path(lost.spool_path)
    aside = path.rename(bench.archive.root / "aside")
    bench.clock.forward(hours=24)
    with capture_logs() as lines:
        for _ in range(59):
            bench.sweep.run()
            bench.clock.forward(minutes=1)
    assert [line["event"] for line in lines] == ["instance.missing"]
    assert not bench.study(study).needs_attention
    for _ in range(2):
        bench.clock.forward(minutes=1)
        bench.sweep.run()
    next_round(bench)
    (item,) = bench.study(study).attention
    assert item["kind"] == "nowhere"
    (text,) = notes(bench, study, "nowhere")
    assert f"in the study's folder: 1 image ({uid}). Put" in text
    assert bench.receipts()[lost.receipt_id].state == ReceiptState.ASSIGNED
    aside.rename(path)
    bench.sweep.run()
    assert bench.receipts()[lost.receipt_id].state == ReceiptState.ORGANIZED


def test_a_folder_that_a_person_removed_after_sending_is_only_noted(bench: Bench) -> None:
    study, uid = generate_uid(), generate_uid()
    organized(bench, study, uid)
    completed(bench, study)
    bench.mark_sent(study)
    bench.archive.remove_study_files(bench.study(study).folder, [f"CT.{uid}.dcm"])
    bench.sweep.folders.run()
    row = bench.study(study)
    assert (row.state, row.on_disk, row.needs_attention) == (StudyState.SENT, False, False)
    assert len(notes(bench, study, "missing")) == 1


def test_a_data_folder_that_is_away_is_no_missing_file(bench: Bench, tmp_path: Path) -> None:
    study = generate_uid()
    organized(bench, study, generate_uid())
    bench.archive.root.rename(tmp_path / "away")
    bench.archive.root.mkdir()
    with pytest.raises(DiskTrouble):
        bench.sweep.folders.run()
    assert not bench.study(study).needs_attention


def test_what_is_not_the_routers_stays_as_it_is(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    study = generate_uid()
    organized(bench, study, generate_uid())
    notice = bench.archive.study_file(bench.study(study).folder, "notice.txt")
    notice.write_text("mine")
    other = bench.archive.root / "holiday_pictures_2026"
    other.mkdir()
    (other / "beach.jpg").write_bytes(b"sand")
    for _ in range(3):
        next_round(bench)
    assert (notice.read_text(), (other / "beach.jpg").read_bytes()) == ("mine", b"sand")
    assert len(bench.receipts()) == 1
    told = capsys.readouterr().out
    assert told.count("folder.unknown-files") == 2
    assert "DOE_JOHN" not in told
    assert "pictures_2026" not in told


def test_a_few_folders_are_looked_at_at_a_time_and_all_once_an_hour(bench: Bench) -> None:
    many = folders.AT_A_TIME + 1
    for number in range(many):
        (bench.archive.root / f"2026{number:04}").mkdir()
        (bench.archive.root / f"2026{number:04}" / "file").write_bytes(b"")
    looked_at = []
    for _ in range(3):
        bench.sweep.folders.run()
        looked_at.append(len(bench.sweep.folders._told))
    assert looked_at == [folders.AT_A_TIME, many, many]
