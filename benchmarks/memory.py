"""The receiver's peak memory while it takes one multi-frame object that is far larger."""

import argparse
import shutil
from collections.abc import Sequence

from benchmarks import peers
from benchmarks.arrivals import require_all
from benchmarks.bars import Bar
from benchmarks.images import make_large_image
from benchmarks.router import receiver, servers
from benchmarks.services import Place
from benchmarks.usage import peak_memory

_MEGABYTES = 1000
_BAR_MB = 150.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--megabytes", type=int, default=_MEGABYTES, help="of the object's pixels (1,000,000 bytes)"
    )


def run(asked: argparse.Namespace) -> Sequence[Bar]:
    """Measure with servers of its own."""
    with servers() as own:
        return measure(own.place(), asked.megabytes)


def measure(place: Place, megabytes: int) -> Sequence[Bar]:
    """Have a receiver take an object of so many megabytes; the bar."""
    folder = place.folder / "large"
    folder.mkdir()
    try:
        image = make_large_image(folder / "large.dcm", megabytes)
        with receiver(place) as server:
            before = peak_memory(server.process.pid)
            took = peers.dcmsend([folder], server.port)
            peak = peak_memory(server.process.pid)
        require_all([image], server.folder)
    finally:
        shutil.rmtree(folder)
    print(
        f"\nAn object of {image.size / 1e6:,.0f} MB, received in {took:.1f} s: peak memory "
        f"{peak:.0f} MB, of which {before:.0f} MB before it came"
    )
    what = f"receiver's peak memory, taking an object of {megabytes:,} MB"
    return [Bar(what, peak, _BAR_MB, "at most", "MB")]
