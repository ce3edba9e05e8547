"""The data folder and the places in it: spool, study folders, loose files, history."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dicom_router.archive.durable import (
    TEMPORARY,
    FolderFlusher,
    flush_folder,
    flush_folders,
    make_folder,
)
from dicom_router.archive.errors import DiskTrouble
from dicom_router.archive.identity import Identity
from dicom_router.archive.quarantine import QUARANTINE, Quarantine
from dicom_router.archive.reading import (
    folders_in,
    in_order,
    is_plain_file,
    names_after,
    require_no_link,
    temporaries_in,
)
from dicom_router.archive.receipts import ReceiptId
from dicom_router.archive.spool_file import SpoolFile
from dicom_router.errors import RouterError, TryAgain, Unprocessable
from dicom_router.part10 import FileMeta, read_file_meta

SPOOL = ".spool"
HISTORY = ".metadata.json"
OLDER_HISTORY = ".metadata.d"

_STALE_TEMPORARY_SECONDS = 3600.0  # a file that is still being written would be written again

# What says something about one file or folder only. Any other error says that the disk is away.
_ONE_PATH = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EIO,
    }
)

LEAST_FREE_BYTES = 2 << 30  # below this much room incoming objects are refused, whatever is set


@dataclass(frozen=True, slots=True)
class Space:
    """Room on the data folder's disk, in bytes."""

    total: int
    free: int

    @property
    def free_percent(self) -> float:
        """Free of total, 0 to 100."""
        return 100 * self.free / self.total if self.total else 0.0


class Archive:
    """The data folder. Paths that leave this class as text are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._inside = f"{self.root}/"
        self.identity = Identity(self.root)
        self.quarantine = Quarantine(self.root, self.identity)
        self._flusher = FolderFlusher()

    def prepare(self) -> None:
        """Make the folders that must exist; `DiskTrouble` says what to do when that fails."""
        self._make(self.root, self.root / SPOOL, self.root / QUARANTINE)

    def make_root(self) -> None:
        """Make the data folder itself, for what is kept in it beside images."""
        self._make(self.root)

    def _make(self, *folders: Path) -> None:
        try:
            for folder in folders:
                make_folder(folder)
                if folder != self.root:
                    require_no_link(folder)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(f"{folder} is not writable")
            flush_folder(self.root)  # another process may have made them, and not got so far
        except OSError as error:
            uid, gid = os.getuid(), os.getgid()
            raise DiskTrouble(
                f"The data folder {self.root} can't be used ({error}): "
                f"run `chown -R {uid}:{gid} {self.root}`"
            ) from error

    def space(self) -> Space:
        """Room on the disk, as an ordinary user may use it."""
        found = os.statvfs(self.root)
        return Space(total=found.f_blocks * found.f_frsize, free=found.f_bavail * found.f_frsize)

    def has_spool(self) -> bool:
        """Whether a router has been at work here."""
        return (self.root / SPOOL).is_dir()

    def trouble(self, error: OSError) -> RouterError:
        """What an error at one path amounts to: wait for the disk, or try this one again later.

        When the folder is not the right one no file is missing.
        """
        if error.errno in _ONE_PATH and self.identity.is_right():
            return TryAgain(f"A file or folder can't be used: {error.strerror}")
        return DiskTrouble(f"The data folder {self.root} can't be used now: {error.strerror}")

    def relative(self, path: Path) -> str:
        """A path as it is written in events and rows."""
        return str(path.relative_to(self.root))

    def path(self, relative: str) -> Path:
        """The path of something that `relative` named; never outside the folder."""
        path = os.path.normpath(self.root / relative)
        if not path.startswith(self._inside):
            raise ValueError(f"{relative!r} is not inside the data folder")
        return Path(path)

    # -- spool ---------------------------------------------------------------------------------

    def open_spool(self, receiver: str) -> Path:
        """The folder that a receiver spools to, made if need be; `WrongFolder` if not here."""
        self.identity.require()
        folder = self.root / SPOOL / receiver
        make_folder(folder)
        require_no_link(folder)
        flush_folders([self.root, folder.parent])
        return folder

    def new_spool_file(self, receiver: str, receipt: ReceiptId, meta: FileMeta) -> SpoolFile:
        """Begin a file in the spool; `OSError` or `DiskTrouble` when the disk does not take it."""
        path = self.root / SPOOL / receiver / f"{receipt}.dcm"
        try:
            return SpoolFile(path, meta, self._flusher.flush)
        except FileNotFoundError:
            self.open_spool(receiver)
            return SpoolFile(path, meta, self._flusher.flush)

    def spooled(self) -> Iterator[Path]:
        """The finished files in the spool, oldest first within each receiver."""
        for folder in sorted(folders_in(self.root / SPOOL)):
            yield from in_order(folder)

    def oldest_spooled(self) -> Path | None:
        """The file that has been in the spool for longest, if there is any."""
        folders = folders_in(self.root / SPOOL)
        oldest = (min(names_after("", folder), default=None) for folder in folders)
        found = [folder / name for folder, name in zip(folders, oldest, strict=True) if name]
        return min(found, key=lambda path: path.name, default=None)

    def spooled_bytes(self) -> int:
        """The size of all that is in the spool, also of what is being received."""
        total = 0
        for folder in folders_in(self.root / SPOOL):
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # organized meanwhile
                        total += entry.stat(follow_symlinks=False).st_size
        return total

    def drop_temporaries(self, receiver: str) -> None:
        """Remove what a receiver was writing when it was killed; for its own start.

        Were another still writing there, its rename would fail and nothing be acknowledged.
        """
        for path in temporaries_in(self.root / SPOOL / receiver):
            path.unlink(missing_ok=True)

    def drop_stale_temporaries(self, now: float) -> int:
        """Remove temporary files that no one has written to for an hour; how many."""
        dropped = 0
        own = (self.root, self.root / OLDER_HISTORY, self.root / QUARANTINE)
        for folder in (*own, *folders_in(self.root / SPOOL)):
            for path in temporaries_in(folder):
                with suppress(FileNotFoundError):
                    if now - path.lstat().st_mtime > _STALE_TEMPORARY_SECONDS:
                        path.unlink()
                        dropped += 1
        return dropped

    # -- study folders -------------------------------------------------------------------------

    def folder_is_free(self, folder: str) -> bool:
        """Whether nothing is called so yet."""
        return not os.path.lexists(self.root / folder)

    def place(self, source: Path, folder: str, name: str) -> None:
        """Move a file into a study's folder, made if need be; flush both folders afterwards.

        Raises `FileNotFoundError` when the source is not there (any more), and another `OSError`
        when the folder is a link.
        """
        target = self.root / folder / name
        require_no_link(target.parent)
        try:
            source.rename(target)
        except FileNotFoundError:
            source.lstat()  # or it is the source that is not there
            (self.root / folder).mkdir(exist_ok=True)
            source.rename(target)

    def put_back(self, path: Path, came_from: str) -> bool:
        """Move a file back into the spool, durable; False if it did not come from there."""
        target = self.path(came_from)
        if not target.is_relative_to(self.root / SPOOL):
            return False
        path.rename(target)
        flush_folders([path.parent, target.parent])
        return True

    def study_file(self, folder: str, name: str) -> Path:
        """The path of a file in a study's folder."""
        return self.root / folder / name

    def study_files(self, folder: str) -> dict[str, float]:
        """The plain files in a study's folder, each with the time it was last written to.

        Hidden ones are left out, as an NFS server's are; a folder that is not there has none.
        Raises `OSError` when the folder is a link.
        """
        require_no_link(self.root / folder)
        try:
            with os.scandir(self.root / folder) as entries:
                return {
                    entry.name: entry.stat(follow_symlinks=False).st_mtime
                    for entry in entries
                    if entry.name[0] != "." and entry.is_file(follow_symlinks=False)
                }
        except FileNotFoundError:
            return {}

    def receipt_in(self, path: Path) -> str | None:
        """The receipt whose bytes a file holds, by its meta: empty if it does not say.

        None if the file is not there. A link or a folder in its place holds none.
        """
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                return ""
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return read_file_meta(descriptor)[0].receipt_id
        except Unprocessable:
            return ""
        finally:
            os.close(descriptor)

    def remove_study_files(self, folder: str, names: Iterable[str]) -> bool:
        """Unlink these files, then the folder if nothing else is in it; whether it is gone.

        Raises `WrongFolder` when it can't be told that they were where this looked for them.
        """
        self.identity.require()
        if (self.root / folder).is_symlink():  # what is behind it is not ours
            return False
        for name in names:
            (self.root / folder / name).unlink(missing_ok=True)
        is_gone = self._remove_folder(self.root / folder)
        flush_folders([self.root])
        self.identity.require()
        return is_gone

    @staticmethod
    def _remove_folder(folder: Path) -> bool:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:  # something that is not ours is in it, or an NFS placeholder
            return False
        return True

    # -- loose files and earlier folders -------------------------------------------------------

    def loose_files(self) -> Iterator[Path]:
        """The `*.dcm` files that lie directly in the data folder; links are none."""
        with os.scandir(self.root) as entries:
            for entry in entries:
                is_named_so = entry.name[0] != "." and entry.name.lower().endswith(".dcm")
                if is_named_so and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)

    def claim(self, loose: Path, receiver: str, receipt: ReceiptId) -> Path | None:
        """Take a loose file for oneself; its path in the spool, or None if another was quicker."""
        claim = self.open_spool(receiver) / f"{receipt}.loose"
        try:
            loose.rename(claim)
        except FileNotFoundError:
            return None
        flush_folders([claim.parent, self.root])
        return claim

    def claims(self, receiver: str) -> list[Path]:
        """The loose files that somebody has taken for himself."""
        found = sorted((self.root / SPOOL / receiver).glob("*.loose"))
        return [path for path in found if is_plain_file(path)]

    def drop_temporary(
        self, receiver: str, receipt: ReceiptId, now: datetime, fresh: timedelta
    ) -> bool:
        """Remove what was begun for a receipt and left; False if it was written to just now."""
        path = self.root / SPOOL / receiver / f".{receipt}.dcm{TEMPORARY}"
        with suppress(FileNotFoundError):
            if abs(now.timestamp() - path.lstat().st_mtime) <= fresh.total_seconds():
                return False
            path.unlink()
        return True

    def make_loose(self, path: Path) -> None:
        """Move a file to the data folder's own level, where loose files are taken in."""
        target = self.root / path.name
        while os.path.lexists(target):
            target = target.with_name(f"{target.stem}_{target.suffix}")
        path.rename(target)
        flush_folders([path.parent, self.root])

    def study_folders(self) -> list[Path]:
        """The folders directly in the data folder that are not hidden; links are none."""
        return sorted(path for path in folders_in(self.root) if path.name[0] != ".")

    # -- history -------------------------------------------------------------------------------

    def history_files(self) -> list[Path]:
        """The history's files that are there, the older ones first."""
        older = sorted((self.root / OLDER_HISTORY).glob("*.json"))
        return [path for path in (*older, self.history_path) if is_plain_file(path)]

    @property
    def history_path(self) -> Path:
        """`.metadata.json`."""
        return self.root / HISTORY

    def older_history_path(self, month: str) -> Path:
        """`.metadata.d/YYYY-MM.json`, its folder made if need be."""
        folder = self.root / OLDER_HISTORY
        make_folder(folder)
        require_no_link(folder)
        flush_folders([self.root])
        return folder / f"{month}.json"
