"""The router under test: services that are forked by the zygote, killed and robbed of power."""

import json
import os
import random
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.chaos.journal import Left, cut_power, forget
from tests.chaos.shim import FULL
from tests.support.router import TOKEN, Router

ROOT = Path(__file__).resolve().parents[2]
SETTLE_SECONDS, IDLE_SECONDS = 0.5, 2.0


class Zygote:
    """Tells the program `tests.chaos.zygote` what to start and end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def tell(self, **order: Any) -> Any:
        """Give an order; the answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class ChaosRouter(Router):
    """Services by name and number, such as ("organizer", 2); for one thread."""

    def __init__(
        self, folder: Path, zygote: Zygote, bug: str, services: dict[str, int], **settings: object
    ) -> None:
        super().__init__(
            folder,
            (),
            **{
                "ROUTER_STUDY_SETTLE_SECONDS": SETTLE_SECONDS,
                "ROUTER_STUDY_IDLE_SECONDS": IDLE_SECONDS,
                **settings,
            },
        )
        self.beside = folder / "beside"
        self.beside.mkdir()
        forget(self.beside)
        self._folder, self._zygote, self._bug = folder, zygote, bug
        self._wanted = [(name, n) for name, count in services.items() for n in range(1, count + 1)]
        self._running: dict[tuple[str, int], int] = {}
        self.ended: list[str] = []  # services that ended by themselves
        self.overdue = 0  # services that did not stop within 10 s, and were killed

    def start_all(self) -> None:
        """Start whatever does not run."""
        self._look()
        for service in self._wanted:
            if service not in self._running:
                self._running[service] = self._zygote.tell(
                    do="start",
                    service=service[0],
                    environment=dict(self.environment),
                    log=str(self._folder / f"{service[0]}-{service[1]}.log"),
                    data=str(self.data),
                    beside=str(self.beside),
                    bug=self._bug,
                )

    def kill_service(self, service: str, number: int) -> bool:
        """SIGKILL; whether it was running."""
        pid = self._take(service, number)
        if pid:
            self._zygote.tell(do="kill", pids=[pid])
        return bool(pid)

    def stop_service(self, service: str, number: int) -> bool:
        """SIGTERM, and SIGKILL if that takes too long; whether it was running."""
        pid = self._take(service, number)
        if pid and self._zygote.tell(do="stop", pid=pid) is None:
            self.overdue += 1
        return bool(pid)

    def kill(self) -> None:
        """SIGKILL everything, all at once."""
        self._look()
        self._zygote.tell(do="kill", pids=list(self._running.values()))
        self._running.clear()

    def lose_power(self, choose: random.Random) -> Left:
        """SIGKILL everything, and take from the disk what was not flushed."""
        self.kill()
        return cut_power(self.data, self.beside, choose)

    def fill_disk(self, full: bool) -> None:
        """No room for a byte more, or enough again."""
        if full:
            (self.beside / FULL).touch()
        else:
            (self.beside / FULL).unlink(missing_ok=True)

    def post(self, path: str, body: object = None) -> bool:
        """A POST below /api/v1; whether it was answered with success."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/api/v1{path}",
            data=json.dumps(body).encode() if body is not None else b"",
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=3):
                return True
        except OSError:
            return False

    def log(self) -> str:
        """The last lines of every process."""
        tails = []
        for path in sorted(self._folder.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()[-8:]
            tails.append("\n".join([f"-- {path.name}", *lines]))
        return "\n".join(tails)

    def _take(self, service: str, number: int) -> int | None:
        self._look()
        return self._running.pop((service, number), None)

    def _look(self) -> None:
        """Notice services that ended by themselves."""
        ended = {int(pid): code for pid, code in self._zygote.tell(do="look").items()}
        for service, pid in list(self._running.items()):
            if pid in ended:
                del self._running[service]
                self.ended.append(f"{service[0]}-{service[1]} ended with {ended[pid]}")


def environment_without_settings() -> None:
    """No setting of this shell reaches the router."""
    for name in list(os.environ):
        if name.startswith(("ROUTER_", "TARGET_")):
            del os.environ[name]
