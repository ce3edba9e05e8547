"""Alarms: whoever is to know is told when a check changes, and hears a heartbeat meanwhile."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.said import as_said
from services.api.alarms import Alarms, Heartbeat, signature
from services.api.schemas import Check, CheckStatus
from tests.integration.api.conftest import NOON, Api
from tests.support.waiting import wait_for

SECRET = "a-secret-of-the-tests"


@dataclass
class Watcher:
    """Somebody's HTTP server."""

    url: str = ""
    status: int = 204
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(body) for method, _headers, body in self.calls if method == "POST"]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each["type"], each["check"]["id"]) for each in self.alerts]


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watching = Watcher()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            watching.calls.append((self.command, headers, body))
            self.send_response(watching.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST = _take  # noqa: N815 - as http.server calls them

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    watching.url = f"http://127.0.0.1:{server.server_port}/hook?key=secret"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield watching
    server.shutdown()
    server.server_close()
    thread.join(5)


@dataclass
class Checks:
    """What the checks say now."""

    status: dict[str, CheckStatus]

    def __call__(self) -> list[Check]:
        return [
            Check(
                id=name,
                title=as_said(name.title()),
                status=status,
                detail=as_said("How it is"),
                fix=as_said("Mend it"),
            )
            for name, status in self.status.items()
        ]


Made = Callable[..., tuple[Alarms, Checks]]


@pytest.fixture
def alarms(watcher: Watcher, database: Database) -> Made:
    """Alarms over checks that come out as given; made again they are those of a restarted api."""

    def made(**status: CheckStatus) -> tuple[Alarms, Checks]:
        checks = Checks(status)
        return Alarms(watcher.url, SECRET, checks, lambda: NOON, database), checks

    return made


def test_a_check_that_fails_is_told_once_and_again_when_it_recovers(
    watcher: Watcher, alarms: Made
) -> None:
    told, checks = alarms(disk=CheckStatus.OK, broker=CheckStatus.OK)
    told.run()
    checks.status["disk"] = CheckStatus.FAIL
    for _ in range(3):
        told.run()
    assert watcher.told == [("check.failed", "disk")]
    checks.status["disk"] = CheckStatus.WARN
    told.run()
    told.run()
    checks.status["disk"] = CheckStatus.OK
    told.run()
    told.run()
    assert watcher.told[1:] == [("check.warned", "disk"), ("check.recovered", "disk")]
    assert watcher.alerts[2]["check"]["previous_status"] == "warn"
    assert watcher.alerts[0]["check"]["fix"] == "Mend it"


def test_what_comes_and_goes_wakes_nobody(watcher: Watcher, alarms: Made) -> None:
    told, checks = alarms(disk=CheckStatus.OK)
    for status in (CheckStatus.FAIL, CheckStatus.OK, CheckStatus.FAIL, CheckStatus.OK):
        checks.status["disk"] = status
        told.run()
    assert watcher.calls == []


def test_an_alert_is_signed(watcher: Watcher, alarms: Made) -> None:
    told, _checks = alarms(disk=CheckStatus.FAIL)
    told.run()
    told.run()
    ((_method, headers, body),) = watcher.calls
    alert_id, at = headers["webhook-id"], headers["webhook-timestamp"]
    assert at == str(int(NOON.timestamp()))
    assert headers["webhook-signature"] == signature(SECRET.encode(), alert_id, at, body)
    assert headers["webhook-signature"] != signature(b"another", alert_id, at, body)


@pytest.mark.parametrize("status", [500, 302])
def test_an_alert_that_is_not_taken_waits_and_keeps_its_place(
    watcher: Watcher, alarms: Made, status: int
) -> None:
    told, checks = alarms(disk=CheckStatus.FAIL)
    watcher.status = status
    told.run()
    with pytest.raises(Unavailable, match=f"ROUTER_ALERT_URL answered {status}"):
        told.run()
    checks.status["broker"] = CheckStatus.FAIL
    with pytest.raises(Unavailable):
        told.run()
    watcher.status = 200
    watcher.calls.clear()
    told.run()
    assert watcher.told == [("check.failed", "disk"), ("check.failed", "broker")]


def test_what_recovers_while_the_api_is_away_is_told_and_what_did_not_change_is_not(
    watcher: Watcher, alarms: Made
) -> None:
    told, _checks = alarms(disk=CheckStatus.FAIL, clock=CheckStatus.WARN)
    told.run()
    told.run()
    watcher.calls.clear()
    restarted, _checks = alarms(disk=CheckStatus.OK, clock=CheckStatus.WARN)
    restarted.run()
    restarted.run()
    assert watcher.told == [("check.recovered", "disk")]
    assert watcher.alerts[0]["check"]["previous_status"] == "fail"
    for _ in range(2):
        alarms(disk=CheckStatus.OK, clock=CheckStatus.WARN)[0].run()
    assert len(watcher.told) == 1


def test_what_was_not_sent_before_a_restart_is_told_after_it(
    watcher: Watcher, alarms: Made
) -> None:
    told, _checks = alarms(disk=CheckStatus.FAIL)
    watcher.status = 500
    told.run()
    with pytest.raises(Unavailable):
        told.run()
    watcher.status = 204
    watcher.calls.clear()
    restarted, _checks = alarms(disk=CheckStatus.FAIL)
    restarted.run()
    restarted.run()
    assert watcher.told == [("check.failed", "disk")]


def test_a_check_that_is_gone_has_recovered_unless_it_only_could_not_be_made(
    watcher: Watcher, alarms: Made
) -> None:
    told, checks = alarms(database=CheckStatus.OK, queues=CheckStatus.FAIL)
    told.run()
    told.run()
    checks.status = {"database": CheckStatus.FAIL}
    for _ in range(3):
        told.run()
    assert watcher.told == [("check.failed", "queues"), ("check.failed", "database")]
    checks.status = {"database": CheckStatus.OK}
    for _ in range(3):
        told.run()
    assert watcher.told[2:] == [("check.recovered", "database"), ("check.recovered", "queues")]
    assert watcher.alerts[3]["check"]["title"] == "Queues"


def test_without_the_database_it_is_told_all_the_same(
    watcher: Watcher, alarms: Made, database: Database
) -> None:
    with database.write() as session:
        session.execute(text("DROP TABLE told_alerts"))
    told, _checks = alarms(database=CheckStatus.FAIL)
    told.run()
    told.run()
    assert watcher.told == [("check.failed", "database")]


def test_why_nobody_is_reached_is_said_without_the_address(
    watcher: Watcher, database: Database
) -> None:
    url = watcher.url.replace("http://127.0.0.1", "http://name.invalid")
    told = Alarms(url, SECRET, Checks({"disk": CheckStatus.FAIL}), lambda: NOON, database)
    told.run()
    with pytest.raises(Unavailable) as raised:
        told.run()
    assert "secret" not in str(raised.value)
    assert "ROUTER_ALERT_URL can't be reached" in str(raised.value)


def test_the_heart_beats_while_all_is_ready(watcher: Watcher) -> None:
    reasons: list[str] = []
    heartbeat = Heartbeat(watcher.url, lambda: reasons)
    heartbeat.beat()
    reasons.append("The broker is away")
    heartbeat.beat()
    assert [method for method, *_ in watcher.calls] == ["GET"]


def test_an_api_with_these_settings_tells(start: Callable[..., Api], watcher: Watcher) -> None:
    start(alert_url=watcher.url, alert_secret=SECRET, heartbeat_url=watcher.url)
    wait_for(lambda: any(method == "GET" for method, *_ in watcher.calls), "a heartbeat")
