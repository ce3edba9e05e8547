"""The router's services as processes of their own, for as long as a benchmark takes."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from infra.ports import LOOPBACK, free_port
from infra.private_services import ServiceFailed
from infra.processes import end, spawn

_START_SECONDS = 120
_STOP_SECONDS = 10


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
def api(folder: Path, amqp_url: str, database_url: str) -> Iterator[Client]:
    """An api process on this broker and database."""
    port, token = free_port(), secrets.token_urlsafe(24)
    log = folder / "api.log"
    given = {name: text for name, text in os.environ.items() if not name.startswith("ROUTER_")}
    process = spawn(
        [sys.executable, "-m", "services.api"],
        environment=given
        | {
            "ROUTER_DATA_DIR": str(folder / "data"),
            "ROUTER_DATABASE_URL": database_url,
            "ROUTER_AMQP_URL": amqp_url,
            "ROUTER_HTTP_PORT": str(port),
            "ROUTER_API_TOKEN": token,
        },
        when_parent_dies=signal.SIGTERM,
        output=log,
    )
    try:
        _wait_until_ready(process, port, log)
        with closing(Client(port, token)) as client:
            yield client
    finally:
        end([process], signal.SIGTERM, time.monotonic() + _STOP_SECONDS)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with closing(HTTPConnection(LOOPBACK, port, timeout=5)) as connection:
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            time.sleep(0.1)  # a process of its own that starts: nothing to wait on but its port
    last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-10:])
    raise ServiceFailed(f"The api did not start in {_START_SECONDS} s:\n{last}")
