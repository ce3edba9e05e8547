"""The examples of docs/integrators.md do what they say, as they stand there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.guide import blocks
from tests.client.typescript import Compiled, environment
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, TOKEN, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

# Of the guide's examples.
STUDY = "1.2.840.113704.1.111.5396.1769089135"
SERIES = "1.2.840.113704.1.111.5396.1"
PHANTOM = "1.2.840.113704.1.111.5396.1769089999"
ADDRESS = "http://127.0.0.1:8501"

pytestmark = pytest.mark.xdist_group("client")


@contextmanager
def router_with(folder: Path, pacs: Pacs, **settings: object) -> Iterator[Router]:
    """A router that sends to `pacs` and keeps what it has sent."""
    with running(folder, EMBEDDED, ROUTER_RETENTION_HOURS=-1, **settings) as router:
        add_pacs(router, pacs)
        yield router


def add_pacs(router: Router, pacs: Pacs) -> None:
    body = f'{{"name": "pacs", "host": "127.0.0.1", "port": {pacs.port}, "ae_title": "PACS"}}'
    url = f"http://127.0.0.1:{router.http_port}/api/v1/destinations"
    headers = ("-H", f"Authorization: Bearer {TOKEN}", "--json", body)
    subprocess.run(["curl", "-fsS", *headers, url], check=True, capture_output=True)


def variables(router: Router, **more: str) -> dict[str, str]:
    address = f"http://127.0.0.1:{router.http_port}"
    return environment() | {"R": address, "TOKEN": TOKEN, "NO_PROXY": "127.0.0.1"} | more


@contextmanager
def program(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[Path]:
    """A program that runs on; the file with what it prints."""
    log = folder / "printed.txt"
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=printed, stderr=subprocess.STDOUT
        )
    try:
        yield log
    finally:
        process.kill()
        process.wait()


def lines(log: Path) -> list[str]:
    return log.read_text("utf-8").splitlines()


def the_python_program(name: str) -> str:
    (found,) = (text for text in blocks("python") if text.startswith(f"# {name}: "))
    return found


def test_every_request_of_the_guide_is_answered_with_success(
    tmp_path: Path, pacs: Pacs, desk: Path
) -> None:
    _, files = ct_series(tmp_path / "study", 2, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES)
    _, phantom = ct_series(tmp_path / "phantom", 1, StudyInstanceUID=PHANTOM)
    _, refused = ct_series(tmp_path / "refused", 1)
    pacs.status_of[refused[0].sop_instance_uid] = 0xC000
    with router_with(tmp_path, pacs) as router:
        send([*files, *phantom, *refused], router.dicom_port)
        files[0].path.write_bytes(files[0].path.read_bytes()[:-1] + b"\x01")
        send(files[:1], router.dicom_port)
        wait_for(lambda: router.items("/quarantine"), "a superseded image")
        wait_for(lambda: router.study(STUDY).get("sent"), "the study to be sent")
        wait_for(lambda: _waits_a_minute(router), "a delivery whose next attempt is far away")
        (desk / "data").mkdir()
        (desk / "data/.api-token").write_text(TOKEN)
        script = "set -euo pipefail\n" + "".join(blocks("bash"))
        done = subprocess.run(
            ["bash", "-c", script.replace(ADDRESS, f"http://127.0.0.1:{router.http_port}")],
            cwd=desk,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\nafter:\n{done.stdout[-2000:]}"
        assert "\n304\n" in done.stdout
        assert (desk / "series.jpg").read_bytes().startswith(b"\xff\xd8")
        for told in ("event: study-complete", "event: association-released"):
            assert told in done.stdout, told


def _waits_a_minute(router: Router) -> bool:
    """After its second attempt; before it, the example may come in the middle of an attempt."""
    return any(each["attempt"] >= 2 for each in router.items("/deliveries?state=retrying"))


def test_the_guide_follows_events_and_goes_on_where_it_was(
    tmp_path: Path, pacs: Pacs, desk: Path
) -> None:
    (desk / "follow.py").write_text(the_python_program("follow.py"))
    command = [sys.executable, "follow.py"]
    one, first = ct_series(tmp_path / "1", 1)
    two, second = ct_series(tmp_path / "2", 1)
    three, third = ct_series(tmp_path / "3", 1)
    with router_with(tmp_path, pacs) as router:
        with program(command, desk, variables(router)) as log:
            send(first, router.dicom_port)
            wait_for(lambda: lines(log) == [f"{one} is at pacs"], lambda: str(lines(log)))
            (forwarded,) = router.items("/events?after=0&type=study-forwarded")
            wait_for(lambda: _position(desk) >= forwarded["id"], "the event to be noted")
        send(second, router.dicom_port)
        wait_for(lambda: router.study(two).get("sent"), "the second study to be sent")
        with program(command, desk, variables(router)) as log:
            wait_for(lambda: lines(log) == [f"{two} is at pacs"], lambda: str(lines(log)))
            send(third, router.dicom_port)
            both = [f"{two} is at pacs", f"{three} is at pacs"]
            wait_for(lambda: lines(log) == both, lambda: str(lines(log)))


def _position(desk: Path) -> int:
    """The number that follow.py noted last, which is whole whenever it is looked at."""
    file = desk / "position"
    return int(file.read_text()) if file.exists() else 0


@pytest.mark.rabbitmq
def test_the_guide_takes_events_from_a_queue_of_its_own(
    tmp_path: Path, pacs: Pacs, desk: Path, amqp_url: str
) -> None:
    (desk / "ris_queue.py").write_text(the_python_program("ris_queue.py"))
    command = [sys.executable, "ris_queue.py"]
    uid, files = ct_series(tmp_path / "1", 2)
    later, more = ct_series(tmp_path / "2", 1)
    with router_with(tmp_path, pacs, ROUTER_AMQP_URL=amqp_url) as router:
        env = variables(router, AMQP_URL=amqp_url)
        with program(command, desk, env) as log:
            wait_for(lambda: "waiting" in lines(log), lambda: str(lines(log)))
            send(files, router.dicom_port)
            told = f"study-complete.CT {uid} 2"
            wait_for(lambda: told in lines(log), lambda: str(lines(log)))
        send(more, router.dicom_port)
        wait_for(lambda: router.study(later).get("sent"), "the second study to be sent")
        with program(command, desk, env) as log:
            told = f"study-complete.CT {later} 1"
            wait_for(lambda: told in lines(log), lambda: str(lines(log)))
            assert not [line for line in lines(log) if uid in line]


def test_the_guide_has_a_client_generated(
    tmp_path: Path, pacs: Pacs, desk: Path, compiled: Compiled
) -> None:
    uid, files = ct_series(tmp_path / "1", 2)
    with router_with(tmp_path, pacs) as router:
        send(files, router.dicom_port)
        wait_for(lambda: router.study(uid).get("sent"), "the study to be sent")
        with program(compiled.command("example"), desk, variables(router)) as log:
            wait_for(
                lambda: lines(log).count(f"{uid} is at pacs") == 2,  # once, and once more
                lambda: str(lines(log)),
            )
            assert lines(log)[0].startswith(f"{uid} 2 ")
