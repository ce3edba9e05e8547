"""What a power cut takes from a folder: everything that was not flushed, data and names alike.

The processes that write to the folder keep a journal beside it (`shim`): each change of a name,
each file with bytes that were not flushed, each flush. A file that is unlinked or replaced stays
beside the folder by a hard link, since a power cut may bring it back. `cut_power` then leaves the
folder as a disk might be found.

The model is stricter than ext4 and XFS, which keep the order of all changes of names:

- bytes that were not flushed by fdatasync or fsync of their file are there, cut short or zero;
- a change of a name that was not flushed by fsync of its folder has happened or not, each by
  itself, but none without an earlier one of the same name or file; a rename is atomic, and there
  for good once either of its folders was flushed; a new folder is there for good, with all that is
  in it, only once the folder around it was flushed.

Left out: bytes that turn into others, errors on reading, and a disk that lies about its flushes.
SQLite, PostgreSQL and RabbitMQ flush by themselves and are taken at their word.
"""

import json
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JOURNAL = "journal"
ASIDE = "aside"


@dataclass(slots=True)
class Change:
    """A change of names, as the journal has it; `at` is its offset there.

    `inode` is the file that it is about, `replaced` the one that was under `target` before. For
    `mkdir` and `rmdir`, `path` is the folder.
    """

    at: int
    kind: str  # create, rename, link, unlink, mkdir, rmdir
    path: str
    target: str = ""
    inode: int = 0
    replaced: int = 0
    flushed: bool = False

    @property
    def names(self) -> set[str]:
        """The names that it changes."""
        return {self.path, self.target} - {""}

    @property
    def folders(self) -> set[str]:
        """The folders whose flush makes it last."""
        if self.kind == "link":
            return {_parent(self.target)}
        return {_parent(name) for name in self.names}

    @property
    def inodes(self) -> set[int]:
        """The files that it is about."""
        return {self.inode, self.replaced} - {0}

    def follows(self, earlier: "Change") -> bool:
        """Whether this is about the same name or file, or the folder it was in."""
        if self.names & earlier.names or self.inodes & earlier.inodes:
            return True
        inside = any(name.startswith(f"{self.path}/") for name in earlier.names)
        return self.kind == "rmdir" and inside

    def needs(self, earlier: "Change") -> bool:
        """Whether this can't have happened without the earlier change."""
        return self.follows(earlier) or (earlier.kind == "mkdir" and earlier.path in self.folders)


@dataclass
class Names:
    """Which file each name of a folder leads to, and which folders there are in it."""

    files: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def undo(self, change: Change) -> bool:
        """Go back before a change; False if it did not happen: its process was killed."""
        kind, path, target = change.kind, change.path, change.target
        if kind in ("mkdir", "rmdir"):
            happened = (path in self.folders) == (kind == "mkdir")
            if happened:
                self.folders ^= {path}
            return happened
        if kind == "unlink":
            if path in self.files:
                return False
            self.files[path] = change.inode
            return True
        name = path if kind == "create" else target
        if self.files.get(name) != change.inode:
            return False
        del self.files[name]
        if change.replaced:
            self.files[target] = change.replaced
        if kind == "rename":
            self.files[path] = change.inode
        return True

    def do(self, change: Change) -> None:
        """Make a change again."""
        kind, path, target = change.kind, change.path, change.target
        if kind in ("mkdir", "rmdir"):
            self.folders = self.folders | {path} if kind == "mkdir" else self.folders - {path}
        elif kind == "create":
            self.files[path] = change.inode
        else:
            if kind != "link":
                self.files.pop(path, None)
            if kind != "unlink":
                self.files[target] = change.inode

    def drop_what_hangs_in_the_air(self) -> None:
        """Forget what is in folders that are not there."""
        self.folders = {each for each in self.folders if self._is_there(each)}
        self.files = {n: i for n, i in self.files.items() if self._is_there(_parent(n))}

    def _is_there(self, folder: str) -> bool:
        return not folder or (folder in self.folders and self._is_there(_parent(folder)))


@dataclass(frozen=True, slots=True)
class Left:
    """What a power cut took."""

    undone: tuple[str, ...]  # changes of names
    torn: tuple[str, ...]  # names of files whose bytes are not what was written


@dataclass(slots=True)
class Journal:
    """The journal of one folder, read back."""

    changes: list[Change] = field(default_factory=list)
    open: list[Change] = field(default_factory=list)  # those that were not flushed
    unflushed: dict[int, int] = field(default_factory=dict)  # file → bytes of it that are safe

    @classmethod
    def read(cls, folder: Path) -> "Journal":
        """The journal so far, each change marked that was flushed."""
        found = cls()
        for at, entry in _entries(folder / JOURNAL):
            kind = entry[0]
            if kind == "dirty":
                found.unflushed[entry[1]] = entry[2]
            elif kind == "clean":
                found.unflushed.pop(entry[1], None)
            elif kind == "flush":
                found._flush(entry[1], before=entry[2])
            else:
                found.changes.append(Change(at, *entry))
                found.open.append(found.changes[-1])
        return found

    def _flush(self, folder: str, before: int) -> None:
        """The changes in a folder last, and with them those of the same names and files before."""
        for number in range(len(self.open) - 1, -1, -1):
            change = self.open[number]
            if change.at >= before:
                continue
            after = self.open[number + 1 :]
            if folder in change.folders or any(e.flushed and e.follows(change) for e in after):
                change.flushed = True
        self.open = [each for each in self.open if not each.flushed]


def cut_power(
    data: Path, beside: Path, choose: random.Random, survivors: float | None = None
) -> Left:
    """Leave of `data` what a power cut might; no process may be using it.

    The share of changes of names that survive though they were not flushed is chosen for the whole
    cut if it is not given, which of them for each by itself. What is left counts as flushed.
    """
    share = choose.choice((0.0, 0.0, 0.3, 0.8)) if survivors is None else survivors
    journal = Journal.read(beside)
    now = _names(data)
    files = {inode: data / name for name, inode in now.files.items()}
    files |= {int(path.name): path for path in (beside / ASIDE).iterdir()}
    before = Names(dict(now.files), set(now.folders))
    happened = [each for each in reversed(journal.changes) if before.undo(each)][::-1]
    kept, undone = _choose(happened, share, choose)
    for change in kept:
        before.do(change)
    before.drop_what_hangs_in_the_air()
    _bring_about(data, now, before, files)
    torn = [
        name
        for name, inode in sorted(before.files.items())
        if inode in journal.unflushed and _tear(data / name, journal.unflushed[inode], choose)
    ]
    forget(beside)
    return Left(tuple(f"{each.kind} {each.path} {each.target}" for each in undone), tuple(torn))


def forget(beside: Path) -> None:
    """Take everything for flushed."""
    shutil.rmtree(beside / ASIDE, ignore_errors=True)
    (beside / ASIDE).mkdir(parents=True)
    (beside / JOURNAL).write_bytes(b"")


def _choose(
    changes: Sequence[Change], share: float, choose: random.Random
) -> tuple[list[Change], list[Change]]:
    kept: list[Change] = []
    undone: list[Change] = []
    for change in changes:
        survives = change.flushed or choose.random() < share
        if not change.flushed and any(change.needs(each) for each in undone):
            survives = False
        (kept if survives else undone).append(change)
    return kept, undone


def _tear(path: Path, safe: int, choose: random.Random) -> bool:
    """Spoil the bytes of a file that were not flushed, from `safe` on, or leave them."""
    size = path.stat().st_size
    how = choose.choice(("short", "short", "zero", "whole"))
    if size <= safe or how == "whole":
        return False
    end = choose.randrange(safe, size)
    os.truncate(path, end)
    if how == "zero":
        os.truncate(path, size)
    return True


def _bring_about(data: Path, now: Names, wanted: Names, files: dict[int, Path]) -> None:
    """Give the folder the wanted names; every file that one of them leads to is in `files`."""
    spare = data.parent / f"{data.name}.after-power-cut"
    spare.mkdir()
    for inode in set(wanted.files.values()):
        os.link(files[inode], spare / str(inode))
    for name in now.files:
        if now.files[name] != wanted.files.get(name):
            (data / name).unlink()
    for folder in sorted(now.folders - wanted.folders, reverse=True):
        (data / folder).rmdir()
    for folder in sorted(wanted.folders - now.folders):
        (data / folder).mkdir()
    for name, inode in wanted.files.items():
        if now.files.get(name) != inode:
            os.link(spare / str(inode), data / name)
    shutil.rmtree(spare)


def _names(data: Path) -> Names:
    found = Names()
    for folder, folders, files in os.walk(data):
        for name in folders:
            found.folders.add(str((Path(folder) / name).relative_to(data)))
        for name in files:
            path = Path(folder) / name
            found.files[str(path.relative_to(data))] = path.lstat().st_ino
    return found


def _entries(path: Path) -> Iterator[tuple[int, list[Any]]]:
    at = 0
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):  # else its process was killed while it wrote
            yield at, json.loads(line)
        at += len(line)


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
