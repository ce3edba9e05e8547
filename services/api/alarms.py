"""Tells others what the checks say: an alert when one changes, a heartbeat while all is ready.

An alert is a POST of JSON, signed as https://www.standardwebhooks.com has it, with nothing of any
patient in it. What could not be sent waits, in order, until it can be.
"""

import base64
import hmac
import json
import socket
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.said import as_said, said
from services.api.queries import alerts as queries
from services.api.schemas import Check, CheckStatus

LOOK_EVERY_SECONDS = 15.0
BEAT_EVERY_SECONDS = 60.0
_PATIENCE_SECONDS = 10.0
_MOST_WAITING = 1_000  # alerts; the oldest go first

_KINDS = {
    CheckStatus.OK: "check.recovered",
    CheckStatus.WARN: "check.warned",
    CheckStatus.FAIL: "check.failed",
}

# While one of these fails, other checks can't be made: that they are not there says nothing.
_NEEDED = {"database", "broker", "data-folder"}

log = get_logger()


class _Told(NamedTuple):
    """What an alert said last of a check that is not well."""

    title: str
    status: CheckStatus


class Alarms:
    """Sends an alert for every check whose outcome is another one than it was.

    One that is seen twice in a row counts: what comes and goes within seconds wakes nobody. What
    was sent is kept in the database, from which a start of the api goes on. Without the database it
    tells all the same.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        diagnose: Callable[[], list[Check]],
        clock: Callable[[], datetime],
        database: Database,
    ) -> None:
        self._url, self._key = url, _key(secret)
        self._diagnose, self._clock, self._database = diagnose, clock, database
        self._told: dict[str, _Told] = {}  # what is not well
        self._has_recalled = False
        self._to_keep: dict[str, _Told | None] = {}
        self._seen: dict[str, CheckStatus] = {}
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_MOST_WAITING)

    def run(self) -> None:
        """Look at all checks and send what there is to tell; `Unavailable` if that can't be now."""
        with suppress(Unavailable):
            self._recall()
        self._look()
        try:
            while self._waiting:
                alert_id, alert = self._waiting[0]
                self._send(alert_id, alert)
                self._waiting.popleft()
                check = alert["check"]
                self._to_keep[check["id"]] = _told(check["title"], check["status"])
                log.info(Log.ALERT_SENT, check=check["id"], status=check["status"])
        finally:
            with suppress(Unavailable):
                self._keep()

    def _recall(self) -> None:
        """Go on from what was told before this process was started."""
        if self._has_recalled:
            return
        with self._database.read() as session:
            kept = {row.check_id: _told(row.title, row.status) for row in queries.told(session)}
        self._told = {name: each for name, each in kept.items() if each} | self._told
        self._has_recalled = True

    def _keep(self) -> None:
        if self._to_keep:
            with self._database.write() as session:
                queries.keep(session, self._to_keep)
            self._to_keep = {}

    def _look(self) -> None:
        now = {check.id: check for check in self._diagnose()}
        if all(now[name].status == CheckStatus.OK for name in _NEEDED & now.keys()):
            gone = self._told.keys() - now.keys()
            now |= {name: _gone(name, self._told[name].title) for name in sorted(gone)}
        for name, check in now.items():
            before = self._told[name].status if name in self._told else CheckStatus.OK
            if check.status not in (before, self._seen.get(name)):
                continue  # for the first time
            if check.status != before:
                self._tell(check, before)
        self._seen = {name: check.status for name, check in now.items()}

    def _tell(self, check: Check, before: CheckStatus) -> None:
        self._told.pop(check.id, None)
        if (told := _told(check.title, check.status)) is not None:
            self._told[check.id] = told
        self._waiting.append((f"alert_{uuid.uuid4().hex}", self._alert(check, before)))

    def _alert(self, check: Check, before: CheckStatus) -> dict[str, Any]:
        return {
            "type": _KINDS[check.status],
            "at": self._clock().isoformat(timespec="seconds"),
            "router": socket.gethostname(),
            "check": {**check.model_dump(mode="json"), "previous_status": before},
        }

    def _send(self, alert_id: str, alert: dict[str, Any]) -> None:
        body = json.dumps(alert, ensure_ascii=False).encode()
        at = str(int(self._clock().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": alert_id,
            "webhook-timestamp": at,
            "webhook-signature": signature(self._key, alert_id, at, body),
        }
        call("ROUTER_ALERT_URL", Request(self._url, body, headers, method="POST"))  # noqa: S310


def _told(title: str, status: str) -> _Told | None:
    """What there is to remember of a check: nothing of one that is well."""
    return _Told(title, CheckStatus(status)) if status != CheckStatus.OK else None


def _gone(name: str, title: str) -> Check:
    """A check of something that is not there any more, such as a destination that was deleted."""
    detail = said("What it was about is not there any more")
    return Check(id=name, title=as_said(title), status=CheckStatus.OK, detail=detail, fix=said(""))


class Heartbeat:
    """Calls a URL as long as there is no reason not to: who watches it notices when none comes."""

    def __init__(self, url: str, not_ready: Callable[[], Sequence[str]]) -> None:
        self._url, self._not_ready = url, not_ready

    def beat(self) -> None:
        """Call once, if all is ready; `Unavailable` if nobody answers."""
        if not self._not_ready():
            call("ROUTER_HEARTBEAT_URL", Request(self._url))  # noqa: S310 - settings allow HTTP only


def signature(key: bytes, alert_id: str, at: str, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of id, time and body, with dots between them, in base 64."""
    signed = f"{alert_id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _key(secret: str) -> bytes:
    """The secret's bytes; one that begins with `whsec_` is in base 64."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    return base64.b64decode(secret.removeprefix("whsec_"))


class _NoRedirect(HTTPRedirectHandler):
    """What is meant for one address goes to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def call(setting: str, request: Request) -> None:
    """Make a request; `Unavailable` unless it is answered with success. Its URL may be a secret."""
    try:
        with build_opener(_NoRedirect).open(request, timeout=_PATIENCE_SECONDS) as answer:
            answer.read(1)
    except HTTPError as error:
        with error:
            raise Unavailable(
                said("{setting} answered {code}", setting=setting, code=error.code)
            ) from None
    except (OSError, HTTPException) as error:
        reason = type(getattr(error, "reason", error)).__name__
        raise Unavailable(
            said("{setting} can't be reached ({reason})", setting=setting, reason=reason)
        ) from None
