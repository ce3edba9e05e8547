"""`python -m services` that kills itself at one moment: `CRASH_AT="moved:before"`."""

import functools
import importlib
import os
import signal
import sys
import threading
from typing import Any

from services.__main__ import main
from tests.crash.steps import STEPS, Moment


def crash_at(moment: Moment) -> None:
    """Have this process killed, as by the kernel, when the moment comes."""
    module, _, path = moment.function.partition(":")
    kind, _, name = path.partition(".")
    owner = getattr(importlib.import_module(module), kind)
    original = getattr(owner, name)
    lock, seen = threading.Lock(), [0]

    def is_now(*arguments: Any) -> bool:
        if not moment.counts(*arguments):
            return False
        with lock:
            seen[0] += 1
            return seen[0] == moment.call

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        now = is_now(*arguments)
        if now and moment.entering:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    step, _, side = os.environ["CRASH_AT"].partition(":")
    crash_at(getattr(STEPS[step], side))
    sys.exit(main())
