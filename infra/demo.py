"""`make demo`: the router, a stand-in PACS and a CT series, so that a newcomer sees a study pass.

Sends a series made of a real CT slice as a scanner would, tells each step as it happens, and leaves
the dashboard up; with `--once` it ends when the study is at the PACS, bit for bit.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import split_dataset
from pynetdicom.events import Event

from dicom_router.dimse import (
    SUCCESS,
    VERIFICATION,
    Association,
    PeerAddress,
    PeerError,
    RequestorTimeouts,
)
from dicom_router.errors import ConfigurationError
from dicom_router.settings import Settings, load_settings

SLICES = 60
HOST = "127.0.0.1"
PATIENCE_SECONDS = 120.0
KIND = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")  # CT image, explicit little endian
T = TypeVar("T")


class DemoFailed(Exception):
    """Something did not happen that should have; the text says what."""


class StandInPacs:
    """A storage SCP on loopback that remembers the hash of every data set it gets."""

    ae_title = "DEMO_PACS"

    def __init__(self) -> None:
        self.hashes: set[str] = set()
        ae = AE(ae_title=self.ae_title)
        ae.supported_contexts = [*AllStoragePresentationContexts[:120], build_context(VERIFICATION)]
        server = ae.start_server(
            (HOST, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._on_store)]
        )
        if server is None:  # as it is only when it blocks
            raise DemoFailed("the stand-in PACS did not start")
        self._server = server
        self.port = int(server.server_address[1])

    def _on_store(self, event: Event) -> int:
        request = cast(C_STORE, event.request)
        data_set = cast(BytesIO, request.DataSet)
        self.hashes.add(hashlib.sha256(data_set.getvalue()).hexdigest())
        return 0x0000

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()


def make_series(folder: Path) -> tuple[str, dict[str, Path]]:
    """A CT series made of a real slice: its Study Instance UID, its files by data set hash."""
    slice_ = dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    pixels = bytes(slice_.PixelData)
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = generate_uid(), generate_uid()
    slice_.PatientID, slice_.PatientName = "DEMO001", "SILVA^MARIA"
    slice_.StudyDescription = "CT CHEST"
    files = {}
    for number in range(1, SLICES + 1):
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        slice_.InstanceNumber = number
        slice_.PixelData = pixels[number * 2 :] + pixels[: number * 2]
        path = folder / f"{number:03d}.dcm"
        slice_.save_as(path, enforce_file_format=True)
        _meta, offset = split_dataset(path)
        files[hashlib.sha256(path.read_bytes()[offset:]).hexdigest()] = path
    return str(slice_.StudyInstanceUID), files


def send(files: dict[str, Path], host: str, port: int) -> int:
    """C-STORE the files over one association; how many were answered with success."""
    peer = PeerAddress(host, port, "DICOMROUTER", "CT_DEMO")
    stored = 0
    with Association.open(peer, [KIND], RequestorTimeouts()) as association:
        for path in files.values():
            meta, offset = split_dataset(path)
            uid = str(meta.MediaStorageSOPInstanceUID)
            stored += int(association.store(path, offset, KIND[0], uid, KIND[1]).code == SUCCESS)
    return stored


class Router:
    """The router as `make run` starts it, with its log in a file of its own."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self._settings = settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.log_path = settings.data_dir / "demo.log"
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services"],
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        """Where its API and dashboard are."""
        scheme = "https" if self._settings.http_tls_cert else "http"
        return f"{scheme}://{HOST}:{self._settings.http_port}"

    @property
    def token(self) -> str:
        """Its administrator's token."""
        given = self._settings.api_token.get_secret_value()
        return given or (self._settings.data_dir / ".api-token").read_text("ascii").strip()

    def get(self, path: str) -> Any:
        """The JSON of a GET, or None while there is none."""
        request = urllib.request.Request(self.url + path)  # noqa: S310 - http(s), our own
        if path.startswith("/api/"):
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def wait_for(self, what: str, condition: Callable[[], T]) -> T:
        """Wait until a condition is true and return its value; `DemoFailed` if it never is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise DemoFailed(self._last_words())
            if value := condition():
                return value
            time.sleep(0.1)
        raise DemoFailed(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}; see {self.log_path}")

    def wait(self) -> int:
        """Until it ends; its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Stop it in order."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()

    def _last_words(self) -> str:
        lines = self.log_path.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"the router ended with {self._process.returncode}"


def show(router: Router, pacs: StandInPacs, settings: Settings) -> None:
    """Send the study and tell each step; `DemoFailed` if one does not happen."""
    router.wait_for("the router to be ready", lambda: router.get("/readyz"))
    port = settings.dicom_ports[0]
    say(f"The router is ready: DICOM on port {port} as {settings.ae_title}.")
    say(f"A stand-in PACS listens on {HOST}:{pacs.port} as {pacs.ae_title}.")
    with tempfile.TemporaryDirectory() as folder:
        study_uid, files = make_series(Path(folder))
        stored = send(files, HOST, port)
    if stored != SLICES:
        raise DemoFailed(f"only {stored} of {SLICES} slices were answered with success")
    say(f"The scanner CT_DEMO sent {SLICES} slices; each was answered once it was safe on disk.")

    path = "/api/v1/studies/" + urllib.parse.quote(study_uid, safe="")

    def study() -> dict[str, Any]:
        found = router.get(path)
        return found if isinstance(found, dict) else {}

    router.wait_for("the study's images", lambda: study().get("image_count") == SLICES)
    say(f"They are one study, in the folder {study()['folder']}.")
    router.wait_for("the study to be complete", lambda: study().get("completeness"))
    say(f"The study is complete: {study()['completeness']['text']}.")
    router.wait_for("the study at the PACS", lambda: files.keys() <= pacs.hashes)
    say(f"The PACS has all {SLICES} slices, bit for bit.")
    router.wait_for("the study to be sent", lambda: study().get("state") == "sent")
    router.wait_for("the folder to be gone", lambda: not study().get("on_disk"))
    say("Its files are gone from this disk; the history keeps the study:")
    for entry in router.get(path + "/timeline") or []:
        say(f"    {entry['at'][11:19]}  {entry['event']:<17} {entry['detail']}", "")


def say(text: str, mark: str = "▸ ") -> None:
    """One line for the newcomer, at once."""
    print(mark + text, flush=True)


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end once the study is at the PACS")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.setdefault("ROUTER_DATA_DIR", "demo")
    os.environ.setdefault("ROUTER_STUDY_SETTLE_SECONDS", "2")
    pacs = StandInPacs()
    target = {"HOST": HOST, "PORT": str(pacs.port), "AET": pacs.ae_title}
    os.environ.update({f"TARGET_{name}": value for name, value in target.items()})
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    router = Router(settings, {})
    try:
        show(router, pacs, settings)
        say(f"Look at it: {router.url}/#token={router.token}")
        say(f"The API: {router.url}/api/docs    the log: {router.log_path}")
        if once:
            return 0
        say("Ctrl-C ends it.")
        return router.wait()
    except (DemoFailed, PeerError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        router.stop()
        pacs.stop()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
