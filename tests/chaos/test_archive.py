"""What the archive calls durable is there after a power cut that takes everything else."""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_router.archive import ROUTER_ID, Archive, ReceiptId, flush_folders, write_atomically
from dicom_router.part10 import FileMeta
from tests.chaos.journal import cut_power, forget
from tests.chaos.shim import Shim

RECEIPT = ReceiptId(datetime(2026, 1, 22, tzinfo=UTC), "a" * 16, 1)


class Folder:
    """A data folder that is made anew on a disk that may lose its power."""

    def __init__(self, data: Path, beside: Path) -> None:
        self.data, self._beside = data, beside
        self.archive = Archive(data)
        self.archive.prepare()
        self.archive.identity.ensure()

    def spool(self) -> Path:
        """One image that was received."""
        self.archive.open_spool("host-1")
        file = self.archive.new_spool_file("host-1", RECEIPT, FileMeta("1", "1.2", "1.3"))
        file.write([memoryview(b"image")])
        file.commit()
        return file.path

    def cut_power(self) -> set[str]:
        """Whatever was not flushed is gone; which files are left beside the folder's id."""
        cut_power(self.data, self._beside, random.Random(0), survivors=0.0)
        files = {str(p.relative_to(self.data)) for p in self.data.rglob("*") if p.is_file()}
        return files - {ROUTER_ID}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """An empty one."""
    data, beside = tmp_path / "disk" / "data", tmp_path / "beside"
    data.parent.mkdir()
    beside.mkdir()
    forget(beside)
    restore = Shim(data, beside).install()
    try:
        yield Folder(data, beside)
    finally:
        restore()


def test_the_id_of_a_new_folder_stays(folder: Folder) -> None:
    before = folder.archive.identity.found()
    folder.cut_power()
    assert before is not None
    assert folder.archive.identity.found() == before


def test_an_image_that_was_spooled_in_a_new_folder_stays(folder: Folder) -> None:
    path = folder.spool()
    assert folder.cut_power() == {f".spool/host-1/{RECEIPT}.dcm"}
    assert path.read_bytes().endswith(b"image")


def test_an_image_that_was_moved_and_flushed_stays_in_its_study(folder: Folder) -> None:
    path = folder.spool()
    folder.archive.place(path, "study", "a.dcm")
    flush_folders([path.parent, folder.data / "study", folder.data])
    assert folder.cut_power() == {"study/a.dcm"}


def test_an_image_in_quarantine_stays_with_its_reason(folder: Folder) -> None:
    folder.archive.quarantine.put(folder.spool(), "a.dcm", "it was bad")
    assert folder.cut_power() == {".quarantine/a.dcm", ".quarantine/a.dcm.reason.txt"}


def test_the_history_of_an_older_month_stays(folder: Folder) -> None:
    path = folder.archive.older_history_path("2026-01")
    write_atomically(path, b"{}")
    assert folder.cut_power() == {".metadata.d/2026-01.json"}


def test_a_study_that_was_removed_does_not_come_back(folder: Folder) -> None:
    path = folder.spool()
    folder.archive.place(path, "study", "a.dcm")
    flush_folders([path.parent, folder.data / "study", folder.data])
    assert folder.archive.remove_study_files("study", ["a.dcm"])
    assert folder.cut_power() == set()
    assert not os.path.lexists(folder.data / "study")
