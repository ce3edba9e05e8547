"""What makes names and bytes durable: a name appears only when its bytes are safe.

Write under a temporary name, `fdatasync`, rename, `fsync` the folder.
"""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".part"


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folders(folders: Iterable[Path]) -> None:
    """Make the names in these folders durable; a folder that is gone has none to flush."""
    for folder in set(folders):
        with suppress(FileNotFoundError):
            flush_folder(folder)


class FolderFlusher:
    """Flushes folders to disk; threads that ask while a flush runs share the next one."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._begun: dict[Path, int] = {}
        self._done: dict[Path, int] = {}
        self._running: set[Path] = set()

    def flush(self, folder: Path) -> None:
        """Return once a flush that began after this call has ended."""
        with self._condition:
            wanted = self._begun.get(folder, 0) + 1
            while self._done.get(folder, 0) < wanted and folder in self._running:
                self._condition.wait()
            if self._done.get(folder, 0) >= wanted:
                return
            self._running.add(folder)
            ticket = self._begun[folder] = self._begun.get(folder, 0) + 1
        try:
            flush_folder(folder)
        except OSError:
            with self._condition:
                self._running.discard(folder)
                self._condition.notify_all()
            raise
        with self._condition:
            self._done[folder] = ticket
            self._running.discard(folder)
            self._condition.notify_all()


def make_folder(folder: Path) -> None:
    """Make a folder, and those around it that are missing, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def write_atomically(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Replace a file as a whole: a reader sees the old content or the new, never less."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folders([path.parent])


def write_once(path: Path, content: bytes, mode: int = 0o640) -> bool:
    """Make a file as a whole unless there is one already; whether it was made. Durable."""
    if os.path.lexists(path):
        return False
    own = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    write_atomically(own, content, mode)
    try:
        os.link(own, path)
    except FileExistsError:  # somebody else was faster
        return False
    finally:
        own.unlink()
    flush_folders([path.parent])
    return True
