"""`make bench`: runs the benchmarks, or those that are named.

python -m benchmarks                          all, as their bars want them
python -m benchmarks studies --studies 20000  one, with options of its own (--help names them)
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import history_cost, memory, pipeline, receive, send, studies
from benchmarks.arrivals import Lost
from benchmarks.bars import Bar, report
from infra.private_services import ServiceFailed, ServiceMissing

BENCHMARKS = {
    "receive": receive,
    "send": send,
    "pipeline": pipeline,
    "memory": memory,
    "history": history_cost,
    "studies": studies,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit code, 1 if a bar was missed or something did not work."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    chosen = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK")
    for name, benchmark in BENCHMARKS.items():
        about = (benchmark.__doc__ or "").splitlines()[0]
        benchmark.add_arguments(chosen.add_parser(name, help=about, description=about))
    given = list(sys.argv[1:] if argv is None else argv)
    runs = [
        parser.parse_args(one) for one in ([given] if given else [[each] for each in BENCHMARKS])
    ]
    bars: list[Bar] = []
    try:
        for each in runs:
            bars += BENCHMARKS[each.benchmark].run(each)
    except (ServiceMissing, ServiceFailed, Lost) as error:
        print(error, file=sys.stderr)
        report(bars)
        return 1
    return report(bars)


if __name__ == "__main__":
    sys.exit(main())
