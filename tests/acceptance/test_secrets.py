"""Secrets stay where they are, and nothing listens that was not asked for."""

import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest

from dicom_router.dimse import VERIFICATION, Association, PeerAddress, PeerError, RequestorTimeouts
from infra.ports import free_port
from tests.support.certificates import Authority
from tests.support.router import EMBEDDED, TOKEN, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

PASSWORD = "recognizable-pass%40word"
SECRETS = ("recognizable-pass", "pass@word", TOKEN, "PRIVATE KEY")


def require_silence(*texts: str) -> None:
    for text in texts:
        assert text
        assert not [each for each in SECRETS if each in text]


def asked(router: Router, path: str, token: str | None = None) -> tuple[int, str]:
    """The status and all that is answered, headers included."""
    url = f"http://127.0.0.1:{router.http_port}{path}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=10
        ) as answer:
            return answer.status, f"{answer.headers}\n{answer.read().decode()}"
    except urllib.error.HTTPError as error:
        with error:
            return error.code, f"{error.headers}\n{error.read().decode()}"


def listening(pids: list[int]) -> set[tuple[str, int]]:
    """Where these processes listen, by /proc/net/tcp and tcp6."""
    return {
        (found.laddr.ip, found.laddr.port)
        for pid in pids
        for found in psutil.Process(pid).net_connections("inet")
        if found.status == psutil.CONN_LISTEN or (found.type == socket.SOCK_DGRAM and found.laddr)
    }


def test_a_router_in_trouble_tells_no_secret_and_listens_nowhere_else(tmp_path: Path) -> None:
    pair = Authority(tmp_path / "authority").sign()
    tls_port = free_port()
    settings = {
        "ROUTER_DICOM_TLS_PORTS": tls_port,
        "ROUTER_DICOM_TLS_CERT": pair.certificate,
        "ROUTER_DICOM_TLS_KEY": pair.key,
    }
    _study, files = ct_series(tmp_path / "series", 2)
    with running(tmp_path, EMBEDDED, **settings) as router:
        assert listening(router.processes()) == {
            ("127.0.0.1", router.dicom_port),
            ("127.0.0.1", tls_port),
            ("127.0.0.1", router.http_port),
        }
        send(files, router.dicom_port)
        _call_in_vain(tls_port)
        _break_the_list_of_senders(router.data)
        wait_for(lambda: router.items("/events?type=association-released"), "the events")
        wait_for(lambda: router.items("/associations?outcome=rejected"), "the refusal")
        answers = [
            asked(router, f"/api/v1/senders?token={TOKEN}", TOKEN),
            asked(router, f"/api/v1/studies?token={TOKEN}"),
            asked(router, f"/api/v1/studies?limit=x&token={TOKEN}", TOKEN),
            asked(router, "/api/v1/studies", f"{TOKEN}-and-more"),
            asked(router, "/api/v1/events", TOKEN),
            asked(router, "/api/v1/associations", TOKEN),
            asked(router, "/api/v1/diagnostics", TOKEN),
            asked(router, "/readyz"),
            asked(router, "/metrics"),
        ]
        assert [status for status, _ in answers[:4]] == [500, 401, 422, 401]
        router.stop()
        require_silence(router.log_path.read_text(), *(text for _, text in answers))


def _call_in_vain(tls_port: int) -> None:
    peer = PeerAddress("127.0.0.1", tls_port, "DICOMROUTER", "CT1")
    with pytest.raises(PeerError):
        Association.open(peer, [(VERIFICATION, "1.2.840.10008.1.2")], RequestorTimeouts())


def _break_the_list_of_senders(data: Path) -> None:
    """So that whoever reads it meets an error that nobody expects."""
    insert = (
        "INSERT INTO senders (name, ae_title, addresses, host, created_at, updated_at) "
        "VALUES ('a', 'A', 'no json', '', '2026-01-22 12:00:00', '2026-01-22 12:00:00')"
    )
    with closing(sqlite3.connect(data / ".router.sqlite3", timeout=30)) as connection, connection:
        connection.execute(insert)


@pytest.mark.parametrize("service", ["services", "services.api", "services.forwarder"])
def test_a_broker_and_a_database_that_are_away_do_not_make_it_tell_their_passwords(
    tmp_path: Path, service: str
) -> None:
    settings: dict[str, object] = {"ROUTER_AMQP_URL": f"amqp://router:{PASSWORD}@127.0.0.1:1/"}
    if service != "services":
        away = f"postgresql+psycopg://router:{PASSWORD}@127.0.0.1:1/router"
        settings["ROUTER_DATABASE_URL"] = away
    router = Router(tmp_path, ("-m", service), **settings)
    with _started(router):
        waits = "bus.lost" if service == "services" else "task.waiting"
        wait_for(lambda: waits in router.log(), lambda: f"{waits}:\n{router.log()}", 60)
        if service == "services":
            wait_for(lambda: _answers(router), "the api to answer")
            status, text = asked(router, "/readyz")
            assert status == 503
            require_silence(text)
    require_silence(router.log_path.read_text())


@pytest.mark.postgresql
def test_a_wrong_password_for_the_database_is_not_told(tmp_path: Path, postgresql_url: str) -> None:
    found = urlsplit(postgresql_url)
    wrong = found._replace(netloc=f"{found.username}:{PASSWORD}@{found.hostname}:{found.port}")
    settings = {"ROUTER_DATABASE_URL": urlunsplit(wrong), "ROUTER_AMQP_URL": "amqp://127.0.0.1:1/"}
    router = Router(tmp_path, ("-m", "services.organizer"), **settings)
    with _started(router):
        wait_for(lambda: "password authentication failed" in router.log(), router.log, 60)
    require_silence(router.log_path.read_text())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://router:recognizable-pass@word@127.0.0.1/router",
        "postgresql+psycopg://router@127.0.0.1:recognizable-pass/router",
        "mysql://router:recognizable-pass@127.0.0.1/router",
    ],
)
def test_a_url_that_is_none_ends_the_start_in_one_line_without_the_password(
    tmp_path: Path, url: str
) -> None:
    settings = {"ROUTER_DATABASE_URL": url, "ROUTER_AMQP_URL": "amqp://127.0.0.1:1/"}
    router = Router(tmp_path, ("-m", "services.api"), **settings)
    done = subprocess.run(
        [sys.executable, "-m", "services.api"],
        env=router.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("ROUTER_DATABASE_URL")
    require_silence(line)


@contextmanager
def _started(router: Router) -> Iterator[None]:
    """Started, but not waited for: it will not get ready."""
    with router.log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *router.argv],
            env=router.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            yield
        finally:
            process.terminate()


def _answers(router: Router) -> bool:
    try:
        return asked(router, "/healthz")[0] == 200
    except OSError:
        return False
