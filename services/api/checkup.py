"""Looks at many things side by side, so that one that hangs or fails holds up nothing but itself.

A disk on a network and a name server may leave a thread waiting for ever. Such a thread is left
behind, and nobody else is sent after it until it comes back.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.said import Said, said
from services.api.schemas import Check, CheckStatus

# The database's driver gives up connecting after 5 s, and says so better than we could.
PATIENCE_SECONDS = 6.0

T = TypeVar("T")
log = get_logger()


class Errands(Generic[T]):
    """Work done in threads of its own, one at a time of each name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[T]] = {}

    def begin(self, name: Hashable, work: Callable[[], T]) -> Future[T]:
        """Begin it, unless it is being done already; what will come of it."""
        with self._lock:
            future = self._running.get(name)
            if future is not None:
                return future
            future = self._running[name] = Future()
        # A daemon: the process may end whether or not this one comes back.
        threading.Thread(target=self._do, args=(name, work, future), daemon=True).start()
        return future

    def _do(self, name: Hashable, work: Callable[[], T], future: Future[T]) -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whoever waits for it gets it
            self._over(name)
            future.set_exception(error)
        else:
            self._over(name)
            future.set_result(result)

    def _over(self, name: Hashable) -> None:
        with self._lock:
            del self._running[name]


@dataclass(frozen=True, slots=True)
class Look:
    """Something to look at; `Unavailable` where another check says why it can't be."""

    id: str
    title: Said
    run: Callable[[], Sequence[Check]]


class Checkup:
    """Looks at everything, and waits for each no longer than `patience_seconds`."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._errands: Errands[Sequence[Check]] = Errands()

    def run(self, looks: Sequence[Look]) -> dict[str, Sequence[Check]]:
        """What was found, by the look, in order."""
        begun = {look: self._errands.begin(look.id, look.run) for look in looks}
        wait(begun.values(), self._patience_seconds)
        return {look.id: self._found(look, future) for look, future in begun.items()}

    def _found(self, look: Look, future: Future[Sequence[Check]]) -> Sequence[Check]:
        if not future.done():
            return [
                _unknown(
                    look,
                    said("It did not answer within {s:.0f} seconds", s=self._patience_seconds),
                    said(
                        "See that what it is about (a disk, the network, a server) still responds"
                    ),
                )
            ]
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, Unavailable):
            return []
        log.error(Log.TASK_FAILED, task=f"check {look.id}", exc_info=error)
        return [
            _unknown(
                look,
                said("It can't be looked at ({error})", error=type(error).__name__),
                said("The api's log says why: look for task.failed"),
            )
        ]


def _unknown(look: Look, detail: Said, fix: Said) -> Check:
    return Check(id=look.id, title=look.title, status=CheckStatus.FAIL, detail=detail, fix=fix)
