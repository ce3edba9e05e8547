"""A small real file system of a test's own, to be filled: a sparse file behind a loop device."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail

MIB = 1 << 20


@contextmanager
def small_disk(image: Path, folder: Path, size: int) -> Iterator[Path]:
    """An ext4 of so many bytes at `folder`; skips where nobody may mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    if not Path("/dev/loop-control").exists():
        pytest.skip("there are no loop devices here")
    folder.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", "-N", "4096", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        skip_or_fail(f"{command[0]} is not installed here")
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr.lower():
        pytest.skip(f"{command[0]} is not allowed here: {done.stderr.strip()}")
    if done.returncode:
        skip_or_fail(f"{command[0]} failed: {done.stderr.strip()}")


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, leave: int = 0) -> Path:
    """Take up all the room but so many bytes; delete the file that is returned to give it back."""
    path = folder / ".filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        step = 64 * MIB
        while step >= 4096:
            while free_bytes(folder) - step >= leave and _extend(descriptor, step):
                pass
            step //= 4
    finally:
        os.close(descriptor)
    return path


def _extend(descriptor: int, step: int) -> bool:
    try:
        os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, step)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True
