"""Orthanc as a peer that is not our code: receives, keeps, sends; asked over its REST API."""

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.ports import LOOPBACK, free_port
from tests.conftest import skip_or_fail
from tests.support.certificates import Authority, Pair
from tests.support.waiting import wait_for


class Orthanc:
    """One that runs on loopback; `port` is its DICOM port."""

    def __init__(self, http_port: int, port: int) -> None:
        self.http_port, self.port = http_port, port

    def add(self, path: Path) -> str:
        """Take a file in; what Orthanc calls it."""
        return str(json.loads(self._ask("/instances", path.read_bytes()))["ID"])

    def store(self, modality: str, ids: list[str]) -> int:
        """C-STORE them to a modality of its configuration; how many failed."""
        body = json.dumps({"Resources": ids, "Synchronous": True}).encode()
        return int(
            json.loads(self._ask(f"/modalities/{modality}/store", body))["FailedInstancesCount"]
        )

    def file(self, sop_instance_uid: str) -> bytes | None:
        """The file of an instance, None while it is not there."""
        found = json.loads(self._ask("/tools/lookup", sop_instance_uid.encode()))
        ids = [each["ID"] for each in found if each["Type"] == "Instance"]
        return self._ask(f"/instances/{ids[0]}/file") if ids else None

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            self._ask("/system")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        url = f"http://{LOOPBACK}:{self.http_port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
            return bytes(answer.read())


@contextmanager
def orthanc(
    folder: Path,
    authority: Authority,
    pair: Pair,
    *,
    tls: bool = False,
    modalities: Mapping[str, object] | None = None,
) -> Iterator[Orthanc]:
    """Run Debian's Orthanc with a folder of its own, its DICOM port plain or for TLS."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin")
    if program is None:
        skip_or_fail("Orthanc is not installed: apt-get install orthanc")
    folder.mkdir()
    running = Orthanc(free_port(), free_port())
    configuration: dict[str, Any] = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "HttpPort": running.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomPort": running.port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomTlsEnabled": tls,
        "DicomTlsCertificate": str(pair.certificate),
        "DicomTlsPrivateKey": str(pair.key),
        "DicomTlsTrustedCertificates": str(authority.certificate),
        "DicomModalities": dict(modalities or {}),
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([program, folder / "orthanc.json"], stdout=log, stderr=log) as process,
    ):
        try:
            wait_for(running.is_up, lambda: f"Orthanc:\n{(folder / 'log').read_text()}", 60)
            yield running
        finally:
            process.send_signal(signal.SIGKILL)
