"""The audit trail: who changed what, and who looked at patients' data.

A change is on record in its own transaction (`Context.change`). Looks, and what was refused, are
written a moment later, many at a time, so that reading stays fast: what waits is bounded, and when
no more can be kept nothing more is shown. A page that asks again every 2 s is one row a minute,
with a count.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from services.api.actor import Actor
from services.api.queries import Session
from services.api.queries import audit as queries

KEPT = timedelta(days=730)
FLUSH_SECONDS = 1.0
FOLDED_FOR = timedelta(minutes=1)
MOST_WAITING = 20_000
_MOST_OF_NOBODY = MOST_WAITING // 2  # nobody known can fill what those who are known need

# Their values may be a patient's: that they were given is on record, not what they were.
_NAMES_ONLY = {"q", "patient_id", "patient_name", "cursor"}
_LONGEST = 256


@dataclass(slots=True)
class _Waiting:
    row: dict[str, Any]
    due: datetime


class Trail:
    """Keeps what is to be written until `flush` writes it. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Any, ...], _Waiting] = {}
        self._written: dict[tuple[Any, ...], datetime] = {}  # when the same was written last
        self.wake = threading.Event()

    @property
    def is_full(self) -> bool:
        """Whether no more can be kept: then nothing more must be shown."""
        return len(self._waiting) >= MOST_WAITING

    @property
    def waiting(self) -> int:
        """How many entries wait to be written."""
        return len(self._waiting)

    def add(self, actor: Actor, outcome: str, *, fold: bool = True) -> None:
        """Have this written soon; with `fold`, the same within a minute becomes one row."""
        if actor.principal is None and len(self._waiting) >= _MOST_OF_NOBODY:
            return
        now = self._clock()
        row = row_of(actor, outcome, now)
        left_out = ("at", "request_id") if fold else ("at",)
        key = tuple(str(value) for name, value in row.items() if name not in left_out)
        with self._lock:
            found = self._waiting.get(key)
            if found is not None:
                found.row["count"] += 1
                return
            last = self._written.get(key)
            due = now if last is None else last + FOLDED_FOR
            self._waiting[key] = _Waiting(row, due)

    def flush(self) -> None:
        """Write what is due."""
        self._write(self._clock())

    def close(self) -> None:
        """Write everything."""
        self._write(None)

    def prune(self) -> None:
        """Forget what is older than is kept."""
        before = self._clock() - KEPT
        more = True
        while more:
            with self._database.write() as session:
                more = queries.prune(session, before)

    def _write(self, now: datetime | None) -> None:
        with self._lock:
            due = {
                key: each for key, each in self._waiting.items() if now is None or each.due <= now
            }
            for key in due:
                del self._waiting[key]
        if due:
            try:
                with self._database.write() as session:
                    queries.record(session, [each.row for each in due.values()])
            except Unavailable:
                self._keep(due)
                raise
        if now is not None:
            with self._lock:
                self._written.update(dict.fromkeys(due, now))
                recent = now - FOLDED_FOR
                self._written = {key: at for key, at in self._written.items() if at > recent}

    def _keep(self, rows: dict[tuple[Any, ...], _Waiting]) -> None:
        """Put back what could not be written, together with what came meanwhile."""
        with self._lock:
            for key, each in rows.items():
                later = self._waiting.get(key)
                if later is not None:
                    each.row["count"] += later.row["count"]
                self._waiting[key] = each


def record(session: Session, actor: Actor, now: datetime) -> None:
    """Put a change on record, in its own transaction."""
    queries.record(session, [row_of(actor, "done", now)])


def difference(row: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a change comes to: of each column that gets another value both, as JSON has them."""
    return {
        name: [_plain(getattr(row, name)), _plain(value)]
        for name, value in values.items()
        if getattr(row, name) != value
    }


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | list | None) else str(value)


def row_of(actor: Actor, outcome: str, now: datetime) -> dict[str, Any]:
    """An entry as the table has it."""
    return {
        "at": now,
        "who": actor.name,
        "kind": str(actor.kind),
        "role": str(actor.role),
        "address": _storable(actor.address)[:64],
        "action": str(actor.action),
        "study_uid": _storable(actor.study_uid)[:_LONGEST] if actor.study_uid else None,
        "about": _storable(actor.about)[:_LONGEST],
        "outcome": outcome,
        "detail": {
            _storable(name): _storable(value) if isinstance(value, str) else value
            for name, value in actor.detail.items()
        },
        "count": 1,
        "request_id": actor.request_id,
    }


def _storable(text: str) -> str:
    """As it is, but for what no database takes in a text: NUL, and half a character (UTF-16's)."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def filters_of(parameters: list[tuple[str, str]]) -> dict[str, Any]:
    """What was asked for; of what may name a patient only that it was."""
    found: dict[str, Any] = {}
    for name, value in parameters[:50]:
        shown = True if name in _NAMES_ONLY else value[:_LONGEST]
        found[name[:64]] = shown if name not in found else f"{found[name]},{shown}"[:_LONGEST]
    return found


class Auditing:
    """Puts on record what requests have done, unless the change itself has done so."""

    def __init__(self, app: ASGIApp, trail: Trail) -> None:
        self._app, self._trail = app, trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        client = scope.get("client")
        actor = scope["state"]["actor"] = Actor(
            address=client[0] if client else "", request_id=scope["state"]["request_id"]
        )
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            if actor.action is not None and not actor.recorded and _is_news(actor, status):
                is_change = scope["method"] != "GET" and status < 400
                self._trail.add(actor, outcome_of(status), fold=not is_change)
                if is_change:
                    self._trail.wake.set()


def _is_news(actor: Actor, status: int) -> bool:
    """Of those who are not known, only their guesses are."""
    return actor.principal is not None or status == 401


def outcome_of(status: int) -> str:
    """In a word what became of a request."""
    if status < 400:
        return "done"
    if status in (401, 403):
        return "denied"
    return "refused" if status < 500 else "failed"
