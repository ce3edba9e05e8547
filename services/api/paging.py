"""Cursors: where a page ended, as a sort key and the row's own id, so that rows may come and go."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dicom_router.said import Said, said
from services.api.problems import Problem

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page; the next one begins after it, in the order called `sort`."""

    sort: str
    key: str | int
    id: str

    def __str__(self) -> str:
        text = json.dumps([self.sort, self.key, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_cursor(text: str | None, sort: str) -> Cursor | None:
    """The cursor that a client sent back; a `Problem` unless it is one of ours, for this order."""
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        given, key, identity = found
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise _bad(said("it is none that this API gave out")) from None
    if (
        not isinstance(key, str | int)
        or not isinstance(identity, str)
        or "\0" in f"{key}{identity}"
    ):
        raise _bad(said("it is none that this API gave out"))
    if given != sort:
        raise _bad(said("it belongs to another order than {sort!r}", sort=sort))
    return Cursor(sort, key, identity)


def next_cursor(
    rows: Sequence[_Row], limit: int, cursor_of: Callable[[_Row], Cursor]
) -> str | None:
    """The cursor after `limit` rows, of which one more was asked for as a sign that there is."""
    return str(cursor_of(rows[limit - 1])) if len(rows) > limit else None


def _bad(why: Said) -> Problem:
    return Problem.field(
        "cursor", said("{why}; use `next` of the page before, with the same filters", why=why)
    )
