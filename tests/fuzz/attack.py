"""Runs the attacks over several lanes at once and counts how they end."""

import hashlib
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from random import Random

from dicom_router.dimse import Association, PeerAddress, RequestorTimeouts
from dicom_router.errors import RouterError, Unprocessable
from dicom_router.part10 import read_file_meta
from tests.fuzz import data_sets, pdus
from tests.fuzz.data_sets import Source
from tests.fuzz.target import SUCCESS, Target
from tests.support.waiting import wait_for

LANES = 4
GOOD_EVERY = 100  # attacks between two associations of a well-behaved sender
_ENDS = {3: "rejected", 6: "released", 7: "aborted"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a RST


# What attacks with one number, and says how that ended; for one thread.
Attack = Callable[[int], str]


def attack_with_pdus(target: Target, seed: str, numbers: range) -> Counter[str]:
    """Open a connection for each number; how the router ended them."""

    def attack(number: int) -> str:
        return _send_pdus(target, Random(f"{seed}-pdu-{number}"))

    return _over_lanes(target, numbers, lambda: nullcontext(attack))


def _send_pdus(target: Target, random: Random) -> str:
    sequence = pdus.sequence(random)
    with target.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for each in sequence:
                for piece in _pieces(random, each):
                    connection.sendall(piece)
            if random.random() < 0.1:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return "cut"
            with suppress(OSError):  # it has ended the connection already
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has had enough; what it said may still be there
        return _end(connection)


def _pieces(random: Random, pdu: bytes) -> list[bytes]:
    if random.random() < 0.9 or len(pdu) < 2:
        return [pdu]
    cut = random.randrange(1, len(pdu))
    return [pdu[:cut], pdu[cut:]]


def _end(connection: socket.socket) -> str:
    """The last PDU before the router closed, which it must do."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    at, last = 0, 0
    while at + 6 <= len(received):
        last, length = struct.unpack_from(">BxI", received, at)
        at += 6 + length
    return _ENDS.get(last, "closed")


def attack_with_data_sets(target: Target, seed: str, numbers: range) -> Counter[str]:
    """C-STORE a mutated data set for each number; where all that were taken ended."""
    taken: dict[str, str] = {}
    sources = data_sets.sources()
    counted = _over_lanes(target, numbers, lambda: _storing(target, seed, sources, taken))
    return counted + _ends_of(target, taken)


@contextmanager
def _storing(
    target: Target, seed: str, sources: Sequence[Source], taken: dict[str, str]
) -> Iterator[Attack]:
    """One association that no data set may break."""
    peer = PeerAddress("127.0.0.1", target.router.dicom_port, "ROUTER", "FUZZ")
    kinds = sorted({each.kind for each in sources})
    descriptor = os.memfd_create("data set")

    def attack(number: int) -> str:
        name = f"{seed}-data-set-{number}"
        random = Random(name)
        made = data_sets.made(random, sources)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, made.content, 0)
        uid = f"1.2.9.{number}" if random.random() < 0.9 else random.choice(pdus.UIDS) or "1.2"
        status = association.store(descriptor, 0, made.kind[0], uid, made.kind[1])
        if status.code != SUCCESS:
            return f"answered 0x{status.code:04X}"
        taken[name] = hashlib.sha256(made.content).hexdigest()
        return "taken"

    try:
        with Association.open(peer, kinds, RequestorTimeouts()) as association:
            yield attack
    finally:
        os.close(descriptor)


def _ends_of(target: Target, taken: dict[str, str]) -> Counter[str]:
    """Wait until nothing is left in the spool; where each data set is now."""
    spool, aside = target.router.data / ".spool", target.router.data / ".quarantine"
    target.require_alive()
    wait_for(
        lambda: not any(spool.rglob("*.dcm")),
        lambda: f"the organizer to be done with {sum(1 for _ in spool.rglob('*.dcm'))} files",
        300,
    )
    organized = {_data_set_sha256(path) for path in target.router.data.glob("[!.]*/*.dcm")}
    quarantined = {
        _data_set_sha256(path)
        for path in aside.glob("*.dcm")
        if path.with_name(f"{path.name}.reason.txt").read_text().strip()
    }
    lost = [name for name, digest in taken.items() if digest not in organized | quarantined]
    if lost:
        raise AssertionError(f"{len(lost)} data sets are lost, among them {lost[:5]}")
    return Counter(
        "organized" if digest in organized else "quarantined with a reason"
        for digest in taken.values()
    )


def _data_set_sha256(path: Path) -> str:
    with path.open("rb") as file:
        try:
            _meta, offset = read_file_meta(file.fileno())
        except Unprocessable:
            return ""
        file.seek(offset)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _over_lanes(
    target: Target, numbers: range, lane: Callable[[], AbstractContextManager[Attack]]
) -> Counter[str]:
    """Deal the numbers out over the lanes; each has a well-behaved sender come in between."""

    def run(mine: range) -> Counter[str]:
        ends: Counter[str] = Counter()
        with lane() as attack:
            for number in mine:
                if number % GOOD_EVERY == 0:
                    target.well_behaved()
                    ends["well-behaved senders"] += 1
                try:
                    ends[attack(number)] += 1
                except (OSError, RouterError) as error:
                    target.require_alive()
                    raise AssertionError(f"number {number}: {error}") from error
        return ends

    with ThreadPoolExecutor(LANES) as pool:
        parts = [numbers[start::LANES] for start in range(LANES)]
        return sum(pool.map(run, parts), Counter())
