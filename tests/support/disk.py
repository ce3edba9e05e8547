"""A disk that is unmounted, mounted again or swapped: a data folder moved away and back."""

import ctypes
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """The disk on which a data folder is; `root` is where it is mounted."""

    def __init__(self, root: Path) -> None:
        self.root, self._away = root, root.with_name(f"{root.name}-away")

    def unmount(self) -> None:
        """Leave the bare mount point."""
        self._away.mkdir()
        _exchange(self.root, self._away)

    def mount(self) -> None:
        """Back again; what was written to the mount point meanwhile goes aside."""
        _exchange(self.root, self._away)

    def swap(self) -> None:
        """Put another router's disk in its place."""
        self._away.mkdir()
        (self._away / ".router-id").write_text("another-routers-id\n")
        (self._away / ".spool").mkdir()
        _exchange(self.root, self._away)

    def everything(self) -> set[str]:
        """All that is there now, files and folders."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


def _exchange(one: Path, other: Path) -> None:
    """Each takes the other's place at once, as with a mount: nobody finds neither (renameat2)."""
    names = os.fsencode(one), os.fsencode(other)
    if _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), one)
