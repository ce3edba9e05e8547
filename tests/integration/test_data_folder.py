"""Which data folder is the database's: told at the first start, and asked ever after."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_router.archive import Archive, WrongFolder
from dicom_router.data_folder import establish, learn
from dicom_router.database import Database, DatabaseUnavailable
from dicom_router.models import DataFolder, Milestone
from tests.support.disk import Disk


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        yield opened


def recorded(database: Database) -> str | None:
    with database.read() as session:
        row = session.get(DataFolder, 1)
    return row.router_id if row else None


def was_at_work(database: Database) -> None:
    """As a database is that an earlier version has used, or this one before it knew of ids."""
    with database.write() as session:
        session.add(Milestone(name="takeover", at=datetime.now(UTC)))


def test_the_first_start_gives_the_folder_an_id_and_the_next_one_finds_it(
    database: Database, tmp_path: Path
) -> None:
    root = tmp_path / "new" / "data"
    establish(Archive(root), database)
    text = (root / ".router-id").read_text()
    assert text.strip() == recorded(database)
    establish(Archive(root), database)
    assert (root / ".router-id").read_text() == text


def test_all_that_come_first_at_once_agree(database: Database, tmp_path: Path) -> None:
    together = threading.Barrier(6)

    def start(_number: int) -> str | None:
        archive = Archive(tmp_path / "data")
        together.wait(10)
        establish(archive, database)
        return archive.identity.expected

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(start, range(6)))
    assert found == {recorded(database)}


def test_a_new_database_takes_the_id_that_the_folder_has(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".router-id").write_text("kept-from-before\n")
    establish(Archive(tmp_path / "data"), database)
    assert recorded(database) == "kept-from-before"


def test_the_folder_of_the_version_before_is_adopted_silently(
    database: Database, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "data")
    archive.prepare()
    was_at_work(database)
    establish(archive, database)
    assert recorded(database) == archive.identity.found()


def test_a_bare_mount_point_is_not_adopted_by_a_database_that_was_at_work(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    was_at_work(database)
    with pytest.raises(WrongFolder, match="is its disk mounted"):
        establish(Archive(tmp_path / "data"), database)
    assert list((tmp_path / "data").iterdir()) == []
    assert recorded(database) is None


def test_without_its_disk_nothing_is_made_on_the_mount_point(
    database: Database, tmp_path: Path
) -> None:
    archive, disk = Archive(tmp_path / "data"), Disk(tmp_path / "data")
    establish(archive, database)
    disk.unmount()
    for each in (archive, Archive(tmp_path / "data")):
        with pytest.raises(WrongFolder, match="is its disk mounted"):
            establish(each, database)
        with pytest.raises(WrongFolder):
            each.open_spool("host-1")
        with pytest.raises(WrongFolder):
            each.quarantine.put(tmp_path / "data" / "any", "any", "because")
        with pytest.raises(WrongFolder):
            each.remove_study_files("a-study", ["a-file"])
    assert disk.everything() == set()
    disk.mount()
    establish(archive, database)


def test_another_disk_is_told_by_its_id(database: Database, tmp_path: Path) -> None:
    archive, disk = Archive(tmp_path / "data"), Disk(tmp_path / "data")
    establish(archive, database)
    disk.swap()
    before = disk.everything()
    with pytest.raises(WrongFolder, match="another-routers-id, not "):
        establish(archive, database)
    assert disk.everything() == before


def test_one_that_was_never_told_trusts_the_folder_it_saw_first(tmp_path: Path) -> None:
    archive, disk = Archive(tmp_path / "data"), Disk(tmp_path / "data")
    assert not archive.identity.is_right()
    archive.prepare()
    archive.identity.ensure()
    assert archive.identity.is_right()
    disk.swap()
    assert not archive.identity.is_right()


def test_connecting_makes_no_database_on_a_mount_point(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "data")
    disk.root.mkdir()
    with closing(Database(f"sqlite:///{disk.root / '.router.sqlite3'}")) as database:
        disk.unmount()
        with pytest.raises(DatabaseUnavailable):
            learn(Archive(disk.root), database)
    assert disk.everything() == set()
