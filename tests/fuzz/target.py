"""The router under attack: alive, answering others, and no larger than before."""

import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.router import Router
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

SUCCESS = 0x0000
PATIENCE_SECONDS = 20.0  # a connection that takes longer to end is taken for one that hangs
SPARE = 10  # descriptors: connections to the database come and go
MOST_GROWTH = 96 << 20  # bytes of resident memory; what the history keeps of each study included


@dataclass(frozen=True)
class Figures:
    """What a process holds of the machine."""

    resident: int  # bytes
    threads: int
    descriptors: int

    def __str__(self) -> str:
        resident = self.resident / (1 << 20)
        return f"{resident:.0f} MiB, {self.threads} threads, {self.descriptors} descriptors"


class Target:
    """One process with all four services."""

    def __init__(self, router: Router, folder: Path) -> None:
        self.router = router
        (self.pid,) = router.processes()
        self._process = psutil.Process(self.pid)
        _study, self._good = ct_series(folder / "good", 3, PatientID="GOOD")

    def figures(self) -> Figures:
        """What it holds now."""
        with self._process.oneshot():
            return Figures(
                self._process.memory_info().rss,
                self._process.num_threads(),
                self._process.num_fds(),
            )

    def at_rest(self) -> Figures:
        """What it holds once no association is open."""
        wait_for(lambda: not self._peers(), "every connection to be closed by the router")
        return self.figures()

    def require_alive(self) -> None:
        """It is the process that was started, and works."""
        if self.router.processes() != [self.pid]:
            raise AssertionError(f"the router ended:\n{self.router.log()}")

    def well_behaved(self) -> None:
        """Another sender's images, which must be taken whatever else is going on."""
        statuses = set(send(self._good, self.router.dicom_port, calling="GOOD").values())
        if statuses != {SUCCESS}:
            raise AssertionError(f"another sender was answered {statuses}:\n{self.router.log()}")

    def connect(self) -> socket.socket:
        """A connection to the DICOM port."""
        return socket.create_connection(
            ("127.0.0.1", self.router.dicom_port), timeout=PATIENCE_SECONDS
        )

    def require_no_growth(self, before: Figures) -> Figures:
        """What it holds now, which is no more than before."""

        def is_back() -> bool:
            now = self.figures()
            return now.threads <= before.threads and now.descriptors <= before.descriptors + SPARE

        wait_for(is_back, lambda: f"{before}; it has {self.figures()}")
        after = self.at_rest()
        if after.resident > before.resident + MOST_GROWTH:
            raise AssertionError(f"memory: {before} before, {after} after")
        return after

    def unexpected(self) -> list[str]:
        """What it has logged of mistakes of its own."""
        lines = self.router.log_path.read_text("utf-8", "replace").splitlines()
        return [line for line in lines if "Traceback" in line or '"service.failed"' in line]

    def _peers(self) -> list[object]:
        return [
            each
            for each in self._process.net_connections("tcp")
            if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.router.dicom_port
        ]
