"""When a study counts as complete. DICOM never says how many images will come: this is a judgement,
and its evidence is kept.

Complete is a study whose associations were all released, with every receipt they made accounted
for, and which has then been quiet for the settle time; failing that (aborted, lost or still open)
one that has been quiet for the idle time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

# An activity this far ahead was seen before the clock was set back. Up to that it may be
# another organizer's clock that differs.
CLOCK_SET_BACK = timedelta(minutes=10)

_MOST_SHOWN = 20  # associations that the evidence lists one by one


@dataclass(frozen=True, slots=True)
class AssociationView:
    """What is known of an association that brought new instances of the study."""

    association_id: str
    calling_ae_title: str
    outcome: str | None  # released, aborted, lost; None: still open, or its end was never told
    made: int | None  # receipts, as the receiver counted them
    ended: int  # receipts that have ended, as the database counts them
    end_seen_at: datetime | None
    settle_seconds: float | None  # the sender's own

    @property
    def is_accounted_for(self) -> bool:
        """Released, and every receipt it made has ended."""
        return self.outcome == "released" and self.made is not None and self.ended >= self.made

    @property
    def standing(self) -> str:
        """In words."""
        if self.outcome is None:
            return "open"
        missing = (self.made or 0) - self.ended
        return f"{self.outcome}, {missing} receipts outstanding" if missing > 0 else self.outcome


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a study counts as complete."""

    rule: str  # settled or idle
    quiet_seconds: float
    text: str
    associations: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """As it is stored, shown and carried by `study-complete`."""
        return {
            "rule": self.rule,
            "quiet_seconds": round(self.quiet_seconds, 1),
            "text": self.text,
            "associations": list(self.associations[:_MOST_SHOWN]),
            "association_count": len(self.associations),
        }


def judge(
    last_activity_at: datetime,
    associations: Sequence[AssociationView],
    now: datetime,
    *,
    settle_seconds: float,
    idle_seconds: float,
) -> Evidence | None:
    """The evidence that a study is complete, or None while it is not."""
    if associations and all(each.is_accounted_for for each in associations):
        ends = [each.end_seen_at for each in associations if each.end_seen_at]
        quiet = now - max([last_activity_at, *ends])
        wanted = max(
            settle_seconds if each.settle_seconds is None else each.settle_seconds
            for each in associations
        )
        rule, text = "settled", _settled_text(associations, quiet)
    else:
        quiet = now - last_activity_at
        wanted = idle_seconds
        rule, text = "idle", _idle_text(associations, quiet)
    if -CLOCK_SET_BACK < quiet < timedelta(seconds=wanted):
        return None
    return Evidence(
        rule, max(0.0, quiet.total_seconds()), text, tuple(_shown(a) for a in associations)
    )


def _settled_text(associations: Sequence[AssociationView], quiet: timedelta) -> str:
    count = len(associations)
    were = "1 association was" if count == 1 else f"all {count} associations were"
    return f"{were} released with every image accounted for, then quiet for {_seconds(quiet)}"


def _idle_text(associations: Sequence[AssociationView], quiet: timedelta) -> str:
    unfinished = [each for each in associations if not each.is_accounted_for]
    shown = [f"{each.calling_ae_title or 'unnamed'} {each.standing}" for each in unfinished[:3]]
    which = ", ".join(shown) + (f" and {len(unfinished) - 3} more" if unfinished[3:] else "")
    because = f"no clean release seen ({which})" if which else "no association known"
    return f"{because}; nothing came for {_seconds(quiet)}"


def _seconds(quiet: timedelta) -> str:
    return f"{max(0.0, quiet.total_seconds()):.0f} s"


def _shown(association: AssociationView) -> dict[str, Any]:
    return {
        "association_id": association.association_id,
        "calling_ae_title": association.calling_ae_title,
        "outcome": association.outcome or "open",
        "receipts": association.ended,
    }
