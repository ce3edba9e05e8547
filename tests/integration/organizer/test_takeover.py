"""A data folder that an earlier version, or a lost database, left behind."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicom_router.archive import ReceiptId
from dicom_router.history import history_entry
from dicom_router.models import Study, StudyState
from dicom_router.part10 import FileMeta, encode_file_meta
from tests.integration.organizer.conftest import Bench
from tests.support.instances import CT_IMAGE_STORAGE, data_set


def old_file(folder: Path, study: str) -> str:
    folder.mkdir(exist_ok=True)
    uid = str(generate_uid())
    meta = FileMeta(CT_IMAGE_STORAGE, uid, ExplicitVRLittleEndian)
    content = encode_file_meta(meta) + data_set(StudyInstanceUID=study, SOPInstanceUID=uid)
    (folder / f"CT.{uid}.dcm").write_bytes(content)
    return uid


def old_entry(study: str, folder: str, images: int, sent_at: str | None) -> dict[str, Any]:
    return {
        "folder": folder,
        "patient_id": "P001",
        "patient_name": "DOE_JOHN",
        "study_uid": study,
        "study_date": "20260122",
        "study_time": "141530",
        "modality": "CT",
        "created_at": "20260122_141530",
        "image_count": images,
        "study_description": "CHEST CT",
        "sent": sent_at is not None,
        "sent_at": sent_at,
    }


def write_history(bench: Bench, *entries: dict[str, Any]) -> None:
    content = {entry["study_uid"]: entry for entry in entries}
    bench.archive.history_path.write_text(json.dumps(content), "utf-8")


def test_a_sent_study_keeps_its_history_and_is_not_sent_again(bench: Bench) -> None:
    study = str(generate_uid())
    entry = old_entry(study, "20260122_141530_P001_DOE_JOHN", 245, "20260122_141845")
    write_history(bench, entry)
    bench.takeover().run()
    row = bench.study(study)
    assert history_entry(row) == entry
    assert (row.state, row.revision, row.routed_revision) == (StudyState.SENT, 1, 1)


def test_an_unsent_study_completes_and_its_folder_stays(bench: Bench) -> None:
    study, folder = str(generate_uid()), "20260122_141530_P001_DOE_JOHN"
    for _ in range(3):
        old_file(bench.archive.root / folder, study)
    before = bench.files()
    write_history(bench, old_entry(study, folder, 3, None))
    bench.takeover().run()
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()
    assert bench.files() == before
    (event,) = bench.outbox("study-complete")
    assert event["data"]["new_instances"] == 3


def test_a_new_image_joins_the_old_folder_and_counts_on(bench: Bench) -> None:
    study, folder = str(generate_uid()), "20260122_141530_P001_DOE_JOHN"
    old_file(bench.archive.root / folder, study)
    write_history(bench, old_entry(study, folder, 4, None))
    bench.takeover().run()
    bench.intake.organize([bench.scanner().store(data_set(StudyInstanceUID=study), generate_uid())])
    row = bench.study(study)
    assert (row.folder, row.image_count) == (folder, 5)


def test_an_old_image_that_comes_again_is_told_by_its_bytes(bench: Bench) -> None:
    study, folder = str(generate_uid()), "20260122_141530_P001_DOE_JOHN"
    uid = old_file(bench.archive.root / folder, study)
    write_history(bench, old_entry(study, folder, 1, None))
    bench.takeover().run()
    (content,) = bench.files().values()
    bench.intake.organize([bench.scanner().store(data_set_of(content), uid)])
    assert bench.aside() == {}
    assert bench.study(study).image_count == 1


def data_set_of(content: bytes) -> bytes:
    meta = encode_file_meta(FileMeta(CT_IMAGE_STORAGE, _uid_in(content), ExplicitVRLittleEndian))
    return content[len(meta) :]


def _uid_in(content: bytes) -> str:
    start = content.index(b"\x02\x00\x03\x00UI") + 8
    length = int.from_bytes(content[start - 2 : start], "little")
    return content[start : start + length].strip(b"\0").decode()


def test_a_folder_without_history_is_read_from_its_files(bench: Bench) -> None:
    study, folder = str(generate_uid()), "20260122_141530_P001_DOE_JOHN"
    old_file(bench.archive.root / folder, study)
    bench.takeover().run()
    row = bench.study(study)
    assert (row.folder, row.patient_id, row.patient_name) == (folder, "P001", "DOE_JOHN")
    assert row.state == StudyState.RECEIVING


def test_a_file_of_another_study_becomes_a_loose_file(bench: Bench) -> None:
    study, other = str(generate_uid()), str(generate_uid())
    folder = "20260122_141530_P001_DOE_JOHN"
    old_file(bench.archive.root / folder, study)
    strange = old_file(bench.archive.root / folder, other)
    write_history(bench, old_entry(study, folder, 1, None))
    bench.takeover().run()
    assert [path.name for path in bench.archive.loose_files()] == [f"CT.{strange}.dcm"]


def test_it_is_done_once(bench: Bench) -> None:
    bench.takeover().run()
    study = str(generate_uid())
    write_history(bench, old_entry(study, "20260122_141530_P001_DOE_JOHN", 1, None))
    bench.takeover().run()
    with bench.database.read() as session:
        assert session.get(Study, study) is None


def test_a_history_that_cannot_be_read_is_kept(bench: Bench) -> None:
    bench.archive.history_path.write_text("{ not JSON")
    bench.takeover().run()
    kept = bench.archive.root / ".metadata.json.unreadable"
    assert kept.read_text() == "{ not JSON"


def test_a_folder_taken_over_is_deleted_only_once_retention_is_set(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = str(generate_uid()), "20260122_141530_P001_DOE_JOHN"
    old_file(bench.archive.root / folder, study)
    write_history(bench, old_entry(study, folder, 1, "20260122_141845"))
    bench.takeover().run()
    bench.retention().run()
    assert bench.study(study).on_disk
    monkeypatch.setenv("ROUTER_RETENTION_HOURS", "0")
    bench.retention().run()
    assert not bench.study(study).on_disk


def test_a_loose_file_is_taken_in_once_it_has_not_changed_for_5_s(bench: Bench) -> None:
    study = str(generate_uid())
    uid = old_file(bench.archive.root, study)
    loose = bench.loose()
    loose.run()
    bench.clock.forward(seconds=4)
    loose.run()
    assert bench.spooled() == []
    bench.clock.forward(seconds=2)
    loose.run()
    (stored,) = bench.outbox("instance-stored")
    assert stored["data"]["calling_ae_title"] == "FOLDER"
    assert stored["data"]["sop_instance_uid"] == uid
    (end,) = bench.outbox("association-released")
    assert end["data"]["receipts"] == 1
    assert list(bench.archive.loose_files()) == []
    bench.sweep.run()
    assert bench.study(study).image_count == 1


def test_a_loose_file_that_still_grows_is_left_alone(bench: Bench) -> None:
    path = bench.archive.root / "growing.dcm"
    loose = bench.loose()
    for size in range(5):
        path.write_bytes(b"x" * size)
        loose.run()
        bench.clock.forward(seconds=4)
    assert path.exists()


def test_a_loose_file_that_is_no_dicom_goes_to_quarantine(bench: Bench) -> None:
    (bench.archive.root / "holiday.dcm").write_bytes(b"a photograph" * 100)
    loose = bench.loose()
    loose.run()
    bench.clock.forward(seconds=6)
    loose.run()
    (reason,) = bench.aside().values()
    assert "no DICOM file" in reason


def test_a_symbolic_link_is_no_loose_file(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "outside.dcm").write_bytes(b"outside")
    (bench.archive.root / "link.dcm").symlink_to(tmp_path / "outside.dcm")
    loose = bench.loose()
    loose.run()
    bench.clock.forward(seconds=6)
    loose.run()
    assert (bench.archive.root / "link.dcm").is_symlink()


def test_a_claim_that_a_crash_left_behind_is_taken_up(bench: Bench) -> None:
    study = str(generate_uid())
    uid = old_file(bench.archive.root, study)
    receipt = ReceiptId(bench.clock(), "c" * 16, 1)
    bench.archive.claim(bench.archive.root / f"CT.{uid}.dcm", "folder", receipt)
    bench.clock.forward(seconds=61)
    bench.loose().run()
    (stored,) = bench.outbox("instance-stored")
    assert stored["id"] == str(receipt)
