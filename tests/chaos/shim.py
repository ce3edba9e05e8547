"""Below the archive: the calls of `os` that change the data folder, and a journal of them.

Installed in a service's process by the launcher, before the service begins. Nothing is really
flushed: the journal says what would be (`journal`). While the file `full` is beside the folder its
disk takes no more bytes. The disk is otherwise always half empty, whatever this machine's is.
"""

import errno
import fcntl
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.journal import ASIDE, JOURNAL

FULL = "full"
_DISK_BYTES = 100 << 30
_BLOCK = 4096

_open, _close, _fstat, _lstat, _stat = os.open, os.close, os.fstat, os.lstat, os.stat
_write, _writev, _fsync, _fdatasync = os.write, os.writev, os.fsync, os.fdatasync
_rename, _replace, _link, _unlink = os.rename, os.replace, os.link, os.unlink
_mkdir, _rmdir, _statvfs, _readlink = os.mkdir, os.rmdir, os.statvfs, os.readlink


class Shim:
    """The patched calls; for one process, which shares the journal with others."""

    def __init__(self, data: Path, beside: Path) -> None:
        self._data, self._beside = str(data), beside
        self._full = str(beside / FULL)
        self._aside = str(beside / ASIDE)
        self._journal = _open(beside / JOURNAL, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._clean: set[int] = set()  # files that were flushed since they were last written

    def install(self) -> Callable[[], None]:
        """Put the calls in place; what puts the real ones back."""
        calls: dict[str, Callable[..., Any]] = {
            "open": self.open,
            "write": self.write,
            "writev": self.writev,
            "fsync": self.sync,
            "fdatasync": self.sync,
            "rename": self.rename,
            "replace": self.rename,
            "link": self.link,
            "unlink": self.unlink,
            "remove": self.unlink,
            "mkdir": self.mkdir,
            "rmdir": self.rmdir,
            "statvfs": self.statvfs,
        }
        real = {name: getattr(os, name) for name in calls}
        _put_in_place(calls)
        return lambda: _put_in_place(real)

    # -- bytes ---------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        name = self._name(path)
        if name is None or not flags & (os.O_WRONLY | os.O_RDWR):
            return _open(path, flags, mode, dir_fd=dir_fd)
        with self._turn():
            is_new = flags & os.O_CREAT and not os.path.lexists(path)
            descriptor = _open(path, flags, mode, dir_fd=dir_fd)
            found = _fstat(descriptor)
            if is_new:
                self._note("create", name, "", found.st_ino)
            self._note("dirty", found.st_ino, found.st_size)
        return descriptor

    def write(self, descriptor: int, content: Any) -> int:
        if self._is_ours(descriptor):
            self._refuse_when_full()
            self._soil(descriptor)
        return _write(descriptor, content)

    def writev(self, descriptor: int, buffers: Sequence[Any]) -> int:
        if self._is_ours(descriptor):
            if self._is_full():  # a disk that fills up takes a part first
                first = bytes(buffers[0])
                if len(first) < 2:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return _write(descriptor, first[: len(first) // 2])
            self._soil(descriptor)
        return _writev(descriptor, buffers)

    def sync(self, descriptor: int) -> None:
        """`fsync` and `fdatasync`: of a file its bytes, of a folder its names."""
        name = self._name_of(descriptor)
        if name is None:
            return _fsync(descriptor)
        found = _fstat(descriptor)
        with self._turn():
            if stat.S_ISDIR(found.st_mode):
                self._note("flush", name, _fstat(self._journal).st_size)
                return None
            self._refuse_when_full()  # what is written late is refused late
            self._note("clean", found.st_ino)
            self._clean.add(found.st_ino)
        return None

    def statvfs(self, path: Any) -> os.statvfs_result:
        found = list(_statvfs(path))
        if self._name(path) is not None:
            free = 0 if self._is_full() else _DISK_BYTES // 2 // _BLOCK
            found[:5] = [_BLOCK, _BLOCK, _DISK_BYTES // _BLOCK, free, free]
        return os.statvfs_result(found)

    # -- names ---------------------------------------------------------------------------------

    def rename(self, source: Any, target: Any) -> None:
        """`rename` and `replace`, of files: the router renames no folder."""
        old, new = self._name(source), self._name(target)
        if old is None or new is None:
            return _rename(source, target)
        with self._turn():
            inode = _lstat(source).st_ino
            replaced = self._keep(target)
            self._note("rename", old, new, inode, replaced)
            _rename(source, target)
        return None

    def link(self, source: Any, target: Any) -> None:
        old, new = self._name(source), self._name(target)
        if old is None or new is None:
            return _link(source, target)
        with self._turn():
            if not os.path.lexists(target):
                self._note("link", old, new, _lstat(source).st_ino)
            _link(source, target)
        return None

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        name = self._name(path)
        if name is None:
            return _unlink(path, dir_fd=dir_fd)
        with self._turn():
            inode = self._keep(path)
            if inode:
                self._note("unlink", name, "", inode)
            _unlink(path)
        return None

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        name = self._name(path)
        if name is None:
            return _mkdir(path, mode, dir_fd=dir_fd)
        with self._turn():
            if not os.path.lexists(path):
                self._refuse_when_full()
                if Path(path).parent.is_dir():
                    self._note("mkdir", name)
            _mkdir(path, mode)
        return None

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        name = self._name(path)
        if name is None:
            return _rmdir(path, dir_fd=dir_fd)
        with self._turn():
            if os.path.isdir(path):  # noqa: PTH112 - as the call was made
                self._note("rmdir", name)
            _rmdir(path)
        return None

    # -- the journal ---------------------------------------------------------------------------

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One change at a time, of all processes, so that the journal has them in order."""
        with self._lock:
            fcntl.flock(self._journal, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._journal, fcntl.LOCK_UN)

    def _note(self, *entry: str | int) -> None:
        _write(self._journal, json.dumps(entry).encode() + b"\n")

    def _keep(self, path: Any) -> int:
        """Keep a file that is about to lose this name; which one, 0 if there is none."""
        try:
            inode = _lstat(path).st_ino
        except FileNotFoundError:
            return 0
        try:
            _link(path, f"{self._aside}/{inode}")
        except FileExistsError:  # kept before, under another name
            return inode
        return inode

    def _soil(self, descriptor: int) -> None:
        found = _fstat(descriptor)
        if found.st_ino in self._clean:
            with self._turn():
                self._clean.discard(found.st_ino)
                self._note("dirty", found.st_ino, found.st_size)

    def _refuse_when_full(self) -> None:
        if self._is_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_full(self) -> bool:
        try:
            _stat(self._full)
        except FileNotFoundError:
            return False
        return True

    def _is_ours(self, descriptor: int) -> bool:
        return self._name_of(descriptor) is not None

    def _name_of(self, descriptor: int) -> str | None:
        try:
            return self._name(_readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            return None

    def _name(self, path: Any) -> str | None:
        """A path as the journal has it, relative to the data folder; None outside of it."""
        try:
            text = os.path.abspath(os.fspath(path))  # noqa: PTH100 - links are not followed
        except TypeError:
            return None
        if isinstance(text, bytes):
            text = os.fsdecode(text)
        if text == self._data:
            return ""
        return text[len(self._data) + 1 :] if text.startswith(f"{self._data}/") else None


def _put_in_place(calls: Mapping[str, Callable[..., Any]]) -> None:
    for name, call in calls.items():
        setattr(os, name, call)
