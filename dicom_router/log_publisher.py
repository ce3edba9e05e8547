"""Log lines over the bus (`dicom.logs`), so that the API can show those of all services.

For whoever looks now: a line that finds no room, no broker or no listener is dropped and never
waited for. It stands on its service's console all the same.
"""

import logging
import os
import queue
import socket
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, cast

from dicom_router.bus import Bus
from dicom_router.events import LOGS_EXCHANGE, LogLine, message
from dicom_router.log import Log
from dicom_router.queues import LOGS
from dicom_router.said import packed

# Lines that wait for the broker: half a megabyte. What comes on top is counted and dropped.
MOST_WAITING = 1_000
# Published and not yet confirmed; few, since they share the bus's own limit with real messages.
_MOST_UNCONFIRMED = 200
_LOOK_FOR_BROKER_SECONDS = 0.2
_CLOSE_SECONDS = 0.5

_LONGEST_TEXT = 1_000
_MOST_VALUES = 50
_INNERMOST_FRAMES = 8

_SERVICES = {"receiver", "organizer", "forwarder", "api"}
_NOT_FIELDS = {"event", "level", "timestamp", "service", "pid", "exc_info"}
# What the bus says of its own connections would come of publishing it, again and again.
_BUS = "bus."

_Level = Literal["debug", "info", "warning", "error", "critical"]


@contextmanager
def publishing_logs(bus: Bus, process: str) -> Iterator["LogPublisher"]:
    """Have every log line of this process published while the block runs."""
    publisher = LogPublisher(bus, process)
    root = logging.getLogger()
    root.addHandler(publisher)
    try:
        yield publisher
    finally:
        root.removeHandler(publisher)
        publisher.close()


class LogPublisher(logging.Handler):
    """Takes a line in microseconds; a thread of its own gives it to the bus."""

    def __init__(self, bus: Bus, process: str) -> None:
        super().__init__(logging.INFO)
        self._bus, self._process = bus, process
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._source = f"{process}@{self._host}:{self._pid}"
        # A SimpleQueue, since a line may be logged in the midst of anything.
        self._waiting: queue.SimpleQueue[tuple[datetime, LogLine] | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_MOST_UNCONFIRMED)
        self._dropped = 0  # counted by several threads without a lock: nearly right will do
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log publisher", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line to be published, or that it was dropped."""
        if threading.current_thread() is self._thread:
            return  # what publishing logs causes to be logged
        try:
            line = self._line(record)
        except Exception:  # noqa: BLE001 - as every handler does: a line must not end its service
            self.handleError(record)
            return
        if line is None:
            return
        if self._waiting.qsize() >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.put((datetime.fromtimestamp(record.created, UTC), line))

    def close(self) -> None:
        """Publish what waits, if the broker is there, and end."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join(_CLOSE_SECONDS)
        super().close()

    def _run(self) -> None:
        while (found := self._waiting.get()) is not None:
            while not self._bus.connected:
                if self._stopping.wait(_LOOK_FOR_BROKER_SECONDS):
                    return
            self._tell_of_dropped()
            self._publish(*found)

    def _tell_of_dropped(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            fields = {"count": dropped}
            line = self._made(self._process, "warning", Log.LOGS_DROPPED, fields)
            self._publish(datetime.now(UTC), line)

    def _publish(self, at: datetime, line: LogLine) -> None:
        if not self._room.acquire(blocking=False):
            self._dropped += 1
            return
        key = f"{line.service}.{line.level}"
        sent = self._bus.publish(
            message(
                line,
                id=uuid.uuid4().hex,
                source=self._source,
                time=at,
                exchange=LOGS_EXCHANGE,
                routing_key=key,
            )
        )
        sent.add_done_callback(self._settled)

    def _settled(self, sent: Future[None]) -> None:
        self._room.release()
        if sent.exception() is not None:
            self._dropped += 1

    def _line(self, record: logging.LogRecord) -> LogLine | None:
        """The line as it is published; None for one that is not."""
        if not isinstance(record.msg, dict):
            if record.levelno < logging.WARNING:
                return None
            # Of a library: its words without the values in them, which nobody vouches for.
            said = {"logger": record.name, "text": str(record.msg)[:_LONGEST_TEXT]}
            error = _error(record.exc_info)
            return self._made(
                self._process, record.levelname.lower(), Log.LIBRARY_WARNED, said | error
            )
        given: Mapping[str, Any] = record.msg
        event = str(given.get("event", ""))
        if event.startswith(_BUS) or str(given.get("queue", "")).startswith(LOGS.name):
            return None
        fields = {
            key: _plain(value)
            for key, value in list(given.items())[:_MOST_VALUES]
            if key not in _NOT_FIELDS and value is not None
        }
        fields |= _error(given.get("exc_info"))
        sentences = {
            key: kept
            for key, value in given.items()
            if fields.get(key) == value and (kept := packed(value))
        }
        return self._made(
            self._service_of(record.name), str(given["level"]), event, fields, sentences
        )

    def _made(
        self,
        service: str,
        level: str,
        event: str,
        fields: dict[str, Any],
        said: dict[str, dict[str, Any]] | None = None,
    ) -> LogLine:
        return LogLine(
            service=service,
            host=self._host,
            pid=self._pid,
            level=cast(_Level, level),
            event=event,
            fields=fields,
            said=said or {},
        )

    def _service_of(self, module: str) -> str:
        """Where all run in one process, the module says whose line it is."""
        first, _, rest = module.partition(".")
        service = rest.partition(".")[0]
        return service if first == "services" and service in _SERVICES else self._process


def _plain(value: Any) -> Any:
    """A value as JSON has it, and not too much of it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in list(value)[:_MOST_VALUES]]
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in list(value.items())[:_MOST_VALUES]}
    return str(value)[:_LONGEST_TEXT]


def _error(info: Any) -> dict[str, Any]:
    """What was raised and where, not its text: that may quote what it choked on."""
    error: Any = info
    if info is True:
        error = sys.exc_info()[1]
    elif isinstance(info, tuple):
        error = info[1]
    if not isinstance(error, BaseException):
        return {}
    return {"error_type": type(error).__name__, "error_at": _frames(error.__traceback__)}


def _frames(traceback: TracebackType | None) -> list[str]:
    """The innermost frames: `services/organizer/intake.py:143 in take_in`."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = "/".join(code.co_filename.split("/")[-3:])
        found.append(f"{path}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    return found[-_INNERMOST_FRAMES:]
