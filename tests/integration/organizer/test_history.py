"""`.metadata.json`: a projection of the database that is replaced whole and never goes back."""

import json
from typing import Any

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from dicom_router.history import history_entry
from dicom_router.models import Study
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


def test_more_changes_than_are_taken_at_a_time_are_all_written(bench: Bench) -> None:
    writer = HistoryFile(bench.archive, bench.database, "o1", at_a_time=2)
    studies = {add_study(bench)}
    writer.write_if_changed()
    studies |= {add_study(bench) for _ in range(5)}
    writer.write_if_changed()
    assert history(bench).keys() == studies


def test_organizers_that_take_turns_lose_no_entry(bench: Bench) -> None:
    one = HistoryFile(bench.archive, bench.database, "o1", patience=0)
    other = HistoryFile(bench.archive, bench.database, "o2", patience=0)
    studies = set()
    for writer in (one, other, one, one, other):
        studies.add(add_study(bench))
        writer.write_if_changed()
        assert history(bench).keys() == studies


def test_the_organizer_that_wrote_last_goes_on_unless_it_lets_changes_wait(bench: Bench) -> None:
    clock = bench.clock
    one = HistoryFile(bench.archive, bench.database, "o1")
    other = HistoryFile(
        bench.archive, bench.database, "o2", patience=1.5, clock=lambda: clock().timestamp()
    )
    studies = {add_study(bench)}
    one.write_if_changed()
    for _ in range(5):  # changes at every look, each written by the holder soon after
        before = set(studies)
        studies.add(add_study(bench))
        other.write_if_changed()
        assert history(bench).keys() == before
        one.write_if_changed()
        assert history(bench).keys() == studies
        clock.forward(seconds=1)
    before = set(studies)
    studies.add(add_study(bench))
    for passed in (10, 1, 0.4):
        clock.forward(seconds=passed)
        other.write_if_changed()
        assert history(bench).keys() == before
    clock.forward(seconds=0.1)
    other.write_if_changed()
    assert history(bench).keys() == studies


def test_a_writing_that_fails_loses_no_entry(bench: Bench) -> None:
    writer = HistoryFile(bench.archive, bench.database, "o1", newest=1)
    first = add_study(bench)
    writer.write_if_changed()
    _take_off_disk(bench, first)
    writer.write_if_changed()
    bench.clock.forward(days=20)
    second = add_study(bench)
    bench.archive.history_path.unlink()
    bench.archive.history_path.mkdir()  # what can't be replaced by a file
    with pytest.raises(OSError, match="directory"):
        writer.write_if_changed()
    bench.archive.history_path.rmdir()
    with bench.database.write() as session:
        assert {each.history_month for each in session.scalars(select(Study))} == {None}
    writer.write_if_changed()
    assert history(bench).keys() == {second}
    older = json.loads(bench.archive.older_history_path("2026-01").read_text("utf-8"))
    assert older.keys() == {first}
    assert bench.study(first).history_month == "2026-01"


def _take_off_disk(bench: Bench, *studies: str) -> None:
    with bench.database.write() as session:
        for row in map(bench.study, studies):
            row.on_disk, row.projected = False, False
            session.merge(row)


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
    _take_off_disk(bench, *studies[:4])
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
