"""What a study owes to the destinations it goes to (`dicom_router.routing`): pure decisions.

Whether a destination is paused or down makes no difference: what is owed to it waits.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Destinations that a late image has brought a study to: they are owed all of it."""

    names: Collection[str] = ()
    receipt_ids: tuple[str, ...] = ()  # of the whole study


NO_NEWCOMERS = Newcomers()


def owed(
    names: Iterable[str],
    unowed: Iterable[Frozen],
    routed_revision: int,
    revision: int,
    newcomers: Newcomers = NO_NEWCOMERS,
) -> list[Owed]:
    """The deliveries that a study needs, by revision, then by destination.

    `names` are the destinations it goes to. `unowed` are its organized instances that are in no
    delivery. Those of revisions that were routed when there was no destination travel with the
    first revision that finds one.
    """
    grouped = _by_revision(unowed, routed_revision, revision)
    known = [name for name in names if name not in newcomers.names]
    made = [
        Owed(number, name, tuple(receipt_ids))
        for number, receipt_ids in grouped.items()
        for name in known
    ]
    if grouped:
        made += [Owed(revision, name, newcomers.receipt_ids) for name in newcomers.names]
    return sorted(made, key=lambda each: (each.revision, each.destination))


def _by_revision(
    unowed: Iterable[Frozen], routed_revision: int, revision: int
) -> Mapping[int, Sequence[str]]:
    first = min(routed_revision + 1, revision)
    grouped: dict[int, list[str]] = defaultdict(list)
    for each in unowed:
        grouped[max(each.revision, first)].append(each.receipt_id)
    return grouped
