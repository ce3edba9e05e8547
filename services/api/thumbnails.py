"""Small pictures of series: drawn one at a time by a process of its own, and kept in memory.

Whatever happens to that process, the api and the pipeline go on: it runs below everything else, and
is killed when a picture takes too long.
"""

import asyncio
import hashlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from dicom_router.said import said
from services.api.problems import Problem

LONGEST_SECONDS = 15.0
MOST_KEPT_BYTES = 64 << 20  # some 8,000 pictures
_MOST_KEPT = 10_000  # those that failed count as well
MOST_WAITING = 100
_FAILURE_KEPT_SECONDS = 300.0
_PROGRAM = (sys.executable, "-m", "services.api.rendering")
_ROOT = Path(__file__).parents[2]
# Nothing of ours: no secret is where strangers' files are decoded. One thread is enough.
_ENVIRONMENT = {"PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}

Key = tuple[str, str]  # study, series


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG, or why there is none."""

    source: str  # the receipt that it was drawn from
    jpeg: bytes = b""
    why: str = ""
    until: float = float("inf")  # on the monotonic clock

    @property
    def etag(self) -> str:
        """For conditional requests."""
        return f'"{hashlib.sha256(self.jpeg).hexdigest()[:20]}"'


class Thumbnails:
    """Draws what is asked for, unless it has it."""

    def __init__(
        self,
        *,
        longest_seconds: float = LONGEST_SECONDS,
        most_bytes: int = MOST_KEPT_BYTES,
        most_waiting: int = MOST_WAITING,
        program: tuple[str, ...] = _PROGRAM,
    ) -> None:
        self._painter = _Painter(program, longest_seconds)
        self._most_bytes, self._most_waiting = most_bytes, most_waiting
        self._kept: OrderedDict[Key, Picture] = OrderedDict()
        self._bytes = 0
        self._waiting = 0
        self._turn: asyncio.Lock | None = None

    def kept(self, key: Key) -> Picture | None:
        """What was drawn of a series before; in the server's loop."""
        found = self._kept.get(key)
        if found is None or time.monotonic() > found.until:
            return None
        self._kept.move_to_end(key)
        return found

    async def draw(self, key: Key, source: str, path: Path) -> Picture:
        """The picture of a series, from this file; `Problem` 503 while too many want one."""
        if self._waiting >= self._most_waiting:
            headers = {"Retry-After": "5"}
            raise Problem(
                503, said("Many pictures are being drawn; try again soon."), headers=headers
            )
        self._turn = self._turn or asyncio.Lock()
        self._waiting += 1
        try:
            async with self._turn:
                found = self.kept(key)
                if found is None or found.source != source:
                    found = await run_in_threadpool(self._painter.draw, source, path)
                    self._keep(key, found)
                return found
        finally:
            self._waiting -= 1

    def forget(self, study_uid: str) -> None:
        """A study was deleted: nothing of it is shown any more; in the server's loop."""
        for key in [key for key in self._kept if key[0] == study_uid]:
            self._bytes -= len(self._kept.pop(key).jpeg)

    def close(self) -> None:
        """End the process; from any thread."""
        self._painter.close()

    def _keep(self, key: Key, picture: Picture) -> None:
        old = self._kept.pop(key, None)
        self._bytes += len(picture.jpeg) - (len(old.jpeg) if old else 0)
        self._kept[key] = picture
        while self._bytes > self._most_bytes or len(self._kept) > _MOST_KEPT:
            _key, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.jpeg)


class _Painter:
    """The process that draws, begun when it is needed; one picture at a time."""

    def __init__(self, program: tuple[str, ...], longest_seconds: float) -> None:
        self._program, self._longest_seconds = program, longest_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def draw(self, source: str, path: Path) -> Picture:
        """A picture of a file, or why there is none."""
        with self._lock:
            for again in (False, True):
                was_running = self._process is not None
                try:
                    return self._ask(source, path)
                except TimeoutError:
                    self._end()
                    return _failed(source, f"it took more than {self._longest_seconds:g} seconds")
                except (OSError, EOFError, ValueError):
                    self._end()
                    # One that has had nothing to do ends by itself, perhaps just now.
                    if again or not was_running:
                        break
        return _failed(source, "the decoder gave up, perhaps for want of memory")

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._end()

    def _ask(self, source: str, path: Path) -> Picture:
        process = self._started()
        assert process.stdin is not None  # noqa: S101 - as it was started
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(json.dumps({"path": str(path)}).encode() + b"\n")
        process.stdin.flush()
        read = _reader(process.stdout.fileno(), time.monotonic() + self._longest_seconds)
        head = json.loads(_line(read))
        if "why" in head:
            return _failed(source, str(head["why"]))
        return Picture(source, _exactly(read, int(head["size"])))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise EOFError
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                self._program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders write to it what they like
                cwd=_ROOT,
                env=_ENVIRONMENT,
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _failed(source: str, why: str) -> Picture:
    return Picture(source, why=why, until=time.monotonic() + _FAILURE_KEPT_SECONDS)


def _reader(descriptor: int, deadline: float) -> Callable[[int], bytes]:
    """Reads at most so many bytes; `TimeoutError` at the deadline, `EOFError` at the end."""

    def read(most: int) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError
        found = os.read(descriptor, most)
        if not found:
            raise EOFError
        return found

    return read


def _line(read: Callable[[int], bytes]) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        found += read(1)
    return found


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += read(size - len(found))
    return found
