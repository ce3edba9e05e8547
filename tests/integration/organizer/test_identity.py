"""An image of another patient is kept and shown; if wanted, the study waits for a person."""

import json
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select
from structlog.testing import capture_logs

from dicom_router.ledger import attention_paid, lock_study, refresh_state
from dicom_router.models import StudyState, TimelineEntry
from dicom_router.part10 import FileMeta, encode_file_meta
from services.organizer.identity import AND_MORE, CONFLICT
from services.organizer.intake import Intake
from services.organizer.takeover import Takeover
from tests.integration.organizer.conftest import Bench
from tests.support.instances import CT_IMAGE_STORAGE, data_set


def receive(bench: Bench, study: str, *patient_ids: str | None, hold: bool = False) -> None:
    """One image with each of these PatientIDs, in one batch."""
    scanner = bench.scanner(generate_uid()[-16:].replace(".", "0"))
    intake = Intake(
        bench.archive, bench.database, bench.relay, "/test", bench.clock, hold_conflicts=hold
    )
    uids = [generate_uid() for _ in patient_ids]
    intake.organize(
        [
            scanner.store(
                data_set(StudyInstanceUID=study, SOPInstanceUID=uid, PatientID=given), uid
            )
            for uid, given in zip(uids, patient_ids, strict=True)
        ]
    )


def timeline(bench: Bench, study: str, event: str) -> list[TimelineEntry]:
    with bench.database.read() as session:
        return list(
            session.scalars(
                select(TimelineEntry)
                .where(TimelineEntry.study_uid == study, TimelineEntry.event == event)
                .order_by(TimelineEntry.id)
            )
        )


def release(bench: Bench, study: str) -> None:
    """As an operator does who has looked."""
    with bench.database.write() as session:
        row = lock_study(session, study)
        assert row is not None
        row.held, row.hold_reason = False, None
        attention_paid(row)
        refresh_state(session, row, bench.clock())


def test_an_image_of_another_patient_is_kept_and_calls_for_attention_once(bench: Bench) -> None:
    study = str(generate_uid())
    receive(bench, study, "P001", "P002", "P002")
    receive(bench, study, "P002")
    row = bench.study(study)
    assert (row.image_count, len(bench.files())) == (4, 4)
    assert (row.patient_id, row.other_patient_ids) == ("P001", ["P002"])
    assert row.needs_attention
    (item,) = row.attention
    assert item["kind"] == CONFLICT
    (entry,) = timeline(bench, study, CONFLICT)
    assert "'P001'" in entry.detail
    assert "'P002'" in entry.detail
    assert (row.held, row.state) == (False, StudyState.RECEIVING)


def test_each_further_patient_id_is_told(bench: Bench) -> None:
    study = str(generate_uid())
    receive(bench, study, "P001", "P002", "P003")
    row = bench.study(study)
    assert len(timeline(bench, study, CONFLICT)) == 2
    (item,) = row.attention
    assert "'P002', 'P003'" in item["text"]


@pytest.mark.parametrize("given", ["P001", " P001 ", "P001 ", None, "", "  "])
def test_padding_and_an_empty_patient_id_are_no_conflict(bench: Bench, given: str | None) -> None:
    study = str(generate_uid())
    receive(bench, study, "P001", given)
    row = bench.study(study)
    assert (row.patient_id, row.needs_attention, row.other_patient_ids) == ("P001", False, [])


@pytest.mark.parametrize("given", ["p001", "0P001", "P-001"])
def test_what_looks_alike_is_not_taken_for_the_same(bench: Bench, given: str) -> None:
    study = str(generate_uid())
    receive(bench, study, "P001", given)
    assert bench.study(study).other_patient_ids == [given]


def test_a_study_without_patient_id_adopts_the_first_one_and_keeps_its_folder(bench: Bench) -> None:
    study = str(generate_uid())
    receive(bench, study, None)
    folder = bench.study(study).folder
    receive(bench, study, "P001")
    row = bench.study(study)
    assert (row.patient_id, row.folder, row.needs_attention) == ("P001", folder, False)
    receive(bench, study, "P002")
    assert bench.study(study).needs_attention


def test_with_hold_the_study_is_held_in_the_transaction_that_takes_the_image_in(
    bench: Bench,
) -> None:
    study = str(generate_uid())
    receive(bench, study, "P001", hold=True)
    assert not bench.study(study).held
    receive(bench, study, "P002", hold=True)
    row = bench.study(study)
    assert (row.held, row.state) == (True, StudyState.HELD)
    assert row.hold_reason is not None
    assert "'P002'" in row.hold_reason
    (entry,) = timeline(bench, study, "held")
    assert entry.data["by"] == "router"


def test_after_a_release_the_same_id_does_not_hold_again_and_another_does(bench: Bench) -> None:
    study = str(generate_uid())
    receive(bench, study, "P001", "P002", hold=True)
    release(bench, study)
    receive(bench, study, "P002", hold=True)
    row = bench.study(study)
    assert (row.held, row.needs_attention) == (False, False)
    receive(bench, study, "P003", hold=True)
    row = bench.study(study)
    assert (row.held, row.needs_attention) == (True, True)


def test_so_many_patient_ids_are_kept_and_another_still_holds_after_a_release(
    bench: Bench,
) -> None:
    study = str(generate_uid())
    receive(bench, study, *(f"P{number:03}" for number in range(104)), hold=True)
    row = bench.study(study)
    assert row.other_patient_ids == [*(f"P{number:03}" for number in range(1, 101)), AND_MORE]
    assert row.attention[0]["text"].count("and 95 more or yet more") == 1
    assert len(timeline(bench, study, CONFLICT)) == 100
    release(bench, study)
    receive(bench, study, "P999", hold=True)
    row = bench.study(study)
    assert (row.held, row.needs_attention, len(row.other_patient_ids)) == (True, True, 101)


def test_an_image_that_replaces_another_counts_as_well(bench: Bench) -> None:
    study, uid, scanner = str(generate_uid()), generate_uid(), bench.scanner()
    for patient_id in ("P001", "P002"):
        encoded = data_set(StudyInstanceUID=study, SOPInstanceUID=uid, PatientID=patient_id)
        bench.intake.organize([scanner.store(encoded, uid)])
    assert bench.study(study).other_patient_ids == ["P002"]


def test_a_conflict_that_a_crash_left_between_assignment_and_move_is_found_by_the_sweep(
    bench: Bench,
) -> None:
    study, uid = str(generate_uid()), generate_uid()
    receive(bench, study, "P001")
    event = bench.scanner().store(data_set(StudyInstanceUID=study, PatientID="P002"), uid)
    path = bench.archive.path(event.spool_path)
    bench.intake._assign([bench.intake._inspect(event)])  # type: ignore[list-item]
    assert path.is_file()
    assert not bench.study(study).needs_attention
    bench.clock.forward(days=400)
    bench.sweep.run()
    assert bench.study(study).other_patient_ids == ["P002"]


def test_the_log_names_no_patient(bench: Bench) -> None:
    with capture_logs() as lines:
        receive(bench, str(generate_uid()), "P00123456", "P00765432", hold=True)
    assert any(line["event"] == "identity.conflict" for line in lines)
    assert "P007" not in json.dumps(lines, default=str)


@pytest.mark.parametrize("hold", [False, True])
def test_two_patients_in_a_folder_that_is_taken_over_are_found(bench: Bench, hold: bool) -> None:
    study = str(generate_uid())
    folder = bench.archive.root / "20260122_141530_P001_DOE_JOHN"
    folder.mkdir()
    for patient_id in ("P001", "P001", "P002"):
        write_old_file(folder, study, patient_id)
    Takeover(bench.archive, bench.database, bench.clock, hold_conflicts=hold).run()
    row = bench.study(study)
    assert (row.needs_attention, len(row.other_patient_ids), row.held) == (True, 1, hold)


def test_a_history_that_wrote_the_patient_id_in_another_shape_is_no_conflict(bench: Bench) -> None:
    study, folder = str(generate_uid()), "20260122_141530_P_001_DOE_JOHN"
    (bench.archive.root / folder).mkdir()
    write_old_file(bench.archive.root / folder, study, "P-001")
    entry = {"folder": folder, "patient_id": "P_001", "study_uid": study, "image_count": 1}
    bench.archive.history_path.write_text(json.dumps({study: entry}), "utf-8")
    bench.takeover().run()
    receive(bench, study, "P-001")
    row = bench.study(study)
    assert (row.patient_id, row.needs_attention) == ("P-001", False)


def write_old_file(folder: Path, study: str, patient_id: str) -> None:
    uid = str(generate_uid())
    meta = FileMeta(CT_IMAGE_STORAGE, uid, ExplicitVRLittleEndian)
    encoded = data_set(StudyInstanceUID=study, SOPInstanceUID=uid, PatientID=patient_id)
    (folder / f"CT.{uid}.dcm").write_bytes(encode_file_meta(meta) + encoded)
