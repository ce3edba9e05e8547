"""Finds processes that the tests have started and not ended, wherever they have gone."""

import os
import secrets

import psutil

MARK = "DICOM_ROUTER_TEST_RUN"
"""A variable that everything started by this run inherits, daemons included."""


def mark_this_run() -> str:
    """Give the environment a value of `MARK` that no other run has, and return it."""
    os.environ[MARK] = secrets.token_hex(8)
    return os.environ[MARK]


def processes_of_run(mark: str, seconds: float = 5) -> list[str]:
    """Describe what is still there after `seconds`: our children, and who bears the mark."""
    _, alive = psutil.wait_procs(_processes_of_run(mark), timeout=seconds)
    return [_describe(process) for process in alive]


def _processes_of_run(mark: str) -> list[psutil.Process]:
    ours = psutil.Process()
    found = set(ours.children(recursive=True))
    found.update(process for process in psutil.process_iter() if _mark_of(process) == mark)
    return [process for process in found if process != ours]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # another user's, or gone


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"{process.pid}: gone meanwhile"
