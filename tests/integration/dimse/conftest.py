"""Peers on loopback: our acceptor, DCMTK's programs, a pynetdicom server that misbehaves."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ImplicitVRLittleEndian, generate_uid

from dicom_router.dimse import AcceptorLimits, AssociationEnd, PeerAddress, serve_association
from infra.ports import free_port
from tests.conftest import skip_or_fail
from tests.unit.dimse.peers import Keeper

#: Explicit VR, JPEG 2000, JPEG lossless, RLE. DCMTK and pynetdicom send what they have read and
#: written again; without group lengths and sequences they make the same bytes.
SAMPLES = ("693_UNCI.dcm", "JPEG2000.dcm", "JPEG-LL.dcm", "SC_rgb_rle.dcm")


@dataclass(frozen=True)
class Instance:
    """A DICOM file, its identity and the bytes of its data set."""

    path: Path
    offset: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    @property
    def data_set(self) -> bytes:
        return self.path.read_bytes()[self.offset :]

    @property
    def pair(self) -> tuple[str, str]:
        return self.sop_class_uid, self.transfer_syntax_uid


def instance(path: Path) -> Instance:
    content = path.read_bytes()
    meta = dcmread(path, stop_before_pixels=True).file_meta
    return Instance(
        path,
        144 + int.from_bytes(content[140:144], "little"),
        str(meta.MediaStorageSOPClassUID),
        str(meta.MediaStorageSOPInstanceUID),
        str(meta.TransferSyntaxUID),
    )


@pytest.fixture(scope="session")
def instances(tmp_path_factory: pytest.TempPathFactory) -> list[Instance]:
    """Real images in five transfer syntaxes, and one of 3 MB that takes many PDUs."""
    folder = tmp_path_factory.mktemp("instances")
    found = []
    for name in SAMPLES:
        source = get_testdata_file(name, download=False)
        assert source is not None
        image = dcmread(source)
        for element in [each for each in image if each.tag.element == 0 or each.VR == "SQ"]:
            del image[element.tag]
        image.save_as(folder / name)
        found.append(instance(folder / name))
    large = dcmread(found[0].path)
    large.Rows, large.Columns = 1024, 1500
    large.PixelData = bytes(range(256)) * (1024 * 1500 * 2 // 256)
    large.SOPInstanceUID = large.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    large.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    large.save_as(folder / "large.dcm", implicit_vr=True, little_endian=True)
    return [*found, instance(folder / "large.dcm")]


@dataclass
class Server:
    """Our acceptor on a free port, a thread for each association."""

    keeper: Keeper
    port: int
    ends: list[AssociationEnd] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def wait(self) -> list[AssociationEnd]:
        """How all associations ended, once they have."""
        for thread in list(self.threads):
            thread.join(20)
        return self.ends


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers for the length of a test."""
    listeners: list[tuple[socket.socket, threading.Thread, Server]] = []

    def start(keeper: Keeper | None = None, limits: AcceptorLimits | None = None) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))
        server = Server(keeper or Keeper(), listener.getsockname()[1])
        arguments = (listener, server, limits or AcceptorLimits(idle_timeout_seconds=20))
        thread = threading.Thread(target=_accept, args=arguments)
        thread.start()
        listeners.append((listener, thread, server))
        return server

    yield start
    for listener, thread, server in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
        server.wait()


def _accept(listener: socket.socket, server: Server, limits: AcceptorLimits) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        thread = threading.Thread(target=_serve, args=(connection, server, limits))
        server.threads.append(thread)
        thread.start()


def _serve(connection: socket.socket, server: Server, limits: AcceptorLimits) -> None:
    server.ends.append(serve_association(connection, server.keeper, limits))


@pytest.fixture(scope="session")
def dcmtk() -> Callable[..., list[str]]:
    """A command line of DCMTK, or a skip where it is not installed."""

    def command(program: str, *arguments: object) -> list[str]:
        path = shutil.which(program)
        if path is None:
            skip_or_fail("DCMTK is not installed: apt-get install dcmtk")
        return [path, *map(str, arguments)]

    return command


@pytest.fixture
def hostile() -> Iterator[Callable[[int, bytes], socket.socket]]:
    """Connects to a port on loopback and sends bytes."""
    with ExitStack() as stack:

        def connect(port: int, data: bytes) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), 10)
            stack.enter_context(connection)
            connection.sendall(data)
            return connection

        yield connect


def run(command: Sequence[str]) -> None:
    """Run one of DCMTK's programs to its successful end."""
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment() -> dict[str, str]:
    return os.environ | {"TCP_NODELAY": "1"}


@pytest.fixture
def storescp(
    dcmtk: Callable[..., list[str]], tmp_path: Path
) -> Iterator[Callable[..., tuple[PeerAddress, Path]]]:
    """Starts DCMTK's storescp; where it listens and where it puts its files."""
    processes = []

    def start(*options: object) -> tuple[PeerAddress, Path]:
        port = free_port()
        folder = tmp_path / "stored"
        folder.mkdir()
        command = dcmtk("storescp", "--bit-preserving", "-od", folder, *options, port)
        processes.append(
            subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=None)
        )
        _wait_for(port)
        return PeerAddress("127.0.0.1", port, "ANY-SCP", "ROUTER"), folder

    yield start
    for process in processes:
        process.kill()
        process.wait(10)


def _wait_for(port: int) -> None:
    give_up = monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert monotonic() < give_up
        else:
            return
