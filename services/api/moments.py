"""Dates and times as clients give them in filters; without a zone they are the site's."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Query

from dicom_router.said import said
from services.api.problems import Problem

_LONGEST_DATE = len("2026-01-22")
_TICK = timedelta(microseconds=1)

Moment = Annotated[
    str | None,
    Query(description="A date or a time.", examples=["2026-01-22", "2026-01-22T14:15:30Z"]),
]


def since(name: str, given: str | None) -> datetime | None:
    """From when on; a `Problem` that names the parameter if it is no moment."""
    return _moment(name, given, timedelta(0))


def until(name: str, given: str | None) -> datetime | None:
    """Before when, so that the moment given, or that day, is within."""
    return _moment(name, given, timedelta(days=1))


def _moment(name: str, given: str | None, ahead: timedelta) -> datetime | None:
    """A filter's moment, moved ahead a bit so that `to` includes it."""
    if not given:
        return None
    try:
        if len(given) <= _LONGEST_DATE:
            found = datetime.combine(date.fromisoformat(given) + ahead, time.min)
        else:
            found = datetime.fromisoformat(given) + min(ahead, _TICK)
        return found.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        raise Problem.field(
            name,
            said("it is a date (2026-01-22) or a time (2026-01-22T14:15:30Z), not too far away"),
        ) from None
