"""Receiving: our receiver beside DCMTK's storescp, Orthanc and stock pynetdicom.

The sender is DCMTK's dcmsend for all. The bars are for our receiver without flushing beside those
that never flush, and for the durable one that the router is.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.arrivals import require_all
from benchmarks.bars import Bar
from benchmarks.images import Images, make_images
from benchmarks.peers import Server
from benchmarks.rounds import Figures, print_figures, take_turns
from benchmarks.services import service
from dicom_router.archive import SPOOL
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.database import Database
from dicom_router.migrations import migrate
from dicom_router.queues import INTAKE
from infra.ports import LOOPBACK, free_port
from infra.private_services import PrivatePostgres, PrivateRabbitMQ

_IMAGES = 1000
_ROUNDS = 3
ASSOCIATIONS = 4
STORESCP = "storescp --fork"
ORTHANC = "Orthanc"
PYNETDICOM = "pynetdicom"
UNFLUSHED = "ours, flushing off"
DURABLE = "ours, durable"


@dataclass(frozen=True, slots=True)
class Place:
    """Where to measure: a folder of one's own, and the router's broker and migrated database."""

    folder: Path
    amqp_url: str
    database_url: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--images", type=int, default=_IMAGES, help="sent in each run")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each contestant")
    parser.add_argument(
        "--only", default="", help="contestants whose name has this in it (and no bars)"
    )


def run(asked: argparse.Namespace) -> list[Bar]:
    """Measure with servers of its own."""
    with place() as here:
        return measure(here, asked.images, asked.rounds, only=asked.only)


@contextmanager
def place() -> Iterator[Place]:
    """A folder, a RabbitMQ and a PostgreSQL with the router's schema, gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)  # PostgreSQL has another user
        broker = stack.enter_context(PrivateRabbitMQ(folder / "rabbitmq"))
        server = stack.enter_context(PrivatePostgres(folder / "postgres"))
        with closing(Database(server.url)) as database:
            migrate(database)
        yield Place(folder, broker.amqp_url, server.url)


def measure(
    here: Place, count: int, rounds: int, *, only: str = "", orthanc: bool = True
) -> list[Bar]:
    """Receive so many images in each run, by one association and by four; the bars."""
    _keep_announcements(here.amqp_url)
    images = make_images(here.folder / "images", count, associations=ASSOCIATIONS)
    by_one = _measure(here, images, 1, rounds, only, orthanc)
    by_four = _measure(here, images, ASSOCIATIONS, rounds, only, orthanc)
    return [] if only else list(_bars(by_one, by_four))


def _keep_announcements(amqp_url: str) -> None:
    """Have the queue in which a site's broker keeps what receivers announce."""
    bus = RabbitBus(amqp_url, name="benchmark")
    bus.declare(INTAKE)
    bus.close(timeout=5.0)


def _measure(
    here: Place, images: Images, associations: int, rounds: int, only: str, orthanc: bool
) -> dict[str, Figures]:
    workers = min(associations, 2)
    contestants: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
        STORESCP: peers.storescp,
        ORTHANC: peers.orthanc,
        PYNETDICOM: peers.stock_receiver,
        UNFLUSHED: partial(_receiver, here, workers=workers, flushing=False),
        DURABLE: partial(_receiver, here, workers=workers, flushing=True),
    }
    if not orthanc:
        del contestants[ORTHANC]
    how = f"{associations} association" + ("s, two workers" if associations > 1 else "")
    print(f"\nReceiving {len(images.all)} images by {how}.", flush=True)
    runs = {
        name: partial(_receive, here.folder / "received", start, images, associations)
        for name, start in contestants.items()
        if only in name
    }
    figures = take_turns(runs, rounds, "images/s")
    print_figures(f"Receiving by {how}", "images/s", figures)
    return figures


def _receive(
    folder: Path,
    start: Callable[[Path], AbstractContextManager[Server]],
    images: Images,
    associations: int,
) -> float:
    """One run: images per second, from the start of the senders to their end."""
    folder.mkdir()
    try:
        with start(folder) as server:
            took = peers.dcmsend(images.folders(associations), server.port)
        require_all(images.all, server.folder)
    finally:
        shutil.rmtree(folder)
    return len(images.all) / took


@contextmanager
def _receiver(here: Place, _folder: Path, *, workers: int, flushing: bool) -> Iterator[Server]:
    """The receiver in the production shape, on the one data folder that its database knows."""
    port, data = free_port(), here.folder / "data"
    settings: Mapping[str, object] = {
        "ROUTER_DATA_DIR": data,
        "ROUTER_DATABASE_URL": here.database_url,
        "ROUTER_AMQP_URL": here.amqp_url,
        "ROUTER_DICOM_HOST": LOOPBACK,
        "ROUTER_DICOM_PORTS": port,
        "ROUTER_DICOM_WORKERS": workers,
    }
    module = "services.receiver" if flushing else "benchmarks.unflushed"
    with service("receiver", here.folder, settings, module=module) as process:
        yield Server(port, data / SPOOL, process)


def _bars(by_one: Mapping[str, Figures], by_four: Mapping[str, Figures]) -> Iterator[Bar]:
    def ratio(figures: Mapping[str, Figures], ours: str, theirs: str) -> float:
        return figures[ours].median / figures[theirs].median

    def bar(what: str, value: float, bound: float) -> Bar:
        return Bar(f"receive, {what}", value, bound, "at least")

    yield bar(f"1 association, flushing off: {STORESCP}", ratio(by_one, UNFLUSHED, STORESCP), 1.2)
    yield bar(
        f"4 associations, 2 workers, flushing off: {STORESCP}",
        ratio(by_four, UNFLUSHED, STORESCP),
        1.0,
    )
    yield bar(f"1 association, durable: {STORESCP}", ratio(by_one, DURABLE, STORESCP), 0.5)
    if ORTHANC in by_one:
        yield bar(f"1 association, durable: {ORTHANC}", ratio(by_one, DURABLE, ORTHANC), 2.0)
    yield bar(
        f"4 associations, 2 workers, durable: {STORESCP}",
        ratio(by_four, DURABLE, STORESCP),
        0.6,
    )
