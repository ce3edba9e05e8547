"""Background work of a service: a thread that does one thing again and again until stopped."""

import threading
from collections.abc import Callable, Iterable

from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.retry import backoff

log = get_logger()


def for_each(task: str, studies: Iterable[str], work: Callable[[str], object]) -> None:
    """Do work on each study; one on which it fails is logged and keeps no other from its turn.

    `Unavailable` is raised, since then the next would fail as well.
    """
    for study_uid in studies:
        try:
            work(study_uid)
        except Unavailable:
            raise
        except Exception:  # told, and tried again in the task's next round
            log.exception(Log.TASK_FAILED, task=task, study_uid=study_uid)


class Task:
    """Calls `work` every so many seconds, and at once when `wake` is set.

    `work` that raises `Unavailable` is called again after a growing pause; any other error is
    logged with its traceback and the task goes on at its usual pace: one bad round must not end
    what keeps the rest alive.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        *,
        every: float,
        wake: threading.Event | None = None,
    ) -> None:
        self._name, self._work, self._every = name, work, every
        self._wake = wake or threading.Event()
        self._stopping = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> "Task":
        """Begin; the first call of `work` comes at once."""
        self._thread.start()
        return self

    def wake(self) -> None:
        """Have the work done now."""
        self._wake.set()

    def stop(self, timeout: float) -> bool:
        """Finish what is in hand; whether it ended within `timeout` seconds."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._round())
            self._wake.clear()

    def _round(self) -> float:
        """Do the work once; how many seconds to wait before the next time."""
        try:
            self._work()
        except Unavailable as error:
            self._failures += 1
            pause = backoff(self._failures)
            if self._failures in (1, 10, 100):
                log.warning(Log.TASK_WAITING, task=self._name, why=str(error), seconds=pause)
            return pause
        except Exception:  # the boundary of a thread: told, and the next round comes
            log.exception(Log.TASK_FAILED, task=self._name)
        self._failures = 0
        return self._every
