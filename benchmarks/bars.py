"""The bars: what a benchmark's figures have to reach, and the table that says whether they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure beside what it has to be; `unit` is "×" for ratios."""

    what: str
    value: float
    bound: float
    kind: Literal["at least", "at most"]
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        """Whether the figure is good enough."""
        return self.value >= self.bound if self.kind == "at least" else self.value <= self.bound

    def __str__(self) -> str:
        bound = f"{self.kind} {self.bound:g} {self.unit}"
        return (
            f"{self.what:<74}{self.value:>8.3g} {self.unit:<3} {bound:<16} "
            f"{'met' if self.is_met else 'MISSED'}"
        )


def report(bars: Sequence[Bar]) -> int:
    """Print the table; the exit code, 1 if a bar was missed."""
    if bars:
        print("\n" + "\n".join(("The bars", *(f"  {each}" for each in bars))), flush=True)
    return 0 if all(each.is_met for each in bars) else 1
