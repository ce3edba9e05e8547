"""What processes take of the machine, as proc(5) has it: processor time and peak memory."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.private_services import ServiceFailed
from infra.processes import descendants

_TICKS = os.sysconf("SC_CLK_TCK")  # a second
_IDLE_SHARE = 0.1  # of one processor, all processes together
_IDLE_WITHIN_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time: in the program's own code, and in the kernel for it."""

    user: float = 0.0
    system: float = 0.0

    @property
    def total(self) -> float:
        """Both."""
        return self.user + self.system

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user - other.user, self.system - other.system)

    def __truediv__(self, by: float) -> "Cpu":
        return Cpu(self.user / by, self.system / by)


def cpu_of(pids: Mapping[str, int]) -> dict[str, Cpu]:
    """What each process and all below it have used so far, those included that have ended."""
    return {
        name: sum(map(_cpu, (pid, *descendants(pid))), start=Cpu()) for name, pid in pids.items()
    }


def cpu_of_ended_children() -> Cpu:
    """What the children of this process used that have ended and were waited for."""
    times = os.times()
    return Cpu(times.children_user, times.children_system)


def since(before: Mapping[str, Cpu], now: Mapping[str, Cpu]) -> dict[str, Cpu]:
    """The difference, by name."""
    return {name: now[name] - before[name] for name in before}


def peak_memory(pid: int) -> float:
    """The most resident memory that a process or one below it has had, in MB (1,000,000 bytes)."""
    return max(map(_peak_bytes, (pid, *descendants(pid)))) / 1e6


def wait_until_idle(pids: Iterable[int]) -> None:
    """Wait until processes have done what they do at their start."""
    wanted = {str(pid): pid for pid in pids}
    deadline = time.monotonic() + _IDLE_WITHIN_SECONDS
    while time.monotonic() < deadline:
        before = cpu_of(wanted)
        time.sleep(1)
        used = since(before, cpu_of(wanted)).values()
        if sum(each.total for each in used) < _IDLE_SHARE:
            return
    raise ServiceFailed(f"The router was not at rest {_IDLE_WITHIN_SECONDS} s after its start.")


def _cpu(pid: int) -> Cpu:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:  # it has just ended: its time is its parent's now
        return Cpu()
    fields = text.rpartition(")")[2].split()
    user, system, of_ended_user, of_ended_system = (int(each) / _TICKS for each in fields[11:15])
    return Cpu(user + of_ended_user, system + of_ended_system)


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)
