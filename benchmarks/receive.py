"""Receiving: our receiver beside DCMTK's storescp, Orthanc and stock pynetdicom.

The sender is DCMTK's dcmsend for all. The bars are for our receiver without flushing beside those
that never flush, and for the durable one that the router is.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.arrivals import require_all
from benchmarks.bars import Bar
from benchmarks.images import Images, make_images
from benchmarks.peers import Server
from benchmarks.rounds import Figures, print_figures, take_turns
from benchmarks.router import WORKERS, receiver, servers
from benchmarks.services import Place
from benchmarks.spent import put_away
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.queues import INTAKE

_IMAGES = 1000
_ROUNDS = 5
ASSOCIATIONS = 4
STORESCP = "storescp --fork"
QUICK_STORESCP = "storescp --fork --bit-preserving"
ORTHANC = "Orthanc"
PYNETDICOM = "pynetdicom"
UNFLUSHED = "ours, flushing off"
UNHASHED = "ours, flushing and hashing off"
DURABLE = "ours, durable"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--images", type=int, default=_IMAGES, help="sent in each run")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each contestant")
    parser.add_argument(
        "--only", default="", help="contestants whose name has this in it (and no bars)"
    )


def run(asked: argparse.Namespace) -> list[Bar]:
    """Measure with servers of its own."""
    with servers() as own:
        return measure(own.place(), asked.images, asked.rounds, only=asked.only)


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
    workers = min(associations, WORKERS)
    contestants: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
        STORESCP: peers.plain_storescp,
        QUICK_STORESCP: peers.storescp,
        ORTHANC: peers.orthanc,
        PYNETDICOM: peers.stock_receiver,
        UNHASHED: lambda _: receiver(here, workers=workers, module="benchmarks.unhashed"),
        UNFLUSHED: lambda _: receiver(here, workers=workers, module="benchmarks.unflushed"),
        DURABLE: lambda _: receiver(here, workers=workers),
    }
    if not orthanc:
        del contestants[ORTHANC]
    how = f"{associations} association" + ("s, two workers" if associations > 1 else "")
    print(f"\nReceiving {len(images.all)} images by {how}.", flush=True)
    runs = {
        name: partial(_receive, here.folder, start, images, associations)
        for name, start in contestants.items()
        if only in name
    }
    figures = take_turns(runs, rounds, "images/s")
    print_figures(f"Receiving by {how}", "images/s", figures)
    return figures


def _receive(
    place: Path,
    start: Callable[[Path], AbstractContextManager[Server]],
    images: Images,
    associations: int,
) -> float:
    """One run: images per second, from the start of the senders to their end."""
    folder = place / "received"
    folder.mkdir()
    with start(folder) as server:
        took = peers.dcmsend(images.folders(associations), server.port)
    require_all(images.all, server.folder)
    if server.folder != folder:  # our receiver's, in its data folder, where it stays
        for spool in server.folder.iterdir():
            put_away(spool, place / "spent")
    put_away(folder, place / "spent")
    return len(images.all) / took


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
