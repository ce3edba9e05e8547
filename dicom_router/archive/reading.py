"""What is in a folder, and what a file holds. No symbolic link is followed."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path

from dicom_router.archive.durable import TEMPORARY
from dicom_router.part10 import FileMeta, read_file_meta

_NAMES_AT_A_TIME = 20_000  # of a folder, in memory


def is_plain_file(path: Path) -> bool:
    """Whether there is a file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def require_no_link(folder: Path) -> None:
    """Raise if a folder is a symbolic link: what is written there would leave the data folder."""
    if folder.is_symlink():
        raise OSError(errno.ELOOP, f"{folder.name} is a symbolic link; make it a folder")


def folders_in(parent: Path) -> list[Path]:
    """The folders in a folder, which need not be there."""
    try:
        with os.scandir(parent) as entries:
            return [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def in_order(folder: Path) -> Iterator[Path]:
    """The `*.dcm` files of a folder by name, however many there are: some names at a time.

    What comes in meanwhile may be left for the next look.
    """
    names = nsmallest(_NAMES_AT_A_TIME, names_after("", folder))
    while names:
        yield from (folder / name for name in names)
        is_last = len(names) < _NAMES_AT_A_TIME
        names = [] if is_last else nsmallest(_NAMES_AT_A_TIME, names_after(names[-1], folder))


def names_after(name: str, folder: Path) -> Iterator[str]:
    """The names of a folder's `*.dcm` files that come behind this one, in no order."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            is_named_so = entry.name[0] != "." and entry.name.endswith(".dcm")
            if is_named_so and entry.name > name and entry.is_file(follow_symlinks=False):
                yield entry.name


def temporaries_in(folder: Path) -> Iterator[Path]:
    """What was begun in a folder and has not got its name yet."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name[0] == "." and entry.name.endswith(TEMPORARY):
                yield folder / entry.name


def data_set_sha256(path: Path) -> tuple[FileMeta, int, str]:
    """A file's meta, its size in bytes and the SHA-256 of its data set."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        meta, offset = read_file_meta(descriptor)
        digest = hashlib.sha256()
        os.lseek(descriptor, offset, os.SEEK_SET)
        while piece := os.read(descriptor, 1 << 20):
            digest.update(piece)
        return meta, os.fstat(descriptor).st_size, digest.hexdigest()
    finally:
        os.close(descriptor)
