"""The data folder: every path in it and every atomic write to it is made here.

A name appears only when its bytes are safe: write under a temporary name, `fdatasync`, rename,
`fsync` the folder. Nothing here follows a symbolic link out of the folder.
"""

import errno
import hashlib
import os
import re
import stat
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from pathlib import Path

from dicom_router.errors import RouterError, TryAgain, Unavailable, Unprocessable
from dicom_router.part10 import FileMeta, encode_file_meta, read_file_meta
from dicom_router.said import said

SPOOL = ".spool"
QUARANTINE = ".quarantine"
ROUTER_ID = ".router-id"
HISTORY = ".metadata.json"
OLDER_HISTORY = ".metadata.d"

_MOST_ID_BYTES = 64
_IOV_MAX = 1024  # the most buffers that one writev takes (Linux)
_TEMPORARY = ".part"
_STALE_TEMPORARY_SECONDS = 3600.0  # a file that is still being written would be written again
_NAMES_AT_A_TIME = 20_000  # of a folder, in memory


class DiskTrouble(Unavailable):
    """The data folder can't be read or written now."""


class WrongFolder(DiskTrouble):
    """The data folder is not there, or another one is in its place: its disk is not mounted."""


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


_RECEIPT_ID = re.compile(r"([0-9]{8}T[0-9]{6}\.[0-9]{6})Z_([0-9A-Za-z-]{1,64})_([0-9]{6,12})")


@dataclass(frozen=True, slots=True)
class ReceiptId:
    """`<received-at>_<association>_<n>`: a spool file's name and its event's CloudEvents id."""

    received_at: datetime
    association_id: str
    number: int

    def __str__(self) -> str:
        at = self.received_at.replace(tzinfo=None).isoformat(timespec="microseconds")
        at = at.replace("-", "").replace(":", "")  # strftime takes ten times as long
        return f"{at}Z_{self.association_id}_{self.number:06d}"

    @classmethod
    def parse(cls, text: str) -> "ReceiptId | None":
        """The parts of a receipt's id, or None if `text` is none."""
        match = _RECEIPT_ID.fullmatch(text)
        if not match:
            return None
        try:
            at = datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(at, match[2], int(match[3]))


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


class SpoolFile:
    """An instance on its way from the line to the spool; for one thread.

    Call `write` for every piece of the data set, then `commit` or `discard`.
    """

    def __init__(self, path: Path, meta: FileMeta, flush_folder: Callable[[Path], None]) -> None:
        self._path, self._flush_folder = path, flush_folder
        self._temporary = path.with_name(f".{path.name}{_TEMPORARY}")
        header = encode_file_meta(meta)
        self._digest = hashlib.sha256()
        self._to_hash: list[memoryview] = []
        self._size = 0
        self._descriptor = os.open(
            self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640
        )
        try:
            self._write_all([memoryview(header)])
        except OSError:
            self.discard()
            raise

    def write(self, fragments: Sequence[memoryview], *, hash_later: bool = False) -> None:
        """Append pieces of the data set; `OSError` when the disk does not take them.

        With `hash_later`, which ends the data set, they have to be valid until `sha256` is asked.
        """
        for start in range(0, len(fragments), _IOV_MAX):
            self._write_all(fragments[start : start + _IOV_MAX])
        self._to_hash = list(fragments)
        if not hash_later:
            self._hash()

    def commit(self) -> None:
        """Make it durable under its name: it is safe when this returns."""
        os.fdatasync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        self._temporary.rename(self._path)
        self._flush_folder(self._path.parent)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._temporary.unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        """Where it is once it is committed."""
        return self._path

    @property
    def size(self) -> int:
        """Bytes of the whole file so far."""
        return self._size

    @property
    def sha256(self) -> str:
        """Of the data set so far, hexadecimal."""
        self._hash()
        return self._digest.hexdigest()

    def _hash(self) -> None:
        for fragment in self._to_hash:
            self._digest.update(fragment)
        self._to_hash = []

    def _write_all(self, fragments: Sequence[memoryview]) -> None:
        wanted = sum(len(fragment) for fragment in fragments)
        written = os.writev(self._descriptor, fragments)
        if written < wanted:  # a disk that fills up takes a part first
            rest = b"".join(fragments)[written:]
            while rest:
                count = os.write(self._descriptor, rest)
                rest = rest[count:]
        self._size += wanted


class _FolderFlusher:
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


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Archive:
    """The data folder. Paths that leave this class as text are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._id_path = self.root / ROUTER_ID
        self._flusher = _FolderFlusher()
        self._expected: str | None = None
        self._seen: tuple[tuple[int, ...], str | None] = (), None

    def prepare(self) -> None:
        """Make the folders that must exist; `DiskTrouble` says what to do when that fails."""
        self._make(self.root, self.root / SPOOL, self.root / QUARANTINE)

    def make_root(self) -> None:
        """Make the data folder itself, for what is kept in it beside images."""
        self._make(self.root)

    def _make(self, *folders: Path) -> None:
        try:
            for folder in folders:
                _make_folder(folder)
                if folder != self.root:
                    _require_no_link(folder)
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

    # -- which folder it is --------------------------------------------------------------------

    @property
    def expected_id(self) -> str | None:
        """What `.router-id` has to say, as far as is known."""
        return self._expected

    def expect(self, router_id: str | None) -> None:
        """From now on the data folder is the one with this id; None: not known."""
        self._expected = router_id

    def found_id(self) -> str | None:
        """What `.router-id` says; None if there is none that can be read."""
        try:
            with self._id_path.open("rb") as file:
                return file.read(_MOST_ID_BYTES).decode("ascii").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def ensure_id(self) -> str:
        """The folder's id, made if it has none. Durable."""
        self.write_once(self.root / ROUTER_ID, f"{uuid.uuid4().hex}\n".encode())
        found = self.found_id()
        if found is None:
            raise DiskTrouble(
                f"{self.root / ROUTER_ID} holds no id or can't be read: let the router's user read "
                "it; if it is empty, remove it"
            )
        return found

    def require(self) -> None:
        """Raise `WrongFolder` unless this is the data folder; the first one seen, if not told."""
        found = self._id_here()
        if found is None:
            raise WrongFolder(
                said(
                    "The data folder {root} is not there, or has no {router_id}: is its disk "
                    "mounted?",
                    root=self.root,
                    router_id=ROUTER_ID,
                )
            )
        if self._expected is None:
            self._expected = found
        if found != self._expected:
            raise WrongFolder(
                said(
                    "The data folder {root} is another one: its {router_id} says {found}, not "
                    "{expected}. Mount the right disk",
                    root=self.root,
                    router_id=ROUTER_ID,
                    found=found,
                    expected=self._expected,
                )
            )

    def _id_here(self) -> str | None:
        """As `found_id`, which is asked again only when the file is not the one it was."""
        try:
            file = self._id_path.stat()
        except OSError:
            return None
        which = file.st_dev, file.st_ino, file.st_mtime_ns, file.st_ctime_ns
        seen, found = self._seen
        if which != seen or found is None:
            found = self.found_id()
            self._seen = which, found
        return found

    def is_there(self) -> bool:
        """Whether this is the data folder, not an empty mount point nor another disk."""
        try:
            self.require()
        except WrongFolder:
            return False
        return True

    def has_spool(self) -> bool:
        """Whether a router has been at work here."""
        return (self.root / SPOOL).is_dir()

    def trouble(self, error: OSError) -> RouterError:
        """What an error at one path amounts to: wait for the disk, or try this one again later.

        When the folder is not the right one no file is missing.
        """
        if error.errno in _ONE_PATH and self.is_there():
            return TryAgain(f"A file or folder can't be used: {error.strerror}")
        return DiskTrouble(f"The data folder {self.root} can't be used now: {error.strerror}")

    def relative(self, path: Path) -> str:
        """A path as it is written in events and rows."""
        return str(path.relative_to(self.root))

    def path(self, relative: str) -> Path:
        """The path of something that `relative` named; never outside the folder."""
        path = Path(os.path.normpath(self.root / relative))
        if not path.is_relative_to(self.root) or path == self.root:
            raise ValueError(f"{relative!r} is not inside the data folder")
        return path

    # -- spool ---------------------------------------------------------------------------------

    def open_spool(self, receiver: str) -> Path:
        """The folder that a receiver spools to, made if need be; `WrongFolder` if not here."""
        self.require()
        folder = self.root / SPOOL / receiver
        _make_folder(folder)
        _require_no_link(folder)
        self.flush([self.root, folder.parent])
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
        for folder in sorted(_folders(self.root / SPOOL)):
            yield from _in_order(folder)

    def oldest_spooled(self) -> Path | None:
        """The file that has been in the spool for longest, if there is any."""
        folders = _folders(self.root / SPOOL)
        oldest = (min(_names_after("", folder), default=None) for folder in folders)
        found = [folder / name for folder, name in zip(folders, oldest, strict=True) if name]
        return min(found, key=lambda path: path.name, default=None)

    def spooled_bytes(self) -> int:
        """The size of all that is in the spool, also of what is being received."""
        total = 0
        for folder in _folders(self.root / SPOOL):
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # organized meanwhile
                        total += entry.stat(follow_symlinks=False).st_size
        return total

    def drop_temporaries(self, receiver: str) -> None:
        """Remove what a receiver was writing when it was killed; for its own start.

        Were another still writing there, its rename would fail and nothing be acknowledged.
        """
        for path in _temporaries(self.root / SPOOL / receiver):
            path.unlink(missing_ok=True)

    def drop_stale_temporaries(self, now: float) -> int:
        """Remove temporary files that no one has written to for an hour; how many."""
        dropped = 0
        own = (self.root, self.root / OLDER_HISTORY, self.root / QUARANTINE)
        for folder in (*own, *_folders(self.root / SPOOL)):
            for path in _temporaries(folder):
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
        _require_no_link(target.parent)
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
        self.flush([path.parent, target.parent])
        return True

    def study_file(self, folder: str, name: str) -> Path:
        """The path of a file in a study's folder."""
        return self.root / folder / name

    def study_files(self, folder: str) -> dict[str, float]:
        """The plain files in a study's folder, each with the time it was last written to.

        Hidden ones are left out, as an NFS server's are; a folder that is not there has none.
        Raises `OSError` when the folder is a link.
        """
        _require_no_link(self.root / folder)
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

    def flush(self, folders: Iterable[Path]) -> None:
        """Make the names in these folders durable; a folder that is gone has none to flush."""
        for folder in set(folders):
            with suppress(FileNotFoundError):
                flush_folder(folder)

    def remove_study_files(self, folder: str, names: Iterable[str]) -> bool:
        """Unlink these files, then the folder if nothing else is in it; whether it is gone.

        Raises `WrongFolder` when it can't be told that they were where this looked for them.
        """
        self.require()
        if (self.root / folder).is_symlink():  # what is behind it is not ours
            return False
        for name in names:
            (self.root / folder / name).unlink(missing_ok=True)
        is_gone = self._remove_folder(self.root / folder)
        self.flush([self.root])
        self.require()
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

    # -- quarantine ----------------------------------------------------------------------------

    def quarantine(self, source: Path, name: str, reason: str) -> str:
        """Move a file aside with its reason beside it; its new path, relative. Durable.

        What is in quarantine is never replaced: a second file of that name gets another.
        """
        self.require()
        source.lstat()  # before the reason is there
        folder = self.root / QUARANTINE
        target, number = folder / name, 1
        while os.path.lexists(target):
            number += 1
            target = folder / f"{Path(name).stem}_{number}{Path(name).suffix}"
        self.write_reason(target, reason)
        source.rename(target)
        self.flush([folder, source.parent])
        return self.relative(target)

    def write_reason(self, quarantined: Path, reason: str) -> None:
        """Say beside a file in quarantine why it is there."""
        self.write_atomically(_reason_of(quarantined), f"{reason}\n".encode())

    def remove_quarantined(self, path: Path) -> None:
        """Remove a file from quarantine with its reason, as far as they are there."""
        self.require()
        path.unlink(missing_ok=True)
        _reason_of(path).unlink(missing_ok=True)
        self.flush([path.parent])

    def quarantined(self, name: str) -> tuple[str, str] | None:
        """The relative path and the reason of a file in quarantine; None if it is not there."""
        target = self.root / QUARANTINE / name
        if not is_plain_file(target):
            return None
        reason = _reason_of(target)
        known = is_plain_file(reason)
        text = reason.read_text("utf-8").strip() if known else "the reason is not known"
        return self.relative(target), text

    def in_quarantine(self) -> Iterator[Path]:
        """The files in quarantine, the reasons beside them left out."""
        yield from _in_order(self.root / QUARANTINE)

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
        self.flush([claim.parent, self.root])
        return claim

    def claims(self, receiver: str) -> list[Path]:
        """The loose files that somebody has taken for himself."""
        found = sorted((self.root / SPOOL / receiver).glob("*.loose"))
        return [path for path in found if is_plain_file(path)]

    def drop_temporary(
        self, receiver: str, receipt: ReceiptId, now: datetime, fresh: timedelta
    ) -> bool:
        """Remove what was begun for a receipt and left; False if it was written to just now."""
        path = self.root / SPOOL / receiver / f".{receipt}.dcm{_TEMPORARY}"
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
        self.flush([path.parent, self.root])

    def study_folders(self) -> list[Path]:
        """The folders directly in the data folder that are not hidden; links are none."""
        return sorted(path for path in _folders(self.root) if path.name[0] != ".")

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
        _make_folder(folder)
        _require_no_link(folder)
        self.flush([self.root])
        return folder / f"{month}.json"

    def write_atomically(self, path: Path, content: bytes, mode: int = 0o640) -> None:
        """Replace a file as a whole: a reader sees the old content or the new, never less."""
        temporary = path.with_name(
            f".{path.name}.{os.getpid()}-{threading.get_ident()}{_TEMPORARY}"
        )
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
        self.flush([path.parent])

    def write_once(self, path: Path, content: bytes, mode: int = 0o640) -> bool:
        """Make a file as a whole unless there is one already; whether it was made. Durable."""
        if os.path.lexists(path):
            return False
        own = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        self.write_atomically(own, content, mode)
        try:
            os.link(own, path)
        except FileExistsError:  # somebody else was faster
            return False
        finally:
            own.unlink()
        self.flush([path.parent])
        return True


def _make_folder(folder: Path) -> None:
    """Make a folder, and those around it that are missing, durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def copy_data_set(source: int, offset: int, target: SpoolFile) -> None:
    """Append a file's data set, from `offset` on, to a spool file."""
    os.lseek(source, offset, os.SEEK_SET)
    while piece := os.read(source, 1 << 20):
        target.write([memoryview(piece)])


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


def _in_order(folder: Path) -> Iterator[Path]:
    """The `*.dcm` files of a folder by name, however many there are: some names at a time.

    What comes in meanwhile may be left for the next look.
    """
    names = nsmallest(_NAMES_AT_A_TIME, _names_after("", folder))
    while names:
        yield from (folder / name for name in names)
        is_last = len(names) < _NAMES_AT_A_TIME
        names = [] if is_last else nsmallest(_NAMES_AT_A_TIME, _names_after(names[-1], folder))


def _names_after(name: str, folder: Path) -> Iterator[str]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            is_named_so = entry.name[0] != "." and entry.name.endswith(".dcm")
            if is_named_so and entry.name > name and entry.is_file(follow_symlinks=False):
                yield entry.name


def _temporaries(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name[0] == "." and entry.name.endswith(_TEMPORARY):
                yield folder / entry.name


def _reason_of(quarantined: Path) -> Path:
    return quarantined.with_name(f"{quarantined.name}.reason.txt")


def _require_no_link(folder: Path) -> None:
    """Raise if a folder is a symbolic link: what is written there would leave the data folder."""
    if folder.is_symlink():
        raise OSError(errno.ELOOP, f"{folder.name} is a symbolic link; make it a folder")


def _folders(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def received_at(path: Path) -> datetime:
    """When a file in the spool was received, by its name; long ago if that does not say."""
    receipt = ReceiptId.parse(path.stem)
    return receipt.received_at if receipt else datetime.fromtimestamp(0, UTC)


def is_plain_file(path: Path) -> bool:
    """Whether there is a file, and no link to one."""
    return path.is_file() and not path.is_symlink()
