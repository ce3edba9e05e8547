"""A data folder that an earlier version, or a lost database, left behind."""

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import delete, select
from structlog.testing import capture_logs

from dicom_router.archive import ReceiptId
from dicom_router.database import Database
from dicom_router.history import history_entry
from dicom_router.models import Receipt, Series, Study, StudyState, TimelineEntry
from dicom_router.part10 import FileMeta, encode_file_meta
from services.organizer.takeover import Takeover
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


def test_images_of_a_database_that_was_lost_keep_their_receipts(bench: Bench) -> None:
    event = bench.scanner().store(data_set(), generate_uid())
    bench.intake.organize([event])
    with bench.database.write() as session:
        for table in (Receipt, Series, Study):
            session.execute(delete(table))
    bench.takeover().run()
    (receipt,) = bench.receipts().values()
    # By which a forwarder knows that the file is the one it means to send.
    folder = bench.study(str(receipt.study_uid)).folder
    path = bench.archive.study_file(folder, str(receipt.file_name))
    assert bench.archive.receipt_in(path) == receipt.receipt_id == event.receipt_id


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


def notes(bench: Bench, study: str) -> int:
    with bench.database.read() as session:
        mine = select(TimelineEntry).where(TimelineEntry.study_uid == study)
        return len(session.scalars(mine).all())


def takeover_interrupted_by(bench: Bench, *what: Callable[[], None]) -> Takeover:
    """One that has other things happen, in turn, whenever it looks at the clock."""
    to_come = iter(what)

    def clock() -> datetime:
        next(to_come, lambda: None)()
        return bench.clock()

    return Takeover(bench.archive, bench.database, clock)


def nothing() -> None:
    pass


def test_a_folder_that_cannot_be_listed_keeps_no_other_from_being_taken_over(bench: Bench) -> None:
    first, last = str(generate_uid()), str(generate_uid())
    old_file(bench.archive.root / "20260122_141530_P001_DOE_JOHN", first)
    gone = bench.archive.root / "lost+found"
    gone.mkdir()
    old_file(bench.archive.root / "old studies", last)
    write_history(bench, old_entry(first, "20260122_141530_P001_DOE_JOHN", 1, None))
    with capture_logs() as logs:
        takeover_interrupted_by(bench, nothing, gone.rmdir).run()
    assert bench.study(first).image_count == bench.study(last).image_count == 1
    (left_alone,) = [line["why"] for line in logs if "why" in line]
    assert "a folder is left alone" in left_alone
    assert "lost+found" not in str(logs)


def test_two_organizers_at_once_make_each_row_note_and_loose_file_once(
    bench: Bench, database_url: str
) -> None:
    study, other = str(generate_uid()), str(generate_uid())
    folder = "20260122_141530_P001_DOE_JOHN"
    old_file(bench.archive.root / folder, study)
    strange = old_file(bench.archive.root / folder, other)
    write_history(bench, old_entry(study, folder, 1, None))
    with closing(Database(database_url)) as another:
        second = Takeover(bench.archive, another, bench.clock)
        # While the first holds what it has read, and writes nothing yet, the second does it all.
        takeover_interrupted_by(bench, nothing, second.run).run()
    assert bench.study(study).image_count == 1
    assert len(bench.receipts()) == 1
    assert notes(bench, study) == 1
    assert [path.name for path in bench.archive.loose_files()] == [f"CT.{strange}.dcm"]


def test_organizers_that_start_together_all_succeed(bench: Bench, database_url: str) -> None:
    entries = [old_entry(str(generate_uid()), f"20260122_141530_P{n}", 1, None) for n in range(20)]
    for entry in entries:
        old_file(bench.archive.root / entry["folder"], entry["study_uid"])
    write_history(bench, *entries)
    together, done = threading.Barrier(3), []

    def organizer() -> None:
        with closing(Database(database_url)) as database:
            together.wait()
            Takeover(bench.archive, database, bench.clock).run()
            done.append(True)

    threads = [threading.Thread(target=organizer) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 3
    assert len(bench.receipts()) == 20
    assert [notes(bench, entry["study_uid"]) for entry in entries] == [1] * 20


def test_a_takeover_that_was_stopped_is_begun_again(bench: Bench) -> None:
    first, last = str(generate_uid()), str(generate_uid())
    for study, folder in ((first, "20260122_141530_P001"), (last, "20260122_141530_P002")):
        old_file(bench.archive.root / folder, study)

    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # after all was written, before it counts as done
        takeover_interrupted_by(bench, nothing, nothing, nothing, stopped).run()
    assert bench.study(last).image_count == 1
    third = str(generate_uid())
    old_file(bench.archive.root / "20260122_141530_P003", third)
    bench.takeover().run()
    assert [notes(bench, study) for study in (first, last, third)] == [1, 1, 1]


def test_a_history_of_which_a_copy_was_kept_already_is_no_obstacle(bench: Bench) -> None:
    kept = bench.archive.root / ".metadata.json.unreadable"
    kept.write_text("{ the one from the first try")
    bench.archive.history_path.write_text("{ not JSON")
    study = str(generate_uid())
    old_file(bench.archive.root / "20260122_141530_P001_DOE_JOHN", study)
    bench.takeover().run()
    assert kept.read_text() == "{ the one from the first try"
    assert bench.study(study).image_count == 1


def test_a_time_of_another_form_becomes_a_stamp(bench: Bench) -> None:
    study = str(generate_uid())
    entry = old_entry(study, "20260122_141530_P001_DOE_JOHN", 1, "2026-01-22T14:18:45")
    write_history(bench, entry | {"created_at": "2026-01-22T14:15:30"})
    bench.takeover().run()
    assert bench.study(study).created_stamp == "20260122_141530"  # as the folder's name has it


@pytest.mark.parametrize(
    "values",
    [
        "no object",
        {"patient_id": "P\0001", "image_count": 2**70},
        {"patient_name": "D" * 5000, "modality": "M" * 5000, "created_at": 7},
        {"patient_id": ["a", "list"], "study_date": {"an": "object"}, "image_count": "many"},
        {"study_description": "\ud800", "created_at": "99999999_999999", "sent_at": 3.5},
        {"folder": "../outside"},
        {"folder": "f" * 5000},
        {"folder": ["no", "name"], "created_at": "00010101_000000"},
    ],
    ids=["text", "nul", "long", "types", "surrogate", "outside", "long-folder", "ancient"],
)
def test_a_bad_entry_keeps_no_other_from_being_taken_over(bench: Bench, values: Any) -> None:
    before, bad, after = (str(generate_uid()) for _ in range(3))
    made = old_entry(bad, "20260122_141530_BAD", 1, "20260122_141845")
    content = {
        before: old_entry(before, "20260122_141530_P001", 5, "20260122_141845"),
        bad: made | values if isinstance(values, dict) else values,
        after: old_entry(after, "20260122_141530_P002", 6, "20260122_141845"),
    }
    bench.archive.history_path.write_text(json.dumps(content), "utf-8")
    bench.takeover().run()
    assert (bench.study(before).image_count, bench.study(after).image_count) == (5, 6)
    if isinstance(values, dict):
        row = bench.study(bad)
        assert row.state == StudyState.SENT
        assert "/" not in row.folder
        assert len(row.created_stamp) == 15


def test_an_entry_that_is_refused_is_told_by_its_number_and_kept(bench: Bench) -> None:
    good, bad = str(generate_uid()), "1." * 500
    taken = "20260122_141530_SECRET"
    write_history(
        bench,
        old_entry(bad, taken, 1, "20260122_141845"),
        old_entry(good, "20260122_141530_P001", 5, "20260122_141845"),
    )
    before = bench.archive.history_path.read_text()
    with capture_logs() as logs:
        bench.takeover().run()
    assert bench.study(good).image_count == 5
    assert "entry 1 of .metadata.json is not taken over" in str(logs)
    assert "SECRET" not in str(logs)
    assert (bench.archive.root / ".metadata.json.unreadable").read_text() == before


def test_a_study_that_clashes_in_the_database_rolls_no_other_back(bench: Bench) -> None:
    there, clashing, good = (str(generate_uid()) for _ in range(3))
    scanner = bench.scanner()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=there), str(generate_uid()))])
    write_history(
        bench,
        old_entry(good, "20260122_141530_P001", 5, "20260122_141845"),
        old_entry(clashing, bench.study(there).folder, 1, "20260122_141845"),
    )
    bench.takeover().run()
    assert bench.study(good).image_count == 5
    assert notes(bench, good) == 1
    assert notes(bench, clashing) == 0


@pytest.mark.parametrize("sent_at", ["20260122_141845", None], ids=["sent", "unsent"])
def test_of_two_studies_in_one_folder_both_have_a_row(bench: Bench, sent_at: str | None) -> None:
    first, second = str(generate_uid()), str(generate_uid())
    folder = "20260122_141530_P001_DOE_JOHN"
    old_file(bench.archive.root / folder, first)
    name = f"CT.{old_file(bench.archive.root / folder, second)}.dcm"
    (bench.archive.root / f"{folder}_2").mkdir()  # that name is in use
    write_history(bench, old_entry(first, folder, 1, None), old_entry(second, folder, 1, sent_at))
    bench.takeover().run()
    assert (bench.study(first).folder, bench.study(first).image_count) == (folder, 1)
    row = bench.study(second)
    assert (row.folder, row.on_disk, notes(bench, second)) == (f"{folder}_3", False, 1)
    loose = [path.name for path in bench.archive.loose_files()]
    if sent_at:
        assert (row.state, row.image_count, loose) == (StudyState.SENT, 1, [])
        assert f"{folder}/{name}" in bench.files()
    else:
        assert (row.image_count, loose) == (0, [name])  # it counts once it has been taken in


_BLIP = """
    import os, signal, sys
    from dicom_router import process
    from dicom_router.errors import Unavailable

    class Service:
        tries = 0

        def start(self):
            self.tries += 1
            if self.tries == 1:
                raise Unavailable("a blip")
            os.kill(os.getpid(), signal.SIGTERM)

        def stop(self, timeout):
            print("stopped after try", self.tries)

    sys.exit(process.run("organizer", lambda *_: Service()))
"""


@pytest.mark.postgresql
def test_a_service_whose_start_finds_the_database_away_tries_again(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTER_DATABASE_URL", postgresql_url)
    monkeypatch.setenv("ROUTER_AMQP_URL", "amqp://127.0.0.1:9/")
    monkeypatch.setenv("ROUTER_DATA_DIR", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_BLIP)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "stopped after try 2" in done.stdout


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
    bench.sweep.run()
    (stored,) = bench.outbox("instance-stored")
    assert stored["id"] == str(receipt)
