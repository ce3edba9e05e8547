"""`python -m infra.cluster`, with stand-ins for the services: what it starts, watches and stops."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from infra.ports import free_port

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10

SERVICE = """
import os, signal, sys
os.write(1, f"{__spec__.name} {os.environ.get('ROUTER_DICOM_WORKERS')}\\n".encode())
assert os.environ["ROUTER_AMQP_URL"].startswith("amqp://router:")
assert os.environ["ROUTER_DATABASE_URL"].startswith("postgresql+psycopg://router:")
code = os.environ.get("FAKE_" + __spec__.name.rpartition(".")[2].upper())
if code:
    sys.exit(int(code))
signal.sigwait({signal.SIGTERM})
"""

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    # Where these start, they are installed: the cluster's own can start too.
    pytest.mark.usefixtures("rabbitmq", "postgres"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory whose `services` are stand-ins; its data is used by every test here."""
    folder = tmp_path_factory.mktemp("cluster")
    services = folder / "services"
    services.mkdir()
    for name in ("__init__", "receiver", "organizer", "forwarder", "api"):
        (services / f"{name}.py").write_text("" if name == "__init__" else SERVICE, "utf-8")
    return folder


@contextmanager
def cluster(folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Start one; at the end kill what the test has left of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.cluster"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "ROUTER_HTTP_PORT": str(free_port())} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until_running(process: subprocess.Popen[str]) -> list[str]:
    """Read on until the summary's last line and a first line of each service have come."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        services = [line for line in lines if line.startswith("services.")]
        if len(services) == 6 and any(line.startswith("Processes:") for line in lines):
            break
    return lines


def test_a_cluster_starts_every_process_and_stops_them_all_on_sigterm(folder: Path) -> None:
    with cluster(folder) as process:
        lines = lines_until_running(process)
        assert sorted(line for line in lines if line.startswith("services.")) == [
            "services.api 2",
            "services.forwarder 2",
            "services.forwarder 2",
            "services.organizer 2",
            "services.organizer 2",
            "services.receiver 2",
        ]
        family = psutil.Process(process.pid).children(recursive=True)
        direct = psutil.Process(process.pid).children()
        assert {os.getsid(child.pid) for child in direct} == {os.getsid(process.pid)}

        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)  # one more does not disturb
        assert process.wait(STOP_SECONDS) == 0
        assert time.monotonic() - begun < STOP_SECONDS
        assert living(psutil.wait_procs(family, timeout=0.5)[1]) == []


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Less those that have ended and only wait for their new parent to notice."""
    return [each for each in processes if each.status() != psutil.STATUS_ZOMBIE]


def test_a_cluster_starts_again_on_what_a_killed_one_left(folder: Path) -> None:
    with cluster(folder) as process:
        lines_until_running(process)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert living(psutil.wait_procs(family, timeout=STOP_SECONDS)[1]) == []
    with cluster(folder) as process:
        assert any("Dashboard" in line for line in lines_until_running(process))
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize(("code", "expected"), [(2, 2), (0, 1)])
def test_a_cluster_ends_when_a_service_ends_and_names_it(
    folder: Path, code: int, expected: int
) -> None:
    with cluster(folder, FAKE_API=str(code)) as process:
        _, error = process.communicate()
        assert error == f"The api ended with code {code}, so the cluster stops.\n"
        assert process.returncode == expected


def test_a_second_cluster_on_the_same_data_is_refused(folder: Path) -> None:
    with cluster(folder) as first:
        lines_until_running(first)
        with cluster(folder) as second:
            _, error = second.communicate()
            assert "another cluster is running" in error
            assert second.returncode == 2
        first.terminate()
        assert first.wait(STOP_SECONDS) == 0


def test_a_cluster_stops_while_it_is_still_starting(folder: Path) -> None:
    with cluster(folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Starting RabbitMQ and PostgreSQL.\n"
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0


def test_a_bad_setting_ends_the_start_with_one_line(folder: Path) -> None:
    with cluster(folder, ROUTER_DICOM_PORTS="none") as process:
        out, error = process.communicate()
        assert out == ""
        assert error.count("\n") == 1
        assert "ROUTER_DICOM_PORTS" in error
        assert process.returncode == 2
