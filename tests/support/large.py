"""An object larger than anyone's memory should be: written, received and hashed in pieces."""

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dicom_router.dimse import (
    AcceptorLimits,
    AssociationRequest,
    Rejection,
    StopSignal,
    StoreRequest,
    StoreStatus,
    serve_association,
)
from dicom_router.part10 import FileMeta, encode_file_meta
from tests.support.development_data import RealFile
from tests.support.hostile import EXPLICIT, element

MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.2"  # Multi-frame Grayscale Byte Secondary Capture
_FRAME = 1 << 20  # bytes: 1024 × 1024 pixels


def multi_frame(path: Path, frames: int) -> tuple[str, RealFile]:
    """Write an object of so many MiB, no two frames alike; its Study Instance UID and the file."""
    study_uid, uid = "1.2.3.4.1024", f"1.2.3.4.1024.{frames}"
    header = b"".join(
        (
            element(0x00080016, b"UI", _even(MULTI_FRAME)),
            element(0x00080018, b"UI", _even(uid)),
            element(0x00080060, b"CS", b"OT"),
            element(0x00100010, b"PN", b"LARGE^OBJECT"),
            element(0x00100020, b"LO", b"L001"),
            element(0x0020000D, b"UI", _even(study_uid)),
            element(0x0020000E, b"UI", _even(f"{study_uid}.1")),
            element(0x00280008, b"IS", f"{frames:12}".encode()),
            element(0x00280010, b"US", struct.pack("<H", 1024)),
            element(0x00280011, b"US", struct.pack("<H", 1024)),
            element(0x7FE00010, b"OW", length=frames * _FRAME),
        )
    )
    meta = encode_file_meta(FileMeta(MULTI_FRAME, uid, EXPLICIT))
    digest = hashlib.sha256(header)
    block = bytes(range(256)) * (_FRAME // 256)
    with path.open("wb") as file:
        file.write(meta + header)
        for number in range(frames):
            frame = number.to_bytes(8, "little") + block[8:]
            digest.update(frame)
            file.write(frame)
    return study_uid, RealFile(path, digest.hexdigest(), MULTI_FRAME, uid, EXPLICIT, len(meta))


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


@dataclass
class HashingPacs:
    """A PACS that keeps of every object its hash: SOP Instance UID to SHA-256 and size."""

    port: int
    ae_title: str = "PACS"
    stored: dict[str, tuple[str, int]] = field(default_factory=dict)

    def on_request(self, _request: AssociationRequest) -> Rejection | None:
        return None

    def on_store(self, request: StoreRequest) -> "_Hashing":
        return _Hashing(self, request.sop_instance_uid)


class _Hashing:
    def __init__(self, pacs: HashingPacs, uid: str) -> None:
        self._pacs, self._uid = pacs, uid
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, fragments: Sequence[memoryview], *, last: bool) -> None:  # noqa: ARG002
        for fragment in fragments:
            self._digest.update(fragment)
            self._size += len(fragment)

    def finish(self) -> StoreStatus:
        self._pacs.stored[self._uid] = self._digest.hexdigest(), self._size
        return StoreStatus(0x0000)

    def answered(self) -> None:
        pass

    def discard(self) -> None:
        pass


@contextmanager
def hashing_pacs() -> Iterator[HashingPacs]:
    """One on loopback."""
    stopping = StopSignal()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pacs = HashingPacs(listening.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # shut down: the test is over
                    return
                arguments = (connection, pacs, AcceptorLimits(), stopping)
                threads.append(threading.Thread(target=serve_association, args=arguments))
                threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield pacs
        finally:
            stopping.set()
            listening.shutdown(socket.SHUT_RDWR)
            for thread in (acceptor, *threads):
                thread.join()
            stopping.close()
