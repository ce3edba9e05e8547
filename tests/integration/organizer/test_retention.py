"""Only what was delivered is ever deleted, and it is remembered that it was."""

import pytest
from pydicom.uid import generate_uid

from dicom_router.models import StudyState
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set


def complete_study(bench: Bench) -> str:
    study, scanner = str(generate_uid()), bench.scanner()
    bench.intake.organize(
        [scanner.store(data_set(StudyInstanceUID=study), generate_uid()) for _ in range(2)]
    )
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    return study


def test_a_sent_study_goes_at_once_by_default_and_is_remembered(bench: Bench) -> None:
    study = complete_study(bench)
    bench.mark_sent(study)
    bench.retention().run()
    row = bench.study(study)
    assert (row.on_disk, row.state, row.image_count) == (False, StudyState.SENT, 2)
    assert bench.archive.study_folders() == []
    assert [e["data"]["why"] for e in bench.outbox("study-deleted")] == ["retention"]


def test_a_study_is_kept_for_the_hours_that_are_set(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTER_RETENTION_HOURS", "24")
    study = complete_study(bench)
    bench.mark_sent(study)
    bench.clock.forward(hours=23)
    bench.retention().run()
    assert bench.study(study).on_disk
    bench.clock.forward(hours=2)
    bench.retention().run()
    assert not bench.study(study).on_disk


def test_what_was_not_delivered_is_never_deleted(bench: Bench) -> None:
    study = complete_study(bench)
    bench.clock.forward(days=1000)
    bench.retention().run()
    assert bench.study(study).on_disk
    assert len(bench.files()) == 2


def test_an_image_that_came_late_keeps_the_study(bench: Bench) -> None:
    study = complete_study(bench)
    bench.mark_sent(study)
    late = bench.scanner("b" * 16).store(data_set(StudyInstanceUID=study), generate_uid())
    bench.intake.organize([late])
    bench.retention().run()
    assert len(bench.files()) == 3


def test_an_image_that_is_moved_and_not_yet_recorded_is_never_deleted(bench: Bench) -> None:
    study, scanner = str(generate_uid()), bench.scanner()
    uid = generate_uid()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=study), uid)])
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    bench.mark_sent(study)
    newer = scanner.store(data_set(StudyInstanceUID=study, StudyDescription="NEW"), uid)
    bench.intake._assign([r for r in [bench.intake._inspect(newer)] if r])
    target = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    bench.archive.path(newer.spool_path).rename(target)  # and then the commit failed
    bench.retention().run()
    assert target.exists()
    bench.intake.finish([newer.receipt_id])
    assert bench.study(study).image_count == 1
    assert bench.study(study).state == StudyState.RECEIVING


def test_newer_bytes_that_an_older_database_lacks_are_never_deleted(bench: Bench) -> None:
    study, uid = str(generate_uid()), generate_uid()
    old = bench.scanner().store(data_set(StudyInstanceUID=study), uid)
    bench.intake.organize([old])
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    bench.mark_sent(study)
    encoded = data_set(StudyInstanceUID=study, StudyDescription="NEW")
    newer = bench.scanner("b" * 16).store(encoded, uid)
    path = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    bench.archive.path(newer.spool_path).rename(path)  # of that the database went back from
    bench.retention().run()
    assert path.read_bytes().endswith(encoded)
    bench.sweep.folders.run()
    assert bench.study(study).state == StudyState.RECEIVING
    assert bench.receipts()[newer.receipt_id].on_disk


def test_an_image_whose_file_is_nowhere_does_not_keep_its_study_for_ever(bench: Bench) -> None:
    study = complete_study(bench)
    bench.mark_sent(study)
    lost = bench.scanner("b" * 16).store(data_set(StudyInstanceUID=study), generate_uid())
    bench.intake._assign([r for r in [bench.intake._inspect(lost)] if r])
    bench.retention().run()
    assert bench.study(study).on_disk
    bench.archive.path(lost.spool_path).unlink()
    bench.retention().run()
    assert not bench.study(study).on_disk


def test_minus_one_keeps_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_RETENTION_HOURS", "-1")
    study = complete_study(bench)
    bench.mark_sent(study)
    bench.clock.forward(days=1000)
    bench.retention().run()
    assert bench.study(study).on_disk


def test_a_full_disk_takes_the_oldest_sent_study_whatever_is_set(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTER_RETENTION_HOURS", "-1")
    monkeypatch.setenv("ROUTER_DISK_MIN_FREE_PERCENT", "99.9")
    sent, unsent = complete_study(bench), complete_study(bench)
    bench.mark_sent(sent)
    bench.retention().run()
    assert not bench.study(sent).on_disk
    assert bench.study(unsent).on_disk
    assert [e["data"]["why"] for e in bench.outbox("study-deleted")] == ["disk"]


def test_a_file_that_is_not_ours_stays_and_so_does_the_folder(bench: Bench) -> None:
    study = complete_study(bench)
    bench.mark_sent(study)
    folder = bench.study(study).folder
    (bench.archive.root / folder / "notes.txt").write_text("keep me")
    bench.retention().run()
    assert list(bench.files()) == [f"{folder}/notes.txt"]
    assert not bench.study(study).on_disk
