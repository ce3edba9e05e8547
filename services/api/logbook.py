"""The newest log lines of all services, in memory: for looking back a little and for following.

They come over the bus (`dicom_router.log_publisher`). They are numbered in the order in which they
came; the numbers begin anew with each start of the api, which therefore has a name of its own.
"""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from dicom_router.events import LogLine, Message, expect
from dicom_router.said import unpacked
from services.api.languages import in_portuguese
from services.api.schemas import LogEntry, LogLevel

KEPT = 5_000  # lines, at half a kilobyte each
HEARTBEAT_SECONDS = 15.0
_LEVELS = list(LogLevel)
_CLOCKS_FROM_THE_LAST = timedelta(hours=1)  # clocks are set, and drift


@dataclass(frozen=True, slots=True)
class Line:
    """A log line, with what it is found by."""

    number: int
    entry: LogEntry
    text: str  # all of it, in lower case
    values: frozenset[str]  # of its fields
    came_at: datetime  # by our clock


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines; None and empty: all."""

    level: LogLevel | None = None  # at least
    service: str = ""
    q: str = ""
    ids: frozenset[str] | None = None  # one of these is among the fields' values

    def fits(self, line: Line) -> bool:
        """Whether it is one of those."""
        entry = line.entry
        return (
            (self.level is None or _LEVELS.index(entry.level) >= _LEVELS.index(self.level))
            and self.service in ("", entry.service)
            and self.q.lower() in line.text
            and (self.ids is None or not self.ids.isdisjoint(line.values))
        )


class Logbook:
    """Records from the bus's thread, tells the server's loop."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        kept: int = KEPT,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self.name = secrets.token_hex(4)
        self._clock = clock
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=kept)
        self._number = 0
        self._followers: set[_Follower] = set()
        self._closed = False

    def record(self, messages: Sequence[Message]) -> None:
        """Keep lines; `Unprocessable` for what is none."""
        read = [(each.time, expect(each, LogLine)) for each in messages]
        now = self._clock()
        with self._lock:
            for at, line in read:
                self._number += 1
                self._lines.append(self._kept(at, line, now))
            followers = list(self._followers)
        for each in followers:
            each.tell()

    def newest(self, wanted: LogFilter, before: int | None, limit: int) -> list[Line]:
        """The newest lines that fit, the newest first."""
        with self._lock:
            lines = list(self._lines)
        fitting = (
            line
            for line in reversed(lines)
            if (before is None or line.number < before) and wanted.fits(line)
        )
        return list(islice(fitting, limit))

    def clocks_ahead(self) -> dict[str, timedelta]:
        """By how much each host's clock is ahead of ours, less what its quickest line took."""
        since = self._clock() - _CLOCKS_FROM_THE_LAST
        with self._lock:
            lines = [line for line in self._lines if line.came_at >= since]
        ahead: dict[str, timedelta] = {}
        for line in lines:
            by = line.entry.time - line.came_at
            ahead[line.entry.host] = max(by, ahead.get(line.entry.host, by))
        return ahead

    @property
    def position(self) -> int:
        """The number of the last line."""
        return self._number

    async def follow(self, after: int, wanted: LogFilter) -> AsyncIterator[Line | None]:
        """Every line that fits after this one, as it comes; None now and then while none does."""
        follower = _Follower(asyncio.get_running_loop())
        with self._lock:
            self._followers.add(follower)
        try:
            while not self._closed:
                follower.news.clear()
                lines = self._after(after)
                for line in lines:
                    after = line.number
                    if wanted.fits(line):
                        yield line
                if lines:
                    continue
                try:
                    await asyncio.wait_for(follower.news.wait(), self._heartbeat)
                except TimeoutError:
                    yield None
        finally:
            with self._lock:
                self._followers.discard(follower)

    def close(self) -> None:
        """End all streams; from any thread."""
        self._closed = True
        with self._lock:
            followers = list(self._followers)
        for each in followers:
            each.tell()

    def _after(self, number: int) -> list[Line]:
        with self._lock:
            oldest = self._lines[0].number if self._lines else self._number + 1
            return list(islice(self._lines, max(0, number + 1 - oldest), None))

    def _kept(self, at: datetime, line: LogLine, now: datetime) -> Line:
        sentences = {name: unpacked(line.fields[name], kept) for name, kept in line.said.items()}
        entry = LogEntry(
            id=f"{self.name}.{self._number}",
            time=at,
            level=LogLevel(line.level if line.level != "debug" else "info"),
            service=line.service,
            host=line.host,
            pid=line.pid,
            event=line.event,
            fields={**line.fields, **sentences},
        )
        said = " ".join(f"{key}={value}" for key, value in line.fields.items())
        other = " ".join(map(in_portuguese, sentences.values()))
        text = f"{line.service} {line.event} {said} {other}".lower()
        return Line(self._number, entry, text, frozenset(_texts(line.fields.values())), now)


class _Follower:
    """One stream: its loop, and whether there may be something to read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.news = asyncio.Event()

    def tell(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
            self._loop.call_soon_threadsafe(self.news.set)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """The texts among values, also those in lists."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _texts(value)
