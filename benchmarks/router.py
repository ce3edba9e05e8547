"""The router in the production shape: RabbitMQ, PostgreSQL and processes of its four services."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Server
from benchmarks.services import service
from dicom_router.archive import SPOOL
from dicom_router.database import Database
from dicom_router.migrations import migrate
from infra.ports import LOOPBACK, free_port
from infra.private_services import PrivatePostgres, PrivateRabbitMQ

WORKERS = 2  # receiver processes where four associations come in


@dataclass(frozen=True, slots=True)
class Place:
    """Where a router works: its folder, and a broker and a migrated database that are its own."""

    folder: Path
    amqp_url: str
    database_url: str

    @property
    def data(self) -> Path:
        """The data folder: its database knows it, so it stays the same from run to run."""
        return self.folder / "data"

    def settings(self) -> dict[str, object]:
        """What all services are told."""
        return {
            "ROUTER_DATA_DIR": self.data,
            "ROUTER_DATABASE_URL": self.database_url,
            "ROUTER_AMQP_URL": self.amqp_url,
        }


@dataclass(frozen=True, slots=True)
class Servers:
    """A RabbitMQ and a PostgreSQL of one's own, and a folder beside theirs."""

    folder: Path
    broker: PrivateRabbitMQ
    database: PrivatePostgres

    def place(self, name: str = "router") -> Place:
        """A place for one router."""
        folder = self.folder / name
        folder.mkdir()
        url = self.database.url if name == "router" else self.database.create_database(name)
        with closing(Database(url)) as database:
            migrate(database)
        return Place(folder, self.broker.create_virtual_host(name), url)

    def pids(self) -> dict[str, int]:
        """Their processes, by name."""
        return {"RabbitMQ": self.broker.pid, "PostgreSQL": self.database.pid}


@contextmanager
def servers(database: Path | None = None) -> Iterator[Servers]:
    """Start both, in a folder that goes at the end; a database in a folder of its own stays."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)  # PostgreSQL has another user
        broker = stack.enter_context(PrivateRabbitMQ(folder / "rabbitmq"))
        yield Servers(
            folder,
            broker,
            stack.enter_context(PrivatePostgres((database or folder / "postgres").absolute())),
        )


@contextmanager
def receiver(place: Place, *, workers: int = 1, flushing: bool = True) -> Iterator[Server]:
    """The receiver alone; what it receives stays in its spool."""
    port = free_port()
    settings = place.settings() | {
        "ROUTER_DICOM_HOST": LOOPBACK,
        "ROUTER_DICOM_PORTS": port,
        "ROUTER_DICOM_WORKERS": workers,
    }
    module = "services.receiver" if flushing else "benchmarks.unflushed"
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
