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
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.said import said
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

log = get_logger()


class Alarms:
    """Sends an alert for every check whose outcome is another one than it was.

    One that is seen twice in a row counts: what comes and goes within seconds wakes nobody. After a
    start of the api whatever is not well is told (again).
    """

    def __init__(
        self,
        url: str,
        secret: str,
        diagnose: Callable[[], list[Check]],
        clock: Callable[[], datetime],
    ) -> None:
        self._url, self._key = url, _key(secret)
        self._diagnose, self._clock = diagnose, clock
        self._told: dict[str, CheckStatus] = {}
        self._seen: dict[str, CheckStatus] = {}
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_MOST_WAITING)

    def run(self) -> None:
        """Look at all checks and send what there is to tell; `Unavailable` if that can't be now."""
        self._look()
        while self._waiting:
            alert_id, alert = self._waiting[0]
            self._send(alert_id, alert)
            self._waiting.popleft()
            log.info(Log.ALERT_SENT, check=alert["check"]["id"], status=alert["check"]["status"])

    def _look(self) -> None:
        now = {check.id: check for check in self._diagnose()}
        for name, check in now.items():
            before = self._told.get(name, CheckStatus.OK)
            if check.status not in (before, self._seen.get(name)):
                continue  # for the first time
            if check.status != before:
                self._told[name] = check.status
                self._waiting.append((f"alert_{uuid.uuid4().hex}", self._alert(check, before)))
        self._seen = {name: check.status for name, check in now.items()}

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
