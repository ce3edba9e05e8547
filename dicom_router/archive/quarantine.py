"""The files that are set aside, each with its reason beside it."""

import os
from collections.abc import Iterator
from pathlib import Path

from dicom_router.archive.durable import flush_folders, write_atomically
from dicom_router.archive.identity import Identity
from dicom_router.archive.reading import in_order, is_plain_file

QUARANTINE = ".quarantine"


class Quarantine:
    """What is in it is never replaced."""

    def __init__(self, root: Path, identity: Identity) -> None:
        self._root, self._identity = root, identity
        self._folder = root / QUARANTINE

    def put(self, source: Path, name: str, reason: str) -> str:
        """Move a file aside with its reason beside it; its new path, relative. Durable.

        A second file of that name gets another.
        """
        self._identity.require()
        source.lstat()  # before the reason is there
        target, number = self._folder / name, 1
        while os.path.lexists(target):
            number += 1
            target = self._folder / f"{Path(name).stem}_{number}{Path(name).suffix}"
        self.write_reason(target, reason)
        source.rename(target)
        flush_folders([self._folder, source.parent])
        return self._relative(target)

    def write_reason(self, quarantined: Path, reason: str) -> None:
        """Say beside a file in quarantine why it is there."""
        write_atomically(_reason_of(quarantined), f"{reason}\n".encode())

    def remove(self, path: Path) -> None:
        """Remove a file from quarantine with its reason, as far as they are there."""
        self._identity.require()
        path.unlink(missing_ok=True)
        _reason_of(path).unlink(missing_ok=True)
        flush_folders([path.parent])

    def find(self, name: str) -> tuple[str, str] | None:
        """The relative path and the reason of a file in quarantine; None if it is not there."""
        target = self._folder / name
        if not is_plain_file(target):
            return None
        reason = _reason_of(target)
        known = is_plain_file(reason)
        text = reason.read_text("utf-8").strip() if known else "the reason is not known"
        return self._relative(target), text

    def files(self) -> Iterator[Path]:
        """The files in quarantine, the reasons beside them left out."""
        yield from in_order(self._folder)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def _reason_of(quarantined: Path) -> Path:
    return quarantined.with_name(f"{quarantined.name}.reason.txt")
