"""One run: warm up, attack, and compare what the router holds before and after."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.attack import attack_with_data_sets, attack_with_pdus
from tests.fuzz.target import Target
from tests.support.router import EMBEDDED, running

_STEPS = 10  # looks at the figures during an attack
_WARM_UP = 0.05  # of all attacks, before the first look: buffers, caches and pools are there then


def run(folder: Path, connections: int, stored: int, seed: str) -> Iterator[str]:
    """Attack a router of its own; what happened, a line at a time. Raises AssertionError."""
    settings = {"ROUTER_RETENTION_HOURS": -1, "ROUTER_STUDY_SETTLE_SECONDS": 1}
    with running(folder, EMBEDDED, **settings) as router:
        target = Target(router, folder)
        attack_with_pdus(target, f"{seed}-warm", range(round(connections * _WARM_UP)))
        attack_with_data_sets(target, f"{seed}-warm", range(round(stored * _WARM_UP)))
        before = target.at_rest()
        yield f"before: {before}"
        yield from _phase(target, "PDUs", attack_with_pdus, seed, connections)
        yield from _phase(target, "data sets", attack_with_data_sets, seed, stored)
        target.well_behaved()
        after = target.require_no_growth(before)
        target.require_alive()
        yield f"after: {after}"
        unexpected = target.unexpected()
        if unexpected:
            raise AssertionError(f"{len(unexpected)} mistakes in its log, such as {unexpected[0]}")


def _phase(
    target: Target,
    what: str,
    attack: Callable[[Target, str, range], Counter[str]],
    seed: str,
    count: int,
) -> Iterator[str]:
    began, ends = time.monotonic(), Counter[str]()
    for step in range(_STEPS):
        ends += attack(target, seed, range(count * step // _STEPS, count * (step + 1) // _STEPS))
        target.require_alive()
        yield f"  {count * (step + 1) // _STEPS} {what}: {target.figures()}"
    shown = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    yield f"{count} {what} in {time.monotonic() - began:.0f} s: {shown}"
