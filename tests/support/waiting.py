"""Waiting for a condition with a deadline: tests never wait for a duration."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str | Callable[[], str], seconds: float = 30.0) -> T:
    """The first true value of `condition`; fails saying what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            text = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:g} s in vain for {text}")
        time.sleep(0.05)
