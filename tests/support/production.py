"""The services as processes of their own over a real RabbitMQ and PostgreSQL, one by one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.router import Router
from tests.support.waiting import wait_for

SERVICES = ("receiver", "organizer", "forwarder", "api")


class Production(Router):
    """A `Router` whose services are started, stopped and killed one by one, by name and number."""

    def __init__(self, folder: Path, amqp_url: str, database_url: str, **settings: object) -> None:
        super().__init__(
            folder,
            (),
            ROUTER_AMQP_URL=amqp_url,
            ROUTER_DATABASE_URL=database_url,
            **settings,
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder

    def start_service(self, service: str, number: int = 1) -> None:
        """Start one process of a service and wait until it says that it works."""
        name = f"{service}-{number}"
        log_path = self._folder / f"{name}.log"
        before = log_path.stat().st_size if log_path.exists() else 0
        with log_path.open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        workers = int(str(self.environment.get("ROUTER_DICOM_WORKERS", "1")))
        wanted = workers if service == "receiver" else 1
        wait_for(
            lambda: log_path.read_bytes()[before:].count(b'"service.started"') >= wanted,
            lambda: f"{name} to start:\n{log_path.read_text()[-2000:]}",
            60,
        )

    def stop_service(self, service: str, number: int = 1) -> int:
        """SIGTERM; the exit code, which must come within the 10 s that are promised."""
        process = self._running.pop(f"{service}-{number}")
        process.terminate()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def pid(self, service: str, number: int = 1) -> int:
        """The id of a service's process."""
        return self._running[f"{service}-{number}"].pid

    def kill_service(self, service: str, number: int = 1) -> None:
        """SIGKILL."""
        process = self._running.pop(f"{service}-{number}")
        process.kill()
        process.wait()

    def kill(self) -> None:
        """SIGKILL everything that still runs."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def log(self) -> str:
        """The last lines of every process."""
        tails = []
        for path in sorted(self._folder.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()[-8:]
            tails.append("\n".join([f"-- {path.name}", *lines]))
        return "\n".join(tails)


@contextmanager
def production(
    folder: Path, amqp_url: str, database_url: str, settings: dict[str, object], each: int = 1
) -> Iterator[Production]:
    """All services, `each` organizers and forwarders; gone afterwards whatever happens."""
    router = Production(folder, amqp_url, database_url, **settings)
    try:
        for number in range(1, each + 1):
            router.start_service("organizer", number)
            router.start_service("forwarder", number)
        router.start_service("api")
        router.start_service("receiver")
        yield router
    finally:
        router.kill()
