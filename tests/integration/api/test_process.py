"""The API as a process of its own, over RabbitMQ and PostgreSQL."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.events import DestinationUp, message
from infra.ports import free_port
from services.api.handlers import EVENTS_QUEUE
from tests.integration.api.conftest import NOON

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

CHECKOUT = Path(__file__).parents[3]


@contextmanager
def process(
    tmp_path: Path, postgresql_url: str, amqp_url: str, port: int
) -> Iterator[subprocess.Popen[str]]:
    variables = {
        "ROUTER_DATA_DIR": str(tmp_path / "data"),
        "ROUTER_DATABASE_URL": postgresql_url,
        "ROUTER_AMQP_URL": amqp_url,
        "ROUTER_HTTP_PORT": str(port),
    }
    started = subprocess.Popen(
        [sys.executable, "-m", "services.api"],
        cwd=CHECKOUT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def test_it_tells_its_address_records_events_and_stops_with_streams_open(
    tmp_path: Path, postgresql_url: str, amqp_url: str
) -> None:
    port = free_port()
    with process(tmp_path, postgresql_url, amqp_url, port) as started:
        printed = _lines_until(started, "service.started")
        shown = [re.search(r"(http://\S+)/#token=(\S+)", line) for line in printed]
        (address, token), *more = [found.groups() for found in shown if found]
        assert not more
        client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"})
        with client, client.stream("GET", "/api/v1/events/stream?after=0", timeout=60) as stream:
            with closing_bus(amqp_url) as bus:
                bus.declare(EVENTS_QUEUE)  # whoever comes first
                up = DestinationUp(destination="pacs", since=NOON, waiting=0)
                bus.publish(message(up, id="e1", source="test")).result(30)
            lines = stream.iter_lines()
            assert "event: destination-up" in (next(lines) for _ in range(10))
            assert client.get("/readyz").json() == {"status": "ready"}  # it has consumed
            began = time.monotonic()
            started.send_signal(signal.SIGTERM)
            assert started.wait(10) == 0
            assert time.monotonic() - began < 10
        assert started.stdout is not None
        assert "Traceback" not in started.stdout.read()


def test_a_port_in_use_ends_it_with_one_line(
    tmp_path: Path, postgresql_url: str, amqp_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(tmp_path, postgresql_url, amqp_url, port) as started:
            printed, _ = started.communicate(timeout=60)
    told = [line for line in printed.splitlines() if str(port) in line]
    assert len(told) == 1
    assert told[0].startswith(f"ROUTER_HTTP_PORT={port} on 127.0.0.1 can't be used: address")
    assert "Traceback" not in printed
    assert started.returncode == 2


@contextmanager
def closing_bus(amqp_url: str) -> Iterator[RabbitBus]:
    bus = RabbitBus(amqp_url, name="test")
    try:
        yield bus
    finally:
        bus.close(5.0)


def _lines_until(started: "subprocess.Popen[str]", word: str) -> list[str]:
    assert started.stdout is not None
    found = []
    for line in started.stdout:
        found.append(line)
        if word in line:
            return found
    raise AssertionError(f"it ended: {found}")
