"""The router in the production shape: RabbitMQ, PostgreSQL and processes of its four services."""

import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Server
from benchmarks.services import Place, service
from dicom_router.archive import SPOOL
from dicom_router.database import Database
from dicom_router.migrations import migrate
from infra.ports import LOOPBACK, free_port
from infra.private_services import PrivatePostgres, PrivateRabbitMQ

WORKERS = 2  # receiver processes where four associations come in


@dataclass(frozen=True, slots=True)
class Servers:
    """A RabbitMQ and a PostgreSQL of one's own, a folder beside theirs, and one that is kept."""

    folder: Path
    broker: PrivateRabbitMQ
    database: PrivatePostgres
    kept: Path

    def place(self) -> Place:
        """The place of a router whose database is kept, if that is wanted."""
        return self._place("router", self.database.url, self.kept / "data-folder")

    @contextmanager
    def another_place(self, name: str) -> Iterator[Place]:
        """The place of one more router, whose database is new and goes at the end."""
        database = f"{name}_{secrets.token_hex(4)}"
        url = self.database.create_database(database)
        yield self._place(name, url, self.folder / name / "data-folder")
        self.database.drop_database(database)

    def pids(self) -> dict[str, int]:
        """Their processes, by name."""
        return {"RabbitMQ": self.broker.pid, "PostgreSQL": self.database.pid}

    def _place(self, name: str, database_url: str, data: Path) -> Place:
        folder = self.folder / name
        folder.mkdir()
        data.mkdir(exist_ok=True)
        with closing(Database(database_url)) as database:
            remark = migrate(database)
        if remark:
            print(remark, file=sys.stderr)
        return Place(folder, data, self.broker.create_virtual_host(name), database_url)


@contextmanager
def servers(keep: Path | None = None) -> Iterator[Servers]:
    """Start both, in a folder that goes at the end; what is in `keep` stays, for another time."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)  # PostgreSQL has another user
        kept = (keep or folder / "postgres").absolute()
        broker = stack.enter_context(PrivateRabbitMQ(folder / "rabbitmq"))
        yield Servers(folder, broker, stack.enter_context(PrivatePostgres(kept)), kept)


@contextmanager
def receiver(
    place: Place, *, workers: int = 1, module: str = "services.receiver"
) -> Iterator[Server]:
    """The receiver alone, or what a module makes of it; what it receives stays in its spool."""
    port = free_port()
    settings = place.settings() | {
        "ROUTER_DICOM_HOST": LOOPBACK,
        "ROUTER_DICOM_PORTS": port,
        "ROUTER_DICOM_WORKERS": workers,
    }
    with service("receiver", place.folder, settings, module=module) as process:
        yield Server(port, place.data / SPOOL, process)


@contextmanager
def router(place: Place, destination: int) -> Iterator[tuple[int, dict[str, int]]]:
    """All four services, one process of each but for the receiver's two workers.

    Studies are complete after 1 s of quiet, go to the server on port `destination`, and are then
    deleted, as by default.

    Returns:
        The DICOM port, and the process of each service by its name.
    """
    port = free_port()
    settings = place.settings() | {
        "ROUTER_DICOM_HOST": LOOPBACK,
        "ROUTER_DICOM_PORTS": port,
        "ROUTER_DICOM_WORKERS": WORKERS,
        "ROUTER_HTTP_PORT": free_port(),
        "ROUTER_STUDY_SETTLE_SECONDS": 1,
        "TARGET_HOST": LOOPBACK,
        "TARGET_PORT": destination,
        "TARGET_AET": "ANY-SCP",
    }
    with ExitStack() as stack:
        pids = {
            name: stack.enter_context(service(name, place.folder, settings)).pid
            for name in ("api", "organizer", "forwarder", "receiver")
        }
        yield port, pids
