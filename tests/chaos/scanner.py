"""A scanner of bad manners: its associations are aborted, lost within an image, repeated.

It keeps the account that all is about: what was answered, with what, and when.
"""

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pydicom.uid import ExplicitVRLittleEndian

from dicom_router.dimse import Association, PeerAddress, PeerError, ReadAhead, RequestorTimeouts
from dicom_router.dimse import command as dimse
from dicom_router.dimse.connection import ConnectionLost
from dicom_router.dimse.pdu import command_pdus
from tests.chaos.plan import Image
from tests.support.instances import CT_IMAGE_STORAGE, data_set

SUCCESS = 0x0000
_CONTEXT = (CT_IMAGE_STORAGE, str(ExplicitVRLittleEndian))
_TIMEOUTS = RequestorTimeouts(connect_seconds=3, negotiation_seconds=20, response_seconds=30)
_AGAIN_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class File:
    """An image's data set on the scanner's disk."""

    image: Image
    path: Path
    study_uid: str
    sop_instance_uid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One C-STORE; no status: none came."""

    at: float  # Unix time
    file: File
    status: int | None
    association: str

    def __str__(self) -> str:
        status = "no answer" if self.status is None else f"0x{self.status:04X}"
        what = f"{self.file.image} {self.file.sop_instance_uid} {self.file.sha256[:8]}"
        return f"{self.at:.3f} {self.association} {what}: {status}"


def study_uid_of(seed: int, study: int) -> str:
    """The Study Instance UID of a plan's study."""
    return f"1.2.826.0.1.3680043.8.498.{seed}.{study + 1}"


def make_files(folder: Path, seed: int, sizes: dict[Image, int]) -> dict[Image, File]:
    """Every image of a plan, made from the seed."""
    folder.mkdir()
    choose = Random(f"{seed} images")
    files = {}
    for image, size in sizes.items():
        study_uid = study_uid_of(seed, image.study)
        uid = f"{study_uid}.1.{image.number + 1}"
        content = data_set(
            StudyInstanceUID=study_uid,
            SeriesInstanceUID=f"{study_uid}.1",
            SOPInstanceUID=uid,
            PatientID=f"P{image.study}",
            InstanceNumber=image.number + 1,
            EncapsulatedDocument=choose.randbytes(size),
        )
        path = folder / f"{image.study}-{image.number}-{image.version}"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files[image] = File(image, path, study_uid, uid, digest)
    return files


class Account:
    """All answers, in order; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: list[Answer] = []

    def add(self, file: File, status: int | None, association: str) -> None:
        """One more."""
        with self._lock:
            self._answers.append(Answer(time.time(), file, status, association))

    @property
    def answers(self) -> list[Answer]:
        """Those so far."""
        with self._lock:
            return list(self._answers)

    @property
    def acknowledged(self) -> list[Answer]:
        """Those that were answered with success."""
        return [each for each in self.answers if each.status == SUCCESS]


class Scanner:
    """Sends some images: over one association as planned, then what got no success once more."""

    def __init__(
        self,
        name: str,
        port: int,
        files: Sequence[File],
        account: Account,
        *,
        end: str,
        after: int,
        patience: float,
    ) -> None:
        self.name = name
        self._peer = PeerAddress("127.0.0.1", port, "DICOMROUTER", name)
        self._left = list(files)
        self._account = account
        self._end, self._after = end, after
        self._until = time.monotonic() + patience
        self._give_up = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def stop(self) -> None:
        """Don't try again."""
        self._give_up.set()

    def _run(self) -> None:
        end, after = self._end, self._after
        while self._left and not self._give_up.is_set():
            with suppress(PeerError):  # what was not answered is still left
                self._send(end, after)
            if time.monotonic() > self._until:
                return
            end, after = "released", 0
            if self._left:
                self._give_up.wait(_AGAIN_SECONDS)

    def _send(self, end: str, after: int) -> None:
        with Association.open(self._peer, [_CONTEXT], _TIMEOUTS) as association:
            if _CONTEXT not in association.accepted:
                return
            for number, file in enumerate(list(self._left), 1):
                if end == "broken" and number == after:
                    self._break_off(association, file)
                    return
                self._store(association, file)
                if number == after and end == "aborted":
                    association.abort()
                    return
                if number == after and end == "lost":
                    association._close()
                    return

    def _store(self, association: Association, file: File) -> None:
        status = None
        try:
            status = association.store(
                file.path, 0, CT_IMAGE_STORAGE, file.sop_instance_uid, _CONTEXT[1]
            ).code
        finally:
            self._account.add(file, status, self.name)
        if status == SUCCESS:
            self._left.remove(file)

    def _break_off(self, association: Association, file: File) -> None:
        """Lose the connection in the middle of a data set."""
        context = association._context_id(*_CONTEXT)
        request = dimse.store_request(1, CT_IMAGE_STORAGE, file.sop_instance_uid)
        descriptor = os.open(file.path, os.O_RDONLY)
        try:
            size = file.path.stat().st_size
            head, body = next(association._data_set(context, ReadAhead(descriptor, 0, 0), size))[:2]
            pdus = command_pdus(context, request, association._peer_max_pdu)
            with suppress(ConnectionLost):
                association._connection.send([pdus, head, bytes(body)[: len(body) // 2]])
        finally:
            os.close(descriptor)
            association._close()
            self._account.add(file, None, self.name)
