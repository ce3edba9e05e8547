"""What a study owes, and to whom: pure decisions.

With no rule defined every study goes to every enabled destination; rules will be decided here too.
Whether a destination is paused or down makes no difference: what is owed to it waits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A destination, as far as routing looks at it."""

    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Frozen:
    """An instance of a complete revision that no destination is owed yet."""

    receipt_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery to be made: these receipts, as that revision, to that destination."""

    revision: int
    destination: str
    receipt_ids: tuple[str, ...]


def owed(
    candidates: Iterable[Candidate], unowed: Iterable[Frozen], routed_revision: int, revision: int
) -> list[Owed]:
    """The deliveries that a study needs, by revision, then by destination.

    `unowed` are its organized instances that are in no delivery. Those of revisions that were
    routed when there was no destination travel with the first revision that finds one.
    """
    names = sorted(each.name for each in candidates if each.enabled)
    return [
        Owed(number, name, tuple(receipt_ids))
        for number, receipt_ids in sorted(_by_revision(unowed, routed_revision, revision).items())
        for name in names
    ]


def _by_revision(
    unowed: Iterable[Frozen], routed_revision: int, revision: int
) -> Mapping[int, Sequence[str]]:
    first = min(routed_revision + 1, revision)
    grouped: dict[int, list[str]] = defaultdict(list)
    for each in unowed:
        grouped[max(each.revision, first)].append(each.receipt_id)
    return grouped
