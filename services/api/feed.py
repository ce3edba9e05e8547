"""The recorded events as they come: one reader per process, any number of followers.

The reader polls the record and keeps the newest events. A follower has nothing but a position: it
takes what is behind its position from there, or from the database if it is far behind. So a slow
client costs no memory, and a client that resumes is merely one that is behind.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.retry import backoff
from services.api.queries.events import EventRow, events_after, newest_event

POLL_SECONDS = 0.5  # events that another api process has recorded
HEARTBEAT_SECONDS = 15.0
_BATCH = 500
_KEPT = 2_000
_T = TypeVar("_T")

log = get_logger()


class Feed:
    """Tells followers of events. All methods but `wake` and `close` belong to the server's loop."""

    def __init__(self, database: Database, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._database, self._heartbeat = database, heartbeat
        self._loop: asyncio.AbstractEventLoop | None = None
        self._recorded = asyncio.Event()  # there may be something to read
        self._news: asyncio.Future[None] | None = None  # done at the next batch, or at the end
        self._recent: deque[EventRow] = deque(maxlen=_KEPT)
        self._since = 0  # `_recent` has all events after this one…
        self._position = 0  # …up to this one
        self._followers = 0
        self._closed = False

    @property
    def followers(self) -> int:
        """How many streams there are."""
        return self._followers

    def wake(self) -> None:
        """Say that an event was recorded; from any thread."""
        self._call(self._recorded.set)

    def close(self) -> None:
        """End all streams; from any thread."""
        self._call(self._close)

    async def newest(self) -> int:
        """Where the record ends now: whoever follows from here misses nothing that comes."""
        return await run_in_threadpool(self._read, newest_event)

    async def follow(self, after: int) -> AsyncIterator[EventRow | None]:
        """Every event after this one, as it comes; None now and then while there is none."""
        self._followers += 1
        self._recorded.set()
        try:
            while not self._closed:
                news = self._next_news()
                rows, after = await self._after(after)
                for row in rows:
                    yield row
                if after < self._position:
                    continue
                done, _ = await asyncio.wait([news], timeout=self._heartbeat)
                if not done:
                    yield None
        finally:
            self._followers -= 1

    async def run(self) -> None:
        """Read the record for the followers until cancelled."""
        self._loop = asyncio.get_running_loop()
        failures = 0
        while True:
            try:
                pause = await self._round()
                failures = 0
            except Unavailable as error:
                failures += 1
                pause = backoff(failures)
                if failures in (1, 10, 100):
                    log.warning(Log.TASK_WAITING, task="feed", why=str(error), seconds=pause)
            await self._pause(pause)

    async def _round(self) -> float | None:
        """Read what is new; seconds until there may be more, None for as long as none follows."""
        if not self._followers:
            newest = await self.newest()
            self._recent.clear()
            self._since = self._position = newest
            self._tell()
            return None
        rows = await run_in_threadpool(self._read, events_after, self._position, _BATCH)
        if rows:
            self._keep(rows)
        return 0 if len(rows) == _BATCH else POLL_SECONDS

    async def _pause(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._recorded.wait(), seconds)
        except TimeoutError:
            return
        self._recorded.clear()

    def _keep(self, rows: Sequence[EventRow]) -> None:
        for row in rows:
            if len(self._recent) == _KEPT:
                self._since = self._recent[0].id
            self._recent.append(row)
        self._position = rows[-1].id
        self._tell()

    async def _after(self, after: int) -> tuple[Sequence[EventRow], int]:
        """The next events after this one, and up to which id that is all there are."""
        since = self._since
        if after >= since:
            rows: Sequence[EventRow] = [row for row in self._recent if row.id > after]
            return rows, rows[-1].id if rows else after
        rows = await run_in_threadpool(self._read, events_after, after, _BATCH)
        return rows, rows[-1].id if rows else since

    def _next_news(self) -> asyncio.Future[None]:
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
            if self._closed:
                self._news.set_result(None)
        return self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _call(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what)

    def _close(self) -> None:
        self._closed = True
        self._tell()

    def _read(self, query: Callable[..., _T], *arguments: object) -> _T:
        with self._database.read() as session:
            return query(session, *arguments)
