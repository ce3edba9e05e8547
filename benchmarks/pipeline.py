"""End to end: received, organized, complete, forwarded; Orthanc forwards stable studies beside us.

Ours is the production shape, durable, with the broker and the database at work on the same machine.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter

from benchmarks import peers
from benchmarks.arrivals import require_all
from benchmarks.bars import Bar
from benchmarks.images import Images, make_images
from benchmarks.latency import TimedSenders, commits, latencies, let_commits_be_read, percentile
from benchmarks.peers import Server
from benchmarks.rounds import Figures, print_figures, take_turns
from benchmarks.router import Servers, router, servers
from benchmarks.services import Place
from benchmarks.spent import put_away
from benchmarks.usage import Cpu, cpu_of, cpu_of_ended_children, peak_memory, since, wait_until_idle
from infra.ports import free_port
from infra.private_services import ServiceFailed

_IMAGES = 1000
_STUDIES = 10
_ROUNDS = 3
_ASSOCIATIONS = 4
_OURS = "ours"
_ORTHANC = "Orthanc, per stable study"
_LATENCY_BAR_MS = 100.0
_PERCENTILES = (50, 90, 99, 100)
_ARRIVE_WITHIN_SECONDS = 300
_LOOK_EVERY_SECONDS = 0.05
_WRITTEN_WITHIN_SECONDS = 1.0  # of a file that is there


@dataclass(slots=True)
class Run:
    """What one run of ours took beside its time."""

    images: int
    cpu: Mapping[str, Cpu]
    peaks: Mapping[str, float]  # MB
    latencies: Sequence[float]  # seconds, the shortest first

    def percentile_ms(self, percent: int) -> float:
        """From success to organized, in milliseconds."""
        return percentile(self.latencies, percent) * 1000


@dataclass(slots=True)
class Pipeline:
    """Where runs are made, and what ours took in each."""

    own: Servers
    place: Place
    count: int
    studies: int
    # The same in every run: the router's database knows it, and has it wait once nobody answers.
    sink_port: int = field(default_factory=free_port)
    runs: list[Run] = field(default_factory=list)

    def run_ours(self) -> float:
        """Images per second from the first byte in to the last byte out."""
        with (
            self._images() as (images, sink),
            router(self.place, self.sink_port) as (port, services),
        ):
            own = services | self.own.pids()
            wait_until_idle(own.values())
            senders = TimedSenders(self.place.folder, len(images.parts))
            others = {"storescp": sink.process.pid}
            with commits(self.place.database_url) as organized:
                before = cpu_of(own | others) | {"dcmsend": cpu_of_ended_children()}
                rate = self._send(images, port, senders)
                now = cpu_of(own | others) | {"dcmsend": cpu_of_ended_children()}
            peaks = {name: peak_memory(pid) for name, pid in own.items()}
            took = latencies(images, senders.successes(), organized)
            self.runs.append(Run(self.count, since(before, now), peaks, took))
            return rate

    def run_orthanc(self) -> float:
        """The same of Orthanc."""
        folder = self.place.folder / "orthanc"
        folder.mkdir()
        with (
            self._images() as (images, _),
            peers.orthanc(folder, forward_to=self.sink_port) as orthanc,
        ):
            senders = TimedSenders(self.place.folder, len(images.parts))
            rate = self._send(images, orthanc.port, senders)
        put_away(folder, self.place.folder / "spent")
        return rate

    @contextmanager
    def _images(self) -> Iterator[tuple[Images, Server]]:
        """Images that nobody has seen yet, and where they are to arrive."""
        folder = self.place.folder / "run"
        sink = folder / "sink"
        sink.mkdir(parents=True)
        images = make_images(
            folder / "images", self.count, studies=self.studies, associations=_ASSOCIATIONS
        )
        os.sync()  # or the disk would be busy with them
        with peers.storescp(sink, port=self.sink_port) as server:
            yield images, server
        put_away(folder, self.place.folder / "spent")

    def _send(self, images: Images, port: int, senders: TimedSenders) -> float:
        """Send, wait for the last byte at the sink, compare; images per second."""
        sink = images.folder.with_name("sink")
        begun = time.time()
        peers.dcmsend(images.parts, port, senders.options, senders.logs)
        deadline = time.monotonic() + _ARRIVE_WITHIN_SECONDS
        while sum(1 for _ in sink.iterdir()) < len(images.all):
            if time.monotonic() > deadline:
                raise ServiceFailed(f"Not everything arrived within {_ARRIVE_WITHIN_SECONDS} s.")
            time.sleep(_LOOK_EVERY_SECONDS)
        time.sleep(_WRITTEN_WITHIN_SECONDS)
        require_all(images.all, sink)
        ended = max(each.stat().st_mtime for each in sink.iterdir())
        return len(images.all) / (ended - begun)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--images", type=int, default=_IMAGES, help="sent in each run")
    parser.add_argument("--studies", type=int, default=_STUDIES, help="that these make")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each contestant")
    parser.add_argument("--only-ours", action="store_true", help="without Orthanc and its bar")


def run(asked: argparse.Namespace) -> list[Bar]:
    """Measure with servers of its own."""
    with servers() as own:
        return measure(own, asked.images, asked.studies, asked.rounds, orthanc=not asked.only_ours)


def measure(
    own: Servers, count: int, studies: int, rounds: int, *, orthanc: bool = True
) -> list[Bar]:
    """Send so many images of so many studies through either, so many times; the bars."""
    let_commits_be_read(own.database)
    pipeline = Pipeline(own, own.place(), count, studies)
    contestants: dict[str, Callable[[], float]] = {_OURS: pipeline.run_ours}
    if orthanc:
        contestants = {_ORTHANC: pipeline.run_orthanc} | contestants
    print(f"\nForwarding {count} images of {studies} studies, end to end.", flush=True)
    figures = take_turns(contestants, rounds, "images/s")
    print_figures("End to end", "images/s", figures)
    _print_latencies(pipeline.runs)
    _print_peaks(pipeline.runs)
    _print_budget(pipeline.runs)
    return list(_bars(figures, pipeline.runs))


def _print_latencies(runs: Sequence[Run]) -> None:
    print("\nFrom C-STORE success to organized, milliseconds: median of the runs")
    for percent in _PERCENTILES:
        figures = Figures(tuple(each.percentile_ms(percent) for each in runs))
        print(f"  {f'{percent} %' if percent < 100 else 'slowest':<16}{figures}")


def _print_peaks(runs: Sequence[Run]) -> None:
    print("\nPeak memory of the largest process, MB")
    for name in runs[0].peaks:
        print(f"  {name:<16}{max(each.peaks[name] for each in runs):>8.0f}")


def _print_budget(runs: Sequence[Run]) -> None:
    """Where the time of the two processors goes, in milliseconds per image."""
    print(f"\nProcessor time per image, ms: median of the runs\n{'':<18}   user system    both")
    spent = [{name: each / run.images for name, each in run.cpu.items()} for run in runs]
    for name in runs[0].cpu:
        user, system, both = (
            statistics.median(1000 * kind(each[name]) for each in spent)
            for kind in (attrgetter("user"), attrgetter("system"), attrgetter("total"))
        )
        print(f"  {name:<16}{user:>7.2f}{system:>7.2f}{both:>8.2f}")
    of_all = statistics.median(sum(1000 * each.total for each in run.values()) for run in spent)
    print(f"  {'together':<16}{of_all:>22.2f}")


def _bars(figures: Mapping[str, Figures], runs: Sequence[Run]) -> Iterator[Bar]:
    if _ORTHANC in figures:
        ratio = figures[_OURS].median / figures[_ORTHANC].median
        yield Bar("end to end, durable: Orthanc per stable study", ratio, 3.0, "at least")
    slowest = statistics.median(each.percentile_ms(99) for each in runs)
    what = "from C-STORE success to organized, 99th percentile"
    yield Bar(what, slowest, _LATENCY_BAR_MS, "at most", "ms")
