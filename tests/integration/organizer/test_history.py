"""`.metadata.json`: a projection of the database that is replaced whole and never goes back."""

import json
from typing import Any

from pydicom.uid import generate_uid

from dicom_router.history import history_entry
from services.organizer.projection import HistoryFile
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set


def history(bench: Bench) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(bench.archive.history_path.read_text("utf-8"))
    return content


def add_study(bench: Bench, **attributes: object) -> str:
    study = str(generate_uid())
    event = bench.scanner().store(data_set(StudyInstanceUID=study, **attributes), generate_uid())
    bench.intake.organize([event])
    return study


def test_the_file_says_what_the_database_says(bench: Bench) -> None:
    study = add_study(bench, StudyDescription="TÓRAX", PatientName="SILVA^JOÃO")
    HistoryFile(bench.archive, bench.database, "o1").write_if_changed()
    assert history(bench) == {study: history_entry(bench.study(study))}
    entry = history(bench)[study]
    assert (entry["image_count"], entry["sent"], entry["sent_at"]) == (1, False, None)
    assert (entry["study_date"], entry["study_time"]) == ("20260122", "141530")


def test_a_second_writing_renders_what_changed_and_keeps_the_rest(bench: Bench) -> None:
    writer = HistoryFile(bench.archive, bench.database, "o1")
    first = add_study(bench)
    writer.write_if_changed()
    second = add_study(bench)
    writer.write_if_changed()
    assert history(bench).keys() == {first, second}


def test_organizers_that_take_turns_lose_no_entry(bench: Bench) -> None:
    one = HistoryFile(bench.archive, bench.database, "o1")
    other = HistoryFile(bench.archive, bench.database, "o2")
    studies = set()
    for writer in (one, other, one, one, other):
        studies.add(add_study(bench))
        writer.write_if_changed()
        assert history(bench).keys() == studies


def test_nothing_is_written_while_nothing_changes(bench: Bench) -> None:
    add_study(bench)
    writer = HistoryFile(bench.archive, bench.database, "o1")
    writer.write_if_changed()
    before = bench.archive.history_path.stat().st_ino
    writer.write_if_changed()
    assert bench.archive.history_path.stat().st_ino == before


def test_old_studies_that_are_gone_from_disk_move_to_their_months_file(bench: Bench) -> None:
    writer = HistoryFile(bench.archive, bench.database, "o1", newest=2)
    studies = []
    for _ in range(5):
        studies.append(add_study(bench))
        bench.clock.forward(days=20)
    with bench.database.write() as session:
        for row in map(bench.study, studies[:4]):
            row.on_disk, row.projected = False, False
            session.merge(row)
    writer.write_if_changed()
    assert history(bench).keys() == set(studies[3:])
    older = {
        path.name: set(json.loads(path.read_text()))
        for path in (bench.archive.root / ".metadata.d").iterdir()
    }
    assert older == {
        "2026-01.json": {studies[0]},
        "2026-02.json": {studies[1]},
        "2026-03.json": {studies[2]},
    }
