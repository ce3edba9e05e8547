"""Sending: our forwarder's way beside DCMTK's dcmsend and stock pynetdicom, to DCMTK's storescp.

To a peer that takes PDUs of 128 KB and to one that takes 16 KB, over one association.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.arrivals import require_all
from benchmarks.bars import Bar
from benchmarks.images import Image, Images, make_images
from benchmarks.peers import Server
from benchmarks.rounds import Figures, print_figures, take_turns
from benchmarks.spent import put_away
from dicom_router.dimse import SUCCESS, Association, PeerAddress, ReadAhead, RequestorTimeouts
from dicom_router.part10 import read_file_meta
from infra.private_services import ServiceFailed

_IMAGES = 1000
_ROUNDS = 5
_PDUS = {"128 KB": 131_072, "16 KB": 16_384}  # bytes that the peer takes at a time
_PYNETDICOM_TRIES = 5
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
_ROOM_BYTES = 3 << 20  # for each image, its copy at the sink, and as much again
DCMSEND = "dcmsend"
PYNETDICOM = "pynetdicom"
OURS = "ours"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--images", type=int, default=_IMAGES, help="sent in each run")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each contestant")
    parser.add_argument(
        "--only", default="", help="contestants whose name has this in it (and no bars)"
    )


def run(asked: argparse.Namespace) -> list[Bar]:
    """Measure in a folder of its own: in memory, so that not the sink's disk is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=_memory(asked.images)) as folder:
        return measure(Path(folder), asked.images, asked.rounds, only=asked.only)


def measure(folder: Path, count: int, rounds: int, *, only: str = "") -> list[Bar]:
    """Send so many images in each run, to a peer of either kind; the bars."""
    images = make_images(folder / "images", count)
    figures = {name: _measure(folder, images, name, rounds, only) for name in _PDUS}
    return [] if only else list(_bars(figures))


def _memory(images: int) -> Path | None:
    """Where a file is in memory; None without room for so many images."""
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > images * _ROOM_BYTES
    return _MEMORY if has_room else None


def send_as_the_forwarder(images: Sequence[Image], peer: PeerAddress) -> float:
    """Open, look at the file meta, send, for each image, as `services.forwarder.sending` does.

    Returns:
        Seconds from asking for the association to its release.
    """
    begun = time.perf_counter()
    contexts = sorted({(each.sop_class_uid, each.transfer_syntax_uid) for each in images})
    with Association.open(peer, contexts, RequestorTimeouts()) as association:
        sending = _Sending(association, images)
        for each in images:
            sending.send(each)
    return time.perf_counter() - begun


class _Sending:
    """Sends one image and opens the next one before the answer is there."""

    def __init__(self, association: Association, images: Sequence[Image]) -> None:
        self._association = association
        self._following = iter(images)
        self._ahead: ReadAhead | None = None
        self._open_next()

    def send(self, image: Image) -> None:
        """Send the next image."""
        source = self._ahead
        if source is None:
            raise ServiceFailed("There is no next image.")
        try:
            status = self._association.store(
                source,
                source.offset,
                image.sop_class_uid,
                image.sop_instance_uid,
                image.transfer_syntax_uid,
                self._open_next,
            )
        finally:
            os.close(source.descriptor)
        if status.code != SUCCESS:
            raise ServiceFailed(f"{image.path} was answered with 0x{status.code:04X}.")

    def _open_next(self) -> None:
        image = next(self._following, None)
        if image is None:
            return
        descriptor = os.open(image.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        _, offset = read_file_meta(descriptor)
        self._ahead = self._association.read_ahead(descriptor, offset)


def _measure(folder: Path, images: Images, pdu: str, rounds: int, only: str) -> dict[str, Figures]:
    print(f"\nSending {len(images.all)} images to storescp with PDUs of {pdu}.", flush=True)
    contestants: dict[str, Callable[[Server], float]] = {
        DCMSEND: lambda sink: peers.dcmsend([images.folder], sink.port),
        PYNETDICOM: lambda sink: _send_as_pynetdicom(images, sink),
        OURS: lambda sink: send_as_the_forwarder(images.all, sink.address()),
    }
    runs = {
        name: partial(_send_all, folder, images, _PDUS[pdu], send)
        for name, send in contestants.items()
        if only in name
    }
    figures = take_turns(runs, rounds, "images/s")
    print_figures(f"Sending to storescp with PDUs of {pdu}", "images/s", figures)
    return figures


def _send_all(place: Path, images: Images, max_pdu: int, send: Callable[[Server], float]) -> float:
    """One run: images per second."""
    folder = place / "sink"
    folder.mkdir()
    with peers.storescp(folder, max_pdu) as sink:
        took = send(sink)
    require_all(images.all, folder)
    put_away(folder, place / "spent")
    return len(images.all) / took


def _send_as_pynetdicom(images: Images, sink: Server) -> float:
    """In a process of its own; again where it stalls: at times it waits for storescp in vain."""
    command = [sys.executable, "-m", "benchmarks.stock", "send", str(sink.port), str(images.folder)]
    for _ in range(_PYNETDICOM_TRIES):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.returncode:
            return float(done.stdout)
        print(f"  pynetdicom stalls, and begins again: {done.stderr.strip()}", flush=True)
    raise ServiceFailed(f"pynetdicom did not send everything in {_PYNETDICOM_TRIES} attempts.")


def _bars(figures: Mapping[str, Mapping[str, Figures]]) -> Iterator[Bar]:
    for pdu, of_pdu in figures.items():
        ratio = of_pdu[OURS].median / of_pdu[DCMSEND].median
        yield Bar(f"send, to a peer with PDUs of {pdu}: {DCMSEND}", ratio, 1.2, "at least")
