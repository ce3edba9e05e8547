"""Starts the services' processes by forking one that has imported everything, within 0.1 s.

A program of its own, told what to do in lines of JSON (`Zygote` tells it), because forking a
process that has threads is not safe. Before anything else is imported it sets the clock of the
product's own delays faster, as `hurry` says, and nothing else; `services` run as they are.
"""

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from dicom_router import retry

RETRY_DELAYS_SECONDS = (1, 2, 4)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def hurry_before_import() -> None:
    """Delays that other modules copy when they are imported."""
    retry.RETRY_DELAYS_SECONDS = RETRY_DELAYS_SECONDS  # 10, 60, 600 s
    retry.PROBE_INTERVAL = timedelta(seconds=1)  # 30 s
    longest = retry.backoff.__kwdefaults__
    assert longest is not None
    longest["longest"] = 1.0  # 10 s


hurry_before_import()

from dicom_router import process  # noqa: E402 - see above
from services.api import __main__ as api  # noqa: E402
from services.forwarder import __main__ as forwarder  # noqa: E402
from services.forwarder import deliveries  # noqa: E402
from services.organizer import __main__ as organizer  # noqa: E402
from services.organizer import loose, sweep  # noqa: E402
from services.receiver import __main__ as receiver  # noqa: E402
from tests.chaos.bugs import BUGS  # noqa: E402
from tests.chaos.shim import Shim  # noqa: E402

_PACE = forwarder.Pace(work=0.3, reload=0.5, renew=1.0, relay=0.5, sweep=2.0)
MAINS: dict[str, Callable[[], int]] = {
    "receiver": receiver.main,
    "organizer": organizer.main,
    "forwarder": partial(process.run, "forwarder", partial(forwarder.build, pace=_PACE)),
    "api": api.main,
}


def hurry() -> None:
    """Delays that are looked up when they are needed."""
    sweep.EVERY_SECONDS = 2.0  # 60 s
    sweep.ANNOUNCED_WITHIN = timedelta(seconds=2)  # 60 s
    loose.UNCHANGED_FOR = timedelta(seconds=1)  # 5 s
    sweep.ABANDONED_AFTER = timedelta(seconds=3)  # 60 s
    deliveries.LEASE = timedelta(seconds=3)  # 30 s
    api._RELAY_EVERY_SECONDS = 1.0  # 10 s


def main() -> int:
    """Do what the lines on the standard input say, until it ends; then end all services."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # a receiver's workers outlive its parent
    hurry()
    gc.collect()
    gc.freeze()
    running: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "start":
            running.add(pid := _start(order))
            answer: Any = pid
        elif order["do"] == "stop":
            answer = _stopped(order["pid"])
            _kill([order["pid"]])
            running.discard(order["pid"])
        elif order["do"] == "kill":
            _kill(order["pids"])
            running -= set(order["pids"])
            answer = None
        else:
            answer = _ended(running)
            running -= set(answer)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    _kill(running)
    return 0


def _start(order: dict[str, Any]) -> int:
    pid = os.fork() or _serve(order)
    with suppress(PermissionError):  # it may have done so itself
        os.setpgid(pid, pid)
    return pid


def _serve(order: dict[str, Any]) -> NoReturn:
    """What a service's process does."""
    code = 1
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        os.environ.clear()
        os.environ.update(order["environment"])
        time.tzset()
        Shim(Path(order["data"]), Path(order["beside"])).install()
        if order["bug"]:
            BUGS[order["bug"]]()
        code = MAINS[order["service"]]()
    except BaseException:  # noqa: BLE001 - told as Python would at the end of a program
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


def _kill(pids: Collection[int]) -> None:
    """Kill services with all their processes, all at once; return when none is left."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    for pid in pids:
        with suppress(ChildProcessError):
            while os.waitpid(-pid, 0):
                pass


def _stopped(pid: int, seconds: float = 10) -> int | None:
    """Stop a service in order; its exit code, None if it did not end in time."""
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        pause.wait(0.02)
    return None


def _ended(pids: Collection[int]) -> dict[int, int]:
    """The exit codes of services that ended by themselves."""
    found = {}
    for pid in pids:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            found[pid] = os.waitstatus_to_exitcode(status)
    return found


if __name__ == "__main__":
    sys.exit(main())
