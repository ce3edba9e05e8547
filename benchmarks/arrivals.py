"""Whether every byte of every data set arrived, whoever received it."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.images import Image
from dicom_router.errors import Unprocessable
from dicom_router.part10 import read_file_meta

_PIECE_BYTES = 1 << 20


class Lost(Exception):
    """What arrived is not what was sent; the text says how much of it, and of what the first."""


def require_all(images: Iterable[Image], folder: Path) -> None:
    """Compare what is in and below a folder with what was sent; `Lost` if a byte is not there."""
    wanted = {each.sop_instance_uid: each.sha256 for each in images}
    found = dict(_data_sets(folder))
    wrong = [uid for uid, sha256 in wanted.items() if found.get(uid) != sha256]
    if wrong:
        what = "has other bytes" if wrong[0] in found else "is not there"
        raise Lost(
            f"{len(wrong)} of {len(wanted)} images did not arrive as they were sent in {folder}: "
            f"{wrong[0]} {what}"
        )


def _data_sets(folder: Path) -> Iterator[tuple[str, str]]:
    """SOP Instance UID and SHA-256 of the data set of every Part 10 file; other files are none."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                try:
                    meta, offset = read_file_meta(file.fileno())
                except Unprocessable:
                    continue
                digest = hashlib.sha256()
                os.lseek(file.fileno(), offset, os.SEEK_SET)
                while piece := os.read(file.fileno(), _PIECE_BYTES):
                    digest.update(piece)
            yield meta.sop_instance_uid, digest.hexdigest()
