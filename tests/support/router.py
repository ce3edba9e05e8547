"""The whole router as its users start it: processes, ports, settings, nothing from the inside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.ports import free_port
from tests.support.waiting import wait_for

TOKEN = "a-token-for-the-tests-of-this-project"
EMBEDDED = ("-m", "services")
CLUSTER = ("-m", "infra.cluster")


class Router:
    """A running router; `settings` are environment variables for it."""

    def __init__(self, folder: Path, argv: tuple[str, ...], **settings: object) -> None:
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.log_path = folder / "router.log"
        self.dicom_port, self.http_port = free_port(), free_port()
        self.argv = argv
        self.environment = os.environ | {
            "ROUTER_DATA_DIR": str(self.data),
            "ROUTER_DICOM_HOST": "127.0.0.1",
            "ROUTER_DICOM_PORTS": str(self.dicom_port),
            "ROUTER_HTTP_PORT": str(self.http_port),
            "ROUTER_API_TOKEN": TOKEN,
            "ROUTER_STUDY_SETTLE_SECONDS": "1",
            "ROUTER_STUDY_IDLE_SECONDS": "8",
            **{name: str(value) for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its dashboard and its API are."""
        return f"http://127.0.0.1:{self.http_port}"

    def start(self) -> None:
        """Start, and wait until it is ready and its DICOM port answers."""
        self.start_unready()
        wait_for(self._is_ready, lambda: f"a ready router:\n{self.log()}", 90)

    def start_unready(self) -> None:
        """Start, and wait for nothing."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.argv],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def listens(self) -> bool:
        """Whether its DICOM port is open."""
        try:
            socket.create_connection(("127.0.0.1", self.dicom_port), 5).close()
        except OSError:
            return False
        return True

    def stop(self) -> float:
        """SIGTERM; how many seconds until every process of it was gone."""
        process = self._required()
        began = time.monotonic()
        process.terminate()
        wait_for(lambda: not self.processes(), lambda: f"its end:\n{self.log()}", 30)
        process.wait()
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL all of its processes at once."""
        if self._process is None:
            return
        while pids := self.processes():
            for pid in pids:
                _signal(pid, signal.SIGKILL)
        self._process.wait()

    def processes(self, containing: str = "") -> list[int]:
        """The live processes of its session, of those whose command line contains a text."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _parent, _group, session = stat.read_text().rpartition(")")[2].split()[:4]
                command = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(session) == self._required().pid and state not in "ZX" and containing in command:
                found.append(int(stat.parent.name))
        return sorted(found)

    def get(self, path: str) -> Any:
        """The JSON of a GET below /api/v1, or None while it does not answer so."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer below /api/v1, None if it is empty; raises `HTTPError`."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def items(self, path: str) -> list[dict[str, Any]]:
        """All items of a paged list."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while page := self.get(_with_query(path, limit="500", cursor=cursor)):
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found
        return []

    def study(self, study_uid: str) -> dict[str, Any]:
        """A study as the API shows it; empty while it is unknown."""
        return self.get("/studies/" + urllib.parse.quote(study_uid, safe="")) or {}

    def signin_link(self) -> str:
        """A fresh link that signs the administrator in, as `make signin` prints it."""
        argv = [sys.executable, "-m", "services.api.signin"]
        printed = subprocess.check_output(argv, env=self.environment, text=True)
        return printed.split()[1]

    def log(self) -> str:
        """The last lines it printed."""
        return "\n".join(self.log_path.read_text("utf-8", "replace").splitlines()[-40:])

    def _is_ready(self) -> bool:
        if self._required().poll() is not None:
            raise AssertionError(f"the router ended:\n{self.log()}")
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _required(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the router was not started"
        return self._process


def _with_query(path: str, **query: str | None) -> str:
    asked = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
    return f"{path}{'&' if '?' in path else '?'}{asked}"


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@contextmanager
def running(folder: Path, argv: tuple[str, ...], **settings: object) -> Iterator[Router]:
    """A router that is ready, and gone afterwards whatever happens."""
    router = Router(folder, argv, **settings)
    try:
        router.start()
        yield router
    finally:
        router.kill()
