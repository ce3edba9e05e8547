"""`make chaos`: many runs, each from its seed: the proof that nothing acknowledged is lost.

python -m tests.chaos --seeds 200          200 seeds from a printed one on
python -m tests.chaos --first 17 --seeds 1   one seed again
python -m tests.chaos --self-check         each bug that is made on purpose must be found
"""

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.bugs import BUGS
from tests.chaos.lane import in_lane, open_lane
from tests.chaos.plan import plan
from tests.chaos.run import Outcome

SEEDS_TO_FIND_A_BUG = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit code, 1 if something is wrong."""
    asked = _parse(argv)
    place = Path(tempfile.mkdtemp(prefix="chaos-"))
    first = asked.first if asked.first is not None else secrets.randbelow(1_000_000)
    begun = time.monotonic()
    with ProcessPoolExecutor(
        asked.lanes, get_context("spawn"), initializer=open_lane, initargs=(place,)
    ) as pool:
        if asked.self_check:
            return _self_check(pool, first if asked.first is not None else 1)
        seeds = range(first, first + asked.seeds)
        print(f"seeds {seeds[0]} to {seeds[-1]}, {asked.lanes} at a time", flush=True)
        if asked.seeds == 1:
            print(plan(first), flush=True)
        outcomes = []
        for outcome in _outcomes(pool, seeds, asked.bug):
            outcomes.append(outcome)
            _print_outcome(outcome)
    _print_summary(outcomes, time.monotonic() - begun)
    acknowledged = sum(each.verdict.acknowledged for each in outcomes)
    if not acknowledged:
        print("nothing was acknowledged: this proves nothing")
    return 1 if not acknowledged or any(each.verdict.complaints for each in outcomes) else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seeds", type=int, default=200, help="how many (200)")
    parser.add_argument("--first", type=int, help="the first seed (any, printed)")
    parser.add_argument("--lanes", type=int, default=3, help="how many at a time (3)")
    parser.add_argument("--bug", choices=tuple(BUGS), default="", help="a bug made on purpose")
    parser.add_argument("--self-check", action="store_true", help="find every bug made on purpose")
    return parser.parse_args(argv)


def _outcomes(pool: ProcessPoolExecutor, seeds: Sequence[int], bug: str) -> Iterator[Outcome]:
    runs: list[Future[Outcome]] = [pool.submit(in_lane, seed, bug) for seed in seeds]
    try:
        for run in as_completed(runs):
            yield run.result()
    finally:
        for run in runs:
            run.cancel()


def _self_check(pool: ProcessPoolExecutor, first: int) -> int:
    """Whether each bug is found as what it is, a loss, and by which seed."""
    found_all = True
    for bug in BUGS:
        seeds = range(first, first + SEEDS_TO_FIND_A_BUG)
        found = next((o for o in _outcomes(pool, seeds, bug) if o.verdict.lost), None)
        if found is None:
            print(f"{bug}: NOT FOUND within {SEEDS_TO_FIND_A_BUG} seeds", flush=True)
            found_all = False
        else:
            print(f"{bug}: found by seed {found.seed}: {found.verdict.lost[0]}", flush=True)
    return 0 if found_all else 1


def _print_outcome(outcome: Outcome) -> None:
    verdict = outcome.verdict
    faults = sum(outcome.faults.values())
    print(
        f"seed {outcome.seed}: {verdict.acknowledged} acknowledged, {faults} faults, "
        f"{outcome.seconds:.0f} s{'' if not verdict.complaints else ', WRONG'}",
        flush=True,
    )
    for complaint in verdict.complaints:
        print(f"    {complaint}", flush=True)
    if outcome.folder not in ("", "."):
        print(
            f"    see {outcome.folder}; again: make chaos ARGS='--first {outcome.seed} --seeds 1'"
        )


def _print_summary(outcomes: Sequence[Outcome], seconds: float) -> None:
    faults = sum((each.faults for each in outcomes), Counter[str]())
    verdicts = [each.verdict for each in outcomes]
    print(f"\n{len(outcomes)} seeds in {seconds:.0f} s")
    print(f"{sum(each.acknowledged for each in verdicts):6} instances acknowledged")
    for name, count in sorted(faults.items()):
        print(f"{count:6} {name}")
    print(f"{sum(len(each.lost) for each in verdicts):6} lost")
    print(f"{sum(len(each.corrupted) for each in verdicts):6} corrupted")
    print(f"{sum(len(each.doubled) for each in verdicts):6} studies in two folders")
    wrong = sorted(each.seed for each in outcomes if each.verdict.complaints)
    print(f"{len(wrong):6} seeds with something wrong {wrong or ''}")


if __name__ == "__main__":
    sys.exit(main())
