"""A study that a person had deleted: its files go, and a new image brings it back."""

import threading

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from dicom_router.archive import DiskTrouble
from dicom_router.events import StudyDelete, message
from dicom_router.ledger import lock_study
from dicom_router.models import Delivery, DeliveryState, StudyState, TimelineEntry
from dicom_router.tasks import Task
from services.api.queries import decisions
from services.organizer.deletion import Deletion
from services.organizer.handlers import Handlers
from tests.integration.organizer.conftest import Bench
from tests.support.instances import data_set

UIDS = [str(generate_uid()) for _ in range(3)]


def received(bench: Bench, *uids: str, association: str = "a" * 16, **attributes: str) -> str:
    """A study with these images, not complete yet."""
    study = attributes.setdefault("StudyInstanceUID", str(generate_uid()))
    scanner = bench.scanner(association)
    bench.intake.organize([scanner.store(data_set(**attributes), uid) for uid in uids])
    return study


def complete(bench: Bench) -> None:
    bench.clock.forward(seconds=61)
    bench.completing().complete_quiet_studies()


def delete(bench: Bench, study_uid: str) -> None:
    """As the API does it."""
    with bench.database.write() as session:
        study = lock_study(session, study_uid)
        assert study is not None
        decisions.delete(session, study, "ada", "the wrong patient", bench.clock())


def deletion(bench: Bench) -> Deletion:
    return Deletion(bench.archive, bench.database, bench.relay, "/organizer/test", bench.clock)


def events(bench: Bench, study_uid: str) -> list[str]:
    with bench.database.read() as session:
        return list(
            session.scalars(
                select(TimelineEntry.event)
                .where(TimelineEntry.study_uid == study_uid)
                .order_by(TimelineEntry.id)
            )
        )


def test_the_files_of_a_deleted_study_go_and_its_history_stays(bench: Bench) -> None:
    study = received(bench, *UIDS)
    other = received(bench, str(generate_uid()))
    complete(bench)
    delete(bench, study)
    deletion(bench).run()
    deletion(bench).run()
    row = bench.study(study)
    assert (row.state, row.on_disk, row.image_count) == (StudyState.DELETED, False, 3)
    assert [path.name for path in bench.archive.study_folders()] == [bench.study(other).folder]
    (told,) = bench.outbox("study-deleted")
    assert told["data"] == {"study_uid": study, "why": "user", "by": "ada"}
    assert events(bench, study) == ["completed", "deleted", "files-removed"]


def test_the_command_has_the_files_removed_now(bench: Bench) -> None:
    woken = threading.Event()
    idle, deleting = (Task(name, lambda: None, every=1, wake=woken) for name in ("a", "b"))
    handlers = Handlers(
        bench.intake, bench.quarantine(), bench.database, idle, deleting, bench.clock
    )
    handlers.on_command([message(StudyDelete(study_uid="1.2", by="ada"), id="1", source="/api")])
    assert woken.is_set()


def test_only_the_studys_own_files_go(bench: Bench) -> None:
    study = received(bench, *UIDS)
    folder = bench.archive.root / bench.study(study).folder
    (folder / "note.txt").write_text("not the router's")
    delete(bench, study)
    deletion(bench).run()
    assert [path.name for path in folder.iterdir()] == ["note.txt"]
    assert not bench.study(study).on_disk


def test_what_is_in_quarantine_stays_there(bench: Bench) -> None:
    study = received(bench, UIDS[0])
    received(bench, UIDS[0], StudyInstanceUID=study, StudyDescription="NEWER")
    assert len(bench.aside()) == 1
    delete(bench, study)
    deletion(bench).run()
    assert len(bench.aside()) == 1


def test_a_deleted_study_does_not_complete(bench: Bench) -> None:
    study = received(bench, *UIDS)
    delete(bench, study)
    complete(bench)
    assert (bench.study(study).revision, bench.outbox("study-complete")) == (0, [])


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "not-removed-yet"])
@pytest.mark.parametrize("was_complete", [True, False], ids=["complete", "receiving"])
def test_a_new_image_brings_a_deleted_study_back_with_what_is_new_only(
    bench: Bench, removed: bool, was_complete: bool
) -> None:
    study = received(bench, *UIDS)
    if was_complete:
        complete(bench)
    delete(bench, study)
    if removed:
        deletion(bench).run()
    late = str(generate_uid())
    received(bench, late, StudyInstanceUID=study, association="b" * 16)
    row = bench.study(study)
    assert (row.state, row.on_disk, row.deleted) == (StudyState.RECEIVING, True, False)
    assert list(bench.files()) == [f"{row.folder}/CT.{late}.dcm"]
    assert len(bench.outbox("study-deleted")) == 1
    assert events(bench, study)[-3:] == ["deleted", "files-removed", "revived"]
    deletion(bench).run()
    complete(bench)
    assert bench.study(study).revision == (2 if was_complete else 1)
    assert bench.outbox("study-complete")[-1]["data"]["new_instances"] == 1
    assert len(bench.files()) == 1


@pytest.mark.parametrize("attributes", [{}, {"StudyDescription": "OTHER"}], ids=["same", "other"])
def test_an_image_that_was_deleted_comes_back_when_it_is_sent_again(
    bench: Bench, attributes: dict[str, str]
) -> None:
    study = received(bench, *UIDS)
    complete(bench)
    delete(bench, study)
    received(bench, UIDS[0], StudyInstanceUID=study, association="b" * 16, **attributes)
    row = bench.study(study)
    assert list(bench.files()) == [f"{row.folder}/CT.{UIDS[0]}.dcm"]
    complete(bench)
    assert bench.outbox("study-complete")[-1]["data"]["new_instances"] == 1
    assert bench.aside() == {}


def test_an_image_that_was_assigned_when_its_study_was_deleted_is_not_lost(bench: Bench) -> None:
    study = received(bench, UIDS[0])
    late = bench.scanner("b" * 16).store(data_set(StudyInstanceUID=study), UIDS[1])
    bench.intake._assign([r for r in [bench.intake._inspect(late)] if r])
    delete(bench, study)
    deletion(bench).run()
    assert bench.archive.path(late.spool_path).exists()
    bench.intake.finish([late.receipt_id])
    row = bench.study(study)
    assert (row.deleted, row.on_disk) == (False, True)
    assert list(bench.files()) == [f"{row.folder}/CT.{UIDS[1]}.dcm"]


def test_an_image_that_was_moved_under_a_deleted_ones_name_is_not_lost(bench: Bench) -> None:
    study = received(bench, UIDS[0])
    newer = bench.scanner("b" * 16).store(
        data_set(StudyInstanceUID=study, StudyDescription="NEWER"), UIDS[0]
    )
    bench.intake._assign([r for r in [bench.intake._inspect(newer)] if r])
    target = bench.archive.study_file(bench.study(study).folder, f"CT.{UIDS[0]}.dcm")
    bench.archive.path(newer.spool_path).rename(target)  # and then the commit failed
    delete(bench, study)
    deletion(bench).run()
    assert target.exists()
    bench.intake.finish([newer.receipt_id])
    assert bench.study(study).state == StudyState.RECEIVING
    assert bench.archive.receipt_in(target) == newer.receipt_id


def test_an_announcement_without_a_file_does_not_bring_a_study_back(bench: Bench) -> None:
    study = received(bench, UIDS[0])
    late = bench.scanner("b" * 16).store(data_set(StudyInstanceUID=study), UIDS[1])
    bench.intake._assign([r for r in [bench.intake._inspect(late)] if r])
    bench.archive.path(late.spool_path).unlink()
    delete(bench, study)
    assert bench.intake.finish([late.receipt_id]) == [late.receipt_id]
    assert bench.study(study).deleted


def test_a_study_that_was_deleted_and_came_back_can_be_sent(bench: Bench) -> None:
    """What had failed before the deletion is owed to nobody and no longer decides."""
    study = received(bench, UIDS[0])
    complete(bench)
    bench.mark_sent(study)
    received(bench, UIDS[1], StudyInstanceUID=study)
    complete(bench)
    with bench.database.write() as session:
        session.add(
            Delivery(
                id="failed",
                study_uid=study,
                revision=2,
                destination="pacs",
                state=DeliveryState.FAILED,
                created_at=bench.clock(),
            )
        )
    delete(bench, study)
    received(bench, UIDS[2], StudyInstanceUID=study, association="b" * 16)
    complete(bench)
    bench.mark_sent(study)
    assert bench.study(study).state == StudyState.SENT
    bench.retention().run()
    assert bench.files() == {}


def test_nothing_counts_as_removed_while_the_volume_is_away(bench: Bench) -> None:
    study = received(bench, UIDS[0])
    delete(bench, study)
    elsewhere = bench.archive.root.with_name("unmounted")
    bench.archive.root.rename(elsewhere)
    bench.archive.root.mkdir()
    with pytest.raises(DiskTrouble):
        deletion(bench).run()
    bench.archive.root.rmdir()
    elsewhere.rename(bench.archive.root)
    assert bench.study(study).on_disk
    deletion(bench).run()
    assert not bench.study(study).on_disk
    assert bench.files() == {}
