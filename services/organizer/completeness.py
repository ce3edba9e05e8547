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

from dicom_router.said import Said, as_said, joined, said

# An activity this far ahead was seen before the clock was set back. Up to that it may be
# another organizer's clock that differs.
CLOCK_SET_BACK = timedelta(minutes=10)

_MOST_SHOWN = 20  # associations that the evidence lists one by one


_OUTCOMES = {
    "released": said("released"),
    "aborted": said("aborted"),
    "lost": said("lost"),
    "rejected": said("rejected"),
}


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
    def standing(self) -> Said:
        """In words."""
        if self.outcome is None:
            return said("open")
        missing = (self.made or 0) - self.ended
        ended = _OUTCOMES.get(self.outcome) or as_said(self.outcome)
        if missing <= 0:
            return ended
        return said("{ended}, {count} receipts outstanding", ended=ended, count=missing)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a study counts as complete."""

    rule: str  # settled or idle
    quiet_seconds: float
    text: Said
    associations: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """As it is stored, shown and carried by `study-complete`."""
        return {
            "rule": self.rule,
            "quiet_seconds": round(self.quiet_seconds, 1),
            "text": str.__str__(self.text),
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


def _settled_text(associations: Sequence[AssociationView], quiet: timedelta) -> Said:
    count = len(associations)
    seconds = _seconds(quiet)
    if count == 1:
        return said(
            "1 association was released with every image accounted for; then nothing came for "
            "{seconds}",
            seconds=seconds,
        )
    return said(
        "all {count} associations were released with every image accounted for; then nothing came "
        "for {seconds}",
        count=count,
        seconds=seconds,
    )


def _idle_text(associations: Sequence[AssociationView], quiet: timedelta) -> Said:
    unfinished = [each for each in associations if not each.is_accounted_for]
    shown = [
        joined(" ", [each.calling_ae_title or said("unnamed"), each.standing])
        for each in unfinished[:3]
    ]
    more = [said("{count} more", count=len(unfinished) - 3)] if unfinished[3:] else []
    because = (
        said("no clean release seen ({which})", which=joined(", ", [*shown, *more]))
        if shown
        else said("no association known")
    )
    quiet_for = said("nothing came for {seconds}", seconds=_seconds(quiet))
    return joined("; ", [because, quiet_for])


def _seconds(quiet: timedelta) -> str:
    return f"{max(0.0, quiet.total_seconds()):.0f} s"


def _shown(association: AssociationView) -> dict[str, Any]:
    return {
        "association_id": association.association_id,
        "calling_ae_title": association.calling_ae_title,
        "outcome": association.outcome or "open",
        "receipts": association.ended,
    }
