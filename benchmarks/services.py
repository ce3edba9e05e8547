"""The router's services as processes of their own, for as long as a benchmark takes."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from infra.ports import LOOPBACK, free_port
from infra.private_services import ServiceFailed
from infra.processes import POLL_SECONDS, end, spawn

_START_SECONDS = 120
_STOP_SECONDS = 10
_STARTED = b'"service.started"'  # each process of a service logs it once it works
_WORKERS = "ROUTER_DICOM_WORKERS"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a router works: a folder, a data folder, and a broker and a migrated database.

    All of them are its own. The database knows its data folder (`.router-id`), so that is the same
    from run to run, and kept where the database is kept.
    """

    folder: Path
    data: Path
    amqp_url: str
    database_url: str

    def settings(self) -> dict[str, object]:
        """What all services are told."""
        return {
            "ROUTER_DATA_DIR": self.data,
            "ROUTER_DATABASE_URL": self.database_url,
            "ROUTER_AMQP_URL": self.amqp_url,
        }


class Client:
    """Asks the API, one request after the other over one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection(LOOPBACK, port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}"}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> tuple[float, bytes]:
        """For how many milliseconds it took to have the whole answer, and that; 200 or an error.

        Who asks too often for the API's limit waits, and asks again.
        """
        while True:
            begun = time.perf_counter()
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read()
            took = (time.perf_counter() - begun) * 1000
            if answer.status == 429:
                time.sleep(float(answer.headers["Retry-After"]))  # as it asks; not measured
                continue
            if answer.status != 200:
                raise ServiceFailed(f"GET {path} was answered with {answer.status}: {body[:500]!r}")
            return took, body


@contextmanager
def service(
    name: str, folder: Path, settings: Mapping[str, object], *, module: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """One process of a service that says it has started; its log is in `folder`.

    Args:
        name: of the service, or of this process of it.
        folder: where its log goes.
        settings: environment variables, in place of all of the router's that are set here.
        module: what to run; `services.<name>` when missing.
    """
    log = folder / f"{name}.log"
    log.unlink(missing_ok=True)  # of an earlier process
    given = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("ROUTER_", "TARGET_"))
    }
    process = spawn(
        [sys.executable, "-m", module or f"services.{name}"],
        environment=given | {variable: str(value) for variable, value in settings.items()},
        when_parent_dies=signal.SIGTERM,
        output=log,
    )
    try:
        processes = int(str(settings.get(_WORKERS, 1))) if name == "receiver" else 1
        _wait_until_started(name, process, log, processes)
        yield process
    finally:
        end([process], signal.SIGTERM, time.monotonic() + _STOP_SECONDS)


@contextmanager
def api(place: Place) -> Iterator[Client]:
    """An api process, and who asks it."""
    port, token = free_port(), secrets.token_urlsafe(24)
    settings = place.settings() | {"ROUTER_HTTP_PORT": port, "ROUTER_API_TOKEN": token}
    with service("api", place.folder, settings), closing(Client(port, token)) as client:
        yield client


def _wait_until_started(
    name: str, process: subprocess.Popen[bytes], log: Path, workers: int
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if log.read_bytes().count(_STARTED) >= workers:
            return
        time.sleep(POLL_SECONDS)
    last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-10:])
    raise ServiceFailed(f"The {name} did not start in {_START_SECONDS} s:\n{last}")
