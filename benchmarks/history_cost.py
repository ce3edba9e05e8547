"""What an image costs with a million studies in the history, beside what it costs with none.

The whole router, in turns on a full database and on an empty one. Two costs: processor time of all
its processes, the broker's and the database's included, and time from the first byte to the last.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.bars import Bar
from benchmarks.latency import let_commits_be_read
from benchmarks.pipeline import Pipeline
from benchmarks.rounds import Figures, print_figures, take_turns
from benchmarks.router import Servers, servers
from benchmarks.studies import fill

_STUDIES = 1_000_000
_IMAGES = 1000
_NEW_STUDIES = 10
_ROUNDS = 3
_BAR = 1.1
_EMPTY = "no studies"
_NOT_OURS = ("storescp", "dcmsend")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--studies", type=int, default=_STUDIES, help="in the full database")
    parser.add_argument(
        "--keep", metavar="FOLDER", type=Path, help="keep the full database there, for another time"
    )
    parser.add_argument("--images", type=int, default=_IMAGES, help="sent in each run")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="with either database")


def run(asked: argparse.Namespace) -> Sequence[Bar]:
    """Measure with servers of its own."""
    with servers(keep=asked.keep) as own:
        return measure(own, asked.studies, asked.images, asked.rounds)


def measure(own: Servers, studies: int, count: int, rounds: int) -> Sequence[Bar]:
    """Send so many images through a router with so many studies and through an empty one."""
    let_commits_be_read(own.database)
    full = own.place()
    fill(full.database_url, studies, at_rest=True)
    with own.another_place("empty") as empty:
        with_none = Pipeline(own, empty, count, _NEW_STUDIES)
        with_all = Pipeline(own, full, count, _NEW_STUDIES)
        return _compare({_EMPTY: with_none, f"{studies:,} studies": with_all}, rounds)


def _compare(pipelines: Mapping[str, Pipeline], rounds: int) -> Sequence[Bar]:
    print("\nForwarding images with and without a history.", flush=True)
    runs: dict[str, Callable[[], float]] = {
        name: partial(_milliseconds, pipeline) for name, pipeline in pipelines.items()
    }
    took = take_turns(runs, rounds, "ms per image")
    print_figures("First byte to last", "ms per image", took)
    spent = {name: _processor_time(pipeline) for name, pipeline in pipelines.items()}
    print_figures("Processor time", "ms per image", spent)
    (full,) = (name for name in pipelines if name != _EMPTY)
    what = f"cost of an image with {full} : with none"
    return [
        Bar(f"{what}, {kind}", each[full].median / each[_EMPTY].median, _BAR, "at most")
        for kind, each in (("processor time", spent), ("first byte to last", took))
    ]


def _milliseconds(pipeline: Pipeline) -> float:
    return 1000 / pipeline.run_ours()


def _processor_time(pipeline: Pipeline) -> Figures:
    """Of all that is the router's, in milliseconds per image."""
    return Figures(
        tuple(
            1000
            * sum(each.total for name, each in run.cpu.items() if name not in _NOT_OURS)
            / run.images
            for run in pipeline.runs
        )
    )
