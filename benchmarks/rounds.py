"""Runs that are compared take turns, A B C, A B C: what disturbs one round disturbs them all."""

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """What one contestant's runs came to, in the order of the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        lowest, highest = min(self.values), max(self.values)
        return f"{_short(self.median)} ({_short(lowest)} to {_short(highest)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def take_turns(
    runs: Mapping[str, Callable[[], float]], rounds: int, unit: str
) -> dict[str, Figures]:
    """Run each once in every round; what the runs return, by name, printed as they come."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1, rounds + 1):
        for name, run in runs.items():
            os.sync()  # what earlier runs have left to be written is not this one's to wait for
            value = run()
            found[name].append(value)
            print(f"  round {number}  {name:<44}{_short(value):>8} {unit}", flush=True)
    return {name: Figures(tuple(values)) for name, values in found.items()}


def print_figures(title: str, unit: str, figures: Mapping[str, Figures]) -> None:
    """A table of medians with the lowest and the highest."""
    rounds = max(len(each.values) for each in figures.values())
    print(f"\n{title}, {unit}: median of {rounds} (lowest to highest)")
    for name, each in figures.items():
        print(f"  {name:<44}{each}")
