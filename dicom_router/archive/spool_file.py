"""The file that an instance is written to, from its first byte until it is safe in the spool."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from dicom_router.archive.durable import TEMPORARY
from dicom_router.part10 import FileMeta, encode_file_meta

_IOV_MAX = 1024  # the most buffers that one writev takes (Linux)


class SpoolFile:
    """An instance on its way from the line to the spool; for one thread.

    Call `write` for every piece of the data set, then `commit` or `discard`.
    """

    def __init__(self, path: Path, meta: FileMeta, flush_folder: Callable[[Path], None]) -> None:
        self._path, self._flush_folder = path, flush_folder
        self._temporary = path.with_name(f".{path.name}{TEMPORARY}")
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


def copy_data_set(source: int, offset: int, target: SpoolFile) -> None:
    """Append a file's data set, from `offset` on, to a spool file."""
    os.lseek(source, offset, os.SEEK_SET)
    while piece := os.read(source, 1 << 20):
        target.write([memoryview(piece)])
