"""The real DICOM files that the development requirements carry: nothing of them is committed."""

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dicom_router.errors import Unprocessable
from dicom_router.part10 import read_file_meta

_PLACES = (("pydicom", "data"), ("data_store", ""), ("pynetdicom", "tests/dicom_files"))
_LONGEST_UID = 64


@dataclass(frozen=True)
class RealFile:
    """A file of the development data; `offset` is where its data set begins, if it has a meta."""

    path: Path
    sha256: str  # of the data set, or of the whole file where there is no file meta
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    offset: int = 0

    @property
    def is_sendable(self) -> bool:
        """Whether the file meta says what a C-STORE needs to say."""
        uids = (self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid)
        return all(0 < len(uid) <= _LONGEST_UID for uid in uids)

    def data_set(self) -> bytes:
        """The encoded data set."""
        return self.path.read_bytes()[self.offset :]


@cache
def development_data() -> tuple[RealFile, ...]:
    """One of each content, in a stable order: Part 10 files, and what is called *.dcm."""
    found: dict[tuple[str, str], RealFile] = {}
    for path in _candidates():
        each = _read(path)
        if each is not None:
            found.setdefault((each.sop_instance_uid, each.sha256), each)
    return tuple(found.values())


def _candidates() -> Iterator[Path]:
    for package, below in _PLACES:
        spec = importlib.util.find_spec(package)
        assert spec is not None, f"{package} is not installed"
        for place in spec.submodule_search_locations or ():
            yield from sorted(p for p in (Path(place) / below).rglob("*") if p.is_file())


def _read(path: Path) -> RealFile | None:
    content = path.read_bytes()
    with path.open("rb") as file:
        try:
            meta, offset = read_file_meta(file.fileno())
        except Unprocessable:
            if path.suffix != ".dcm" or not content:
                return None
            return RealFile(path, hashlib.sha256(content).hexdigest())
    return RealFile(
        path,
        hashlib.sha256(content[offset:]).hexdigest(),
        meta.sop_class_uid,
        meta.sop_instance_uid,
        meta.transfer_syntax_uid,
        offset,
    )
