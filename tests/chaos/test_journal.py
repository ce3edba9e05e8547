"""The disk that loses power: what was flushed is there afterwards, what was not may be gone."""

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.journal import cut_power, forget
from tests.chaos.shim import FULL, Shim

Content = dict[str, str]


class Disk:
    """A folder below the shim."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.data, self.beside = folder / "data", folder / "beside"
        self.data.mkdir()
        self.beside.mkdir()
        forget(self.beside)
        self.shim = Shim(self.data, self.beside)

    def write(self, name: str, text: str, *, flush: bool) -> None:
        """Write a whole file."""
        descriptor = self.shim.open(self.data / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self.shim.write(descriptor, text.encode())
        if flush:
            self.shim.sync(descriptor)
        os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """Rename a file."""
        self.shim.rename(self.data / source, self.data / target)

    def flush(self, folder: str = ".") -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(self.data / folder, os.O_RDONLY)
        self.shim.sync(descriptor)
        os.close(descriptor)

    def content(self) -> Content:
        """All files."""
        files = [path for path in self.data.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.data)): path.read_text("latin-1") for path in files}


Ends = Callable[[Callable[[Disk], None]], list[Content]]


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    """All that a folder may hold when the power is cut after some work in it."""

    def found(work: Callable[[Disk], None]) -> list[Content]:
        different: list[Content] = []
        for seed in range(40):
            disk = Disk(tmp_path / str(seed))
            work(disk)
            cut_power(disk.data, disk.beside, random.Random(seed))
            if disk.content() not in different:
                different.append(disk.content())
        return different

    return found


def test_what_was_flushed_is_there_after_a_power_cut(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.write("a.part", "image", flush=True)
        disk.rename("a.part", "a")
        disk.flush()

    assert ends(work) == [{"a": "image"}]


def test_a_rename_that_was_not_flushed_has_happened_or_not(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.write("a.part", "image", flush=True)
        disk.flush()
        disk.rename("a.part", "a")

    assert sorted(ends(work), key=str) == [{"a": "image"}, {"a.part": "image"}]


def test_a_file_whose_name_was_not_flushed_may_be_gone(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.write("a", "image", flush=True)

    assert sorted(ends(work), key=str) == [{"a": "image"}, {}]


def test_bytes_that_were_not_flushed_are_cut_short_or_zero(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.write("a", "image", flush=False)
        disk.flush()

    left = {content["a"] for content in ends(work)}
    assert "image" in left
    assert any(len(text) < 5 for text in left)
    assert any(len(text) == 5 and text.endswith("\0") for text in left)


def test_an_unlink_that_was_not_flushed_may_bring_the_file_back(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.write("a", "image", flush=True)
        disk.flush()
        disk.shim.unlink(disk.data / "a")

    assert sorted(ends(work), key=str) == [{"a": "image"}, {}]


def test_a_file_that_was_replaced_is_the_old_or_the_new_one(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.write("a", "old", flush=True)
        disk.flush()
        disk.write("b", "new", flush=True)
        disk.rename("b", "a")

    assert {content["a"] for content in ends(work)} == {"old", "new"}


def test_a_folder_is_there_for_good_only_once_the_one_around_it_was_flushed(ends: Ends) -> None:
    def work(disk: Disk, *, whole: bool) -> None:
        disk.shim.mkdir(disk.data / "study")
        disk.write("study/a", "image", flush=True)
        disk.flush("study")
        if whole:
            disk.flush()

    assert {} in ends(lambda disk: work(disk, whole=False))


def test_a_folder_and_its_files_stay_once_both_were_flushed(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.shim.mkdir(disk.data / "study")
        disk.write("a", "image", flush=True)
        disk.rename("a", "study/a")
        disk.flush("study")
        disk.flush()

    assert ends(work) == [{"study/a": "image"}]


def test_a_folder_that_was_removed_and_flushed_stays_away_with_its_files(ends: Ends) -> None:
    def work(disk: Disk) -> None:
        disk.shim.mkdir(disk.data / "study")
        disk.write("study/a", "image", flush=True)
        disk.shim.unlink(disk.data / "study" / "a")
        disk.shim.rmdir(disk.data / "study")
        disk.flush()

    assert ends(work) == [{}]


def test_a_full_disk_takes_no_more_and_says_so(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    descriptor = disk.shim.open(disk.data / "a", os.O_WRONLY | os.O_CREAT)
    (disk.beside / FULL).touch()
    assert disk.shim.statvfs(disk.data).f_bavail == 0
    for attempt in (
        lambda: disk.shim.write(descriptor, b"image"),
        lambda: disk.shim.sync(descriptor),
        lambda: disk.shim.mkdir(disk.data / "study"),
    ):
        with pytest.raises(OSError, match="No space") as caught:
            attempt()
        assert caught.value.errno == errno.ENOSPC
    (disk.beside / FULL).unlink()
    disk.shim.write(descriptor, b"image")
    os.close(descriptor)
    assert disk.content() == {"a": "image"}


def test_nothing_outside_the_folder_is_touched(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    disk.shim.mkdir(tmp_path / "elsewhere")
    disk.shim.rename(tmp_path / "elsewhere", tmp_path / "there")
    cut_power(disk.data, disk.beside, random.Random(0))
    assert (tmp_path / "there").is_dir()
