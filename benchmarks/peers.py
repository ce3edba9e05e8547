"""The programs that we are measured beside, as processes of their own on loopback.

DCMTK and Orthanc are Debian's packages. DCMTK is told TCP_NODELAY=1 on both sides, or the kernel's
delayed acknowledgements are what is measured. Orthanc is DCMTK below, so it is told as well.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from dicom_router.dimse import VERIFICATION, Association, PeerAddress, PeerError, RequestorTimeouts
from infra.ports import LOOPBACK, free_port
from infra.private_services import ServiceFailed, ServiceMissing
from infra.processes import POLL_SECONDS, end, spawn

LARGE_PDU = 131_072  # bytes, the largest that DCMTK does
_IMPLICIT = "1.2.840.10008.1.2"
# A job for each study, and no waiting for it in Lua, so that two go on at the same time.
_ROUTE = """
function OnStableStudy(study, tags, metadata)
  RestApiPost('/modalities/sink/store', DumpJson({Resources = {study}, Synchronous = false}))
end
"""
_START_SECONDS = 60
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Server:
    """A DICOM server that listens, and the folder in and below which it puts what it receives."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def address(self, calling: str = "BENCHMARK") -> PeerAddress:
        """Where it is, for our own requestor."""
        return PeerAddress(LOOPBACK, self.port, "ANY-SCP", calling)


def environment() -> Mapping[str, str]:
    """What DCMTK, and all that is built on it, is to run in."""
    return os.environ | {"TCP_NODELAY": "1"}


def program(name: str, package: str) -> str:
    """Debian's program; pynetdicom brings some of the same names along."""
    found = shutil.which(name, path="/usr/bin:/usr/sbin") or shutil.which(name)
    if found is None:
        raise ServiceMissing(f"{name} is not installed here: apt-get install {package}.")
    return found


def is_there(name: str) -> bool:
    """Whether a program of Debian's is installed."""
    with suppress(ServiceMissing):
        return bool(program(name, ""))
    return False


@contextmanager
def storescp(folder: Path, max_pdu: int = LARGE_PDU, port: int | None = None) -> Iterator[Server]:
    """DCMTK's storescp, which writes the bytes as they come, a process for each association."""
    options = ["--bit-preserving", "--max-pdu", str(max_pdu)]
    with _storescp(folder, port or free_port(), options) as server:
        yield server


@contextmanager
def plain_storescp(folder: Path) -> Iterator[Server]:
    """The same as it comes: it reads every data set into its memory, from PDUs of 16 KB."""
    with _storescp(folder, free_port(), []) as server:
        yield server


@contextmanager
def _storescp(folder: Path, port: int, options: Sequence[str]) -> Iterator[Server]:
    command = [program("storescp", "dcmtk"), "--fork", *options]
    command += ["--output-directory", str(folder), str(port)]
    with _running("storescp", command, port, folder) as server:
        yield server


@contextmanager
def orthanc(folder: Path, *, forward_to: int | None = None) -> Iterator[Server]:
    """Orthanc as it comes, but with a PDU as large as anybody's and without flushing to disk.

    Args:
        folder: where it keeps everything; empty.
        forward_to: the port of a server that gets every study once it is stable: quiet for 1 s,
            which is the shortest there is. That is the better of its ways: by instance is slower.
    """
    executable = program("Orthanc", "orthanc")
    port = free_port()
    configuration: dict[str, object] = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "SyncStorageArea": False,
        "HttpServerEnabled": False,
        "RemoteAccessAllowed": False,
        "Plugins": [],
        "DicomPort": port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "MaximumPduLength": LARGE_PDU,
        "StableAge": 1,
    }
    if forward_to is not None:
        script = folder / "route.lua"
        script.write_text(_ROUTE)
        configuration["LuaScripts"] = [str(script)]
        configuration["DicomModalities"] = {"sink": ["ANY-SCP", LOOPBACK, forward_to]}
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    with _running("Orthanc", [executable, str(file)], port, folder) as server:
        yield server


@contextmanager
def stock_receiver(folder: Path) -> Iterator[Server]:
    """A storage server as pynetdicom's documentation has it: see `stock`."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.stock", "receive", str(port), str(folder)]
    with _running("pynetdicom", command, port, folder) as server:
        yield server


def dcmsend(
    folders: Sequence[Path], port: int, options: Sequence[str] = (), logs: Sequence[Path] = ()
) -> float:
    """Send what is in and below each folder with a dcmsend of its own, all at the same time.

    Args:
        folders: one for each association.
        port: where to.
        options: more of dcmsend's.
        logs: a file for what each dcmsend prints, if that is wanted.

    Returns:
        Seconds from the start of the first process to the end of the last.
    """
    executable = program("dcmsend", "dcmtk")
    fixed = ["--max-pdu", str(LARGE_PDU), "--scan-directories", "--recurse", *options]
    with ExitStack() as stack:
        outputs = [stack.enter_context(each.open("wb")) for each in logs]
        begun = time.perf_counter()
        running = [
            subprocess.Popen(
                [executable, *fixed, LOOPBACK, str(port), str(folder)],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stderr=output,
            )
            for folder, output in zip_longest(folders, outputs)
        ]
        codes = [each.wait() for each in running]
        took = time.perf_counter() - begun
    if any(codes):
        raise ServiceFailed(f"dcmsend to port {port} ended with {max(codes)}.")
    return took


def wait_until_it_answers(name: str, port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for an answer to C-ECHO, for which a server has to be whole."""
    peer = PeerAddress(LOOPBACK, port, "ANY-SCP", "BENCHMARK")
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            timeouts = RequestorTimeouts(connect_seconds=1, negotiation_seconds=5)
            with Association.open(peer, [(VERIFICATION, _IMPLICIT)], timeouts) as association:
                association.echo()
            return
        except PeerError:
            time.sleep(POLL_SECONDS)
    raise ServiceFailed(f"{name} did not answer on port {port} within {_START_SECONDS} s.")


@contextmanager
def _running(name: str, command: Sequence[str], port: int, folder: Path) -> Iterator[Server]:
    log = folder.with_name(f"{folder.name}.log")
    process = spawn(command, environment=environment(), when_parent_dies=signal.SIGKILL, output=log)
    try:
        wait_until_it_answers(name, port, process)
        yield Server(port, folder, process)
    finally:
        end([process], signal.SIGTERM, time.monotonic() + _STOP_SECONDS)
