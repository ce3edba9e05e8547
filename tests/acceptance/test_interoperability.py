"""What others send arrives bit for bit, and goes out bit for bit to others: plain and over TLS.

Each sender sends a study of its own into the whole router, which sends each on to every sink. Bit
for bit is what a peer may write: DCMTK, Orthanc and pynetdicom read a data set and write it again,
which for these images (no group lengths, no sequences) makes the same bytes.
"""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from pynetdicom import AE

from infra.ports import LOOPBACK, free_port
from tests.conftest import skip_or_fail
from tests.integration.dimse.conftest import environment, run
from tests.support.certificates import Authority, Pair
from tests.support.development_data import RealFile
from tests.support.orthanc import Orthanc, orthanc
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router, running
from tests.support.series import real_file
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.dcmtk,
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]

_PDU_SIZES = (4096, 4098, 8192, 16384, 28672, 32768, 50002, 65536, 131072)  # DCMTK takes even ones
_COMPRESSED = ("JPEG2000.dcm", "JPEG-LL.dcm", "SC_rgb_rle.dcm")
_PLAIN = "693_UNCI.dcm"  # Explicit VR Little Endian
SENDERS = (
    *(f"dcmsend, PDUs of {size}" for size in _PDU_SIZES),
    *(f"storescu, PDUs of {size}" for size in _PDU_SIZES),
    *(f"storescu over TLS, PDUs of {size}" for size in _PDU_SIZES),
    "pynetdicom",
    "pynetdicom over TLS",
    "Orthanc",
    "Orthanc over TLS",
)
SINKS = (
    "storescp",
    "storescp over TLS",
    "Orthanc",
    "Orthanc over TLS",
    "pynetdicom",
    "pynetdicom over TLS",
)


@dataclass(frozen=True)
class Site:
    """A router's ports, and the certificates that all trust."""

    plain_port: int
    tls_port: int
    authority: Authority
    pair: Pair


@dataclass(frozen=True)
class Traffic:
    """What each sender has sent, and how to find what each sink has: SHA-256 of data sets."""

    sent: Mapping[str, Sequence[RealFile]]
    received: Mapping[str, Callable[[RealFile], str | None]]


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[Traffic]:
    """All of it, at rest."""
    folder = tmp_path
    authority = Authority(folder / "authority")
    pair = authority.sign()
    site = Site(free_port(), free_port(), authority, pair)
    settings: dict[str, object] = {
        "ROUTER_DICOM_PORTS": site.plain_port,
        "ROUTER_DICOM_TLS_PORTS": site.tls_port,
        "ROUTER_DICOM_TLS_CERT": pair.certificate,
        "ROUTER_DICOM_TLS_KEY": pair.key,
        "ROUTER_DICOM_TLS_CA": authority.certificate,
    }
    with ExitStack() as stack:
        received, ports = _sinks(stack, folder, site)
        (folder / "router").mkdir()
        router = stack.enter_context(running(folder / "router", EMBEDDED, **settings))
        _route_to_all(router, ports)
        archive = stack.enter_context(_sending_orthanc(folder, site))
        sent = {name: _study(folder / str(n), name) for n, name in enumerate(SENDERS)}
        for name, files in sent.items():
            _send(name, files, site, archive)
        studies = {str(dcmread(files[0].path).StudyInstanceUID) for files in sent.values()}
        wait_for(lambda: _are_sent(router, studies), lambda: f"all sent:\n{router.log()}", 120)
        yield Traffic(sent, received)


def test_every_byte_arrives(traffic: Traffic, figure: Callable[[str], None]) -> None:
    wrong = [
        f"{sender} to {sink}: {each.path.name}"
        for sender, files in traffic.sent.items()
        for sink, found in traffic.received.items()
        for each in files
        if found(each) != each.sha256
    ]
    images = sum(map(len, traffic.sent.values()))
    figure(f"{images} images of {len(SENDERS)} senders, each at {len(SINKS)} sinks")
    assert wrong == []


# -- who sends -------------------------------------------------------------------------------------


def _study(folder: Path, sender: str) -> list[RealFile]:
    """Images of one study: small and large, and compressed ones for those who can send them."""
    folder.mkdir()
    names = [_PLAIN, _PLAIN] + ([] if "storescu" in sender else [*_COMPRESSED])
    study_uid = generate_uid()
    files = []
    for number, name in enumerate(names):
        image = dcmread(str(get_testdata_file(name, download=False)))
        for element in [each for each in image if each.tag.element == 0 or each.VR == "SQ"]:
            del image[element.tag]
        uid = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = study_uid, generate_uid()
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
        image.PatientID, image.PatientName = "IOP", sender
        if number == 1:  # of many PDUs, whatever their size
            image.Rows, image.Columns = 512, 700
            image.PixelData = bytes(range(256)) * (512 * 700 * 2 // 256)
        image.save_as(folder / f"{number}.dcm")
        files.append(real_file(folder / f"{number}.dcm"))
    return files


def _send(sender: str, files: Sequence[RealFile], site: Site, archive: Orthanc) -> None:
    if sender.startswith("pynetdicom"):
        _send_with_pynetdicom(files, site, tls="TLS" in sender)
    elif sender.startswith("Orthanc"):
        ids = [archive.add(each.path) for each in files]
        assert archive.store("tls" if "TLS" in sender else "plain", ids) == 0
    else:
        program, _, size = sender.partition(", PDUs of ")
        _send_with_dcmtk(program.split()[0], size, files, site, tls="TLS" in program)


def _send_with_dcmtk(
    program: str, size: str, files: Sequence[RealFile], site: Site, *, tls: bool
) -> None:
    options = ["--max-pdu", size, "--max-send-pdu", size]
    if program == "dcmsend":
        options.append("--decompress-never")
    if tls:
        options += ["+tls", str(site.pair.key), str(site.pair.certificate)]
        options += ["+cf", str(site.authority.certificate)]
    port = str(site.tls_port if tls else site.plain_port)
    command = [_dcmtk(program), *options, LOOPBACK, port, *(str(each.path) for each in files)]
    run(command)


def _send_with_pynetdicom(files: Sequence[RealFile], site: Site, *, tls: bool) -> None:
    ae = AE("PYNETDICOM")
    for kind in {(each.sop_class_uid, each.transfer_syntax_uid) for each in files}:
        ae.add_requested_context(*kind)
    secured = (_client_context(site), "localhost") if tls else None
    port = site.tls_port if tls else site.plain_port
    association = ae.associate(LOOPBACK, port, tls_args=secured)
    statuses = [association.send_c_store(str(each.path)).Status for each in files]
    association.release()
    assert statuses == [0] * len(files)


def _client_context(site: Site) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=site.authority.certificate)
    context.load_cert_chain(site.pair.certificate, site.pair.key)
    return context


def _sending_orthanc(folder: Path, site: Site) -> AbstractContextManager[Orthanc]:
    address = {"AET": "DICOMROUTER", "Host": LOOPBACK}
    modalities = {
        "plain": address | {"Port": site.plain_port},
        "tls": address | {"Port": site.tls_port, "UseDicomTls": True},
    }
    return orthanc(folder / "archive", site.authority, site.pair, modalities=modalities)


# -- who is sent to --------------------------------------------------------------------------------


def _sinks(
    stack: ExitStack, folder: Path, site: Site
) -> tuple[dict[str, Callable[[RealFile], str | None]], dict[str, int]]:
    """Start all; how to ask each for a data set, and its port."""
    received: dict[str, Callable[[RealFile], str | None]] = {}
    ports: dict[str, int] = {}
    for name in SINKS:
        place, tls = folder / name.replace(" ", "-").lower(), "TLS" in name
        if name.startswith("storescp"):
            ports[name] = _start_storescp(stack, place, site, tls=tls)
            received[name] = _InFolder(place)
        elif name.startswith("Orthanc"):
            server = stack.enter_context(orthanc(place, site.authority, site.pair, tls=tls))
            ports[name] = server.port
            received[name] = _InOrthanc(server, place)
        else:
            pacs = Pacs()
            pacs.tls = _server_context(site) if tls else None
            stack.enter_context(pacs)
            ports[name] = pacs.port
            received[name] = _InPacs(pacs)
    return received, ports


def _start_storescp(stack: ExitStack, folder: Path, site: Site, *, tls: bool) -> int:
    folder.mkdir()
    port = free_port()
    command = [_dcmtk("storescp"), "+xa", "--bit-preserving", "-od", str(folder)]
    if tls:
        command += ["+tls", str(site.pair.key), str(site.pair.certificate)]
        command += ["+cf", str(site.authority.certificate)]
    process = subprocess.Popen([*command, str(port)], env=environment())
    stack.callback(process.wait)
    stack.callback(process.kill)
    return port


def _server_context(site: Site) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.pair.certificate, site.pair.key)
    return context


@dataclass
class _InFolder:
    """What storescp has written; it names files by modality and SOP Instance UID."""

    folder: Path

    def __call__(self, file: RealFile) -> str | None:
        found = next(self.folder.glob(f"*.{file.sop_instance_uid}"), None)
        return real_file(found).sha256 if found else None


@dataclass
class _InOrthanc:
    server: Orthanc
    folder: Path

    def __call__(self, file: RealFile) -> str | None:
        content = self.server.file(file.sop_instance_uid)
        if content is None:
            return None
        path = self.folder / "asked.dcm"
        path.write_bytes(content)
        return real_file(path).sha256


@dataclass
class _InPacs:
    pacs: Pacs

    def __call__(self, file: RealFile) -> str | None:
        named = [s.sha256 for s in self.pacs.stored if s.sop_instance_uid == file.sop_instance_uid]
        return named[0] if len(named) == 1 else None


def _route_to_all(router: Router, ports: Mapping[str, int]) -> None:
    names = {sink: sink.replace(" ", "-").lower() for sink in ports}
    for sink, port in ports.items():
        address = {"host": "localhost", "port": port, "ae_title": "ANY-SCP", "tls": "TLS" in sink}
        router.call("POST", "/destinations", {"name": names[sink]} | address)
    router.call("POST", "/routes", {"name": "all", "destinations": list(names.values())})


def _are_sent(router: Router, studies: set[str]) -> bool:
    return all(router.study(each).get("state") in ("sent", "deleted") for each in studies)


def _dcmtk(program: str) -> str:
    found = shutil.which(program, path="/usr/bin:/usr/sbin")
    if found is None:
        skip_or_fail("DCMTK is not installed: apt-get install dcmtk")
    return found
