"""Child processes that do not outlive their parent: how they are started and how they are ended.

All stay in the parent's session (whoever kills that gets them all), each in a group of its own
(so that a Ctrl-C at the terminal reaches the parent alone, which then stops them in order).
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.02


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    when_parent_dies: signal.Signals,
    user: str | None = None,
    output: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that gets `when_parent_dies` should this process vanish without a word.

    Call it from the main thread: Linux takes the end of the starting *thread* for the parent's
    death. Where there is no `setpriv` (anything but Linux) that safety is missing.

    Args:
        command: program and arguments.
        environment: all of its environment.
        when_parent_dies: the signal it gets then.
        user: run as this user; only root may ask. It keeps root's right to reach any folder.
        output: file that both its outputs are appended to; ours when missing.
    """
    if shutil.which("setpriv"):
        command = ["setpriv", f"--pdeathsig={when_parent_dies.name[3:]}", *as_user(user), *command]
    if output is None:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, process_group=0)
    with output.open("ab") as file:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def as_user(user: str | None) -> list[str]:
    """The options of `setpriv` for running as another user without losing the way to its folder.

    A temporary folder is often root's alone; the program must own its data but also get there.
    """
    if user is None:
        return []
    capability = "+dac_override"
    return [
        f"--reuid={user}",
        f"--regid={user}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
    ]


def end(
    processes: Sequence[subprocess.Popen[bytes]], sign: signal.Signals, deadline: float
) -> None:
    """Signal processes all at once, then wait for them and for all that is below them.

    What is still there at `deadline` (monotonic time) is killed.
    """
    below: dict[int, str] = {}
    for process in processes:
        below |= descendants(process.pid)
        if process.poll() is None:
            process.send_signal(sign)
    for process in processes:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            below |= descendants(process.pid)
            process.kill()
            process.wait()
    _wait_until_gone(below, min(deadline, time.monotonic() + 1))


def _wait_until_gone(processes: dict[int, str], deadline: float) -> None:
    while processes := {pid: born for pid, born in processes.items() if _birth(pid) == born}:
        if time.monotonic() >= deadline:
            kill(processes)
            deadline = time.monotonic() + 1
        time.sleep(POLL_SECONDS)


def kill(pids: Iterable[int]) -> None:
    """SIGKILL what is still there."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> dict[int, str]:
    """All processes below one, each with its time of birth, which tells it from a namesake."""
    parents = dict(_processes())
    found: dict[int, str] = {}
    wanted = {pid}
    while wanted:
        level = {child: fields for child, fields in parents.items() if int(fields[1]) in wanted}
        found |= {child: fields[19] for child, fields in level.items()}
        wanted = set(level)
    return found


def _processes() -> Iterable[tuple[int, list[str]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(entry.name))
        if fields:
            yield int(entry.name), fields


def _birth(pid: int) -> str | None:
    """When a process started; None once it has ended, though nobody may have reaped it yet."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else fields[19]


def _stat(pid: int) -> list[str] | None:
    """The fields of proc_pid_stat(5) from the state on; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
