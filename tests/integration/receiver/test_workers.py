"""A receiver of several processes: its parent replaces workers, and ends with all of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ports import free_port
from tests.support.waiting import wait_for


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Two workers, whose database and broker are away."""
    environment = os.environ | {
        "ROUTER_DATA_DIR": str(tmp_path / "data"),
        "ROUTER_DICOM_HOST": "127.0.0.1",
        "ROUTER_DICOM_PORTS": str(free_port()),
        "ROUTER_DICOM_WORKERS": "2",
        "ROUTER_AMQP_URL": "amqp://127.0.0.1:1/",
        "ROUTER_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/nothing",
    }
    command = [sys.executable, "-m", "services.receiver"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _workers(process: "subprocess.Popen[str]") -> list[int]:
    return [int(pid) for pid in _children(process.pid).read_text().split()]


def _children(pid: int) -> Path:
    return Path(f"/proc/{pid}/task/{pid}/children")


def _read_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def test_a_stop_while_a_dead_worker_is_being_replaced_ends_all(
    receiver: "subprocess.Popen[str]",
) -> None:
    wait_for(lambda: len(_workers(receiver)) == 2, "two workers")
    os.kill(_workers(receiver)[0], signal.SIGKILL)
    _read_until(receiver, '"exit_code": -9')
    receiver.terminate()
    assert receiver.stdout is not None
    receiver.stdout.read()  # until the last of them has closed it
    assert receiver.wait(10) == 0
