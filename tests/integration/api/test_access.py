"""Who gets in, and how."""

import itertools
import json
import re
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from dicom_router.database import Database
from dicom_router.log import Log
from services.api.middleware import MOST_BODY_BYTES
from tests.integration.api.conftest import TOKEN, Api, running

CLOSED = ("/studies", "/destinations", "/deliveries", "/events/stream", "/nothing", "/", "")


def test_nobody_unknown_gets_in(api: Api) -> None:
    unknown = [None, b"Bearer wrong", f"Basic {TOKEN}".encode(), b"Bearer", b"B\xe9arer x"]
    for number, (path, authorization) in enumerate(itertools.product(CLOSED, unknown)):
        api.now[0] += timedelta(minutes=number)  # or it would be locked out
        headers = {b"Authorization": authorization} if authorization else None
        answer = httpx.get(f"{api.client.base_url}/api/v1{path}", headers=headers, trust_env=False)
        assert answer.status_code == 401, (path, authorization)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["status"] == 401


def test_what_an_unknown_client_sends_is_not_even_looked_at(api: Api) -> None:
    answer = httpx.post(f"{api.client.base_url}/api/v1/destinations", content=b"{", trust_env=False)
    assert answer.status_code == 401


def test_nothing_below_the_api_s_path_answers_without_a_token(api: Api) -> None:
    document = api.client.get("/api/openapi.json").json()
    asked = [
        (method, re.sub(r"{\w+}", "x", path))
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/api/")
    ]
    assert len(asked) > 20
    with httpx.Client(base_url=api.client.base_url, trust_env=False) as nobody:
        for method, path in asked:
            assert nobody.request(method, path).status_code == 401, (method, path)


def test_ten_wrong_tokens_lock_their_address_out_for_a_while(api: Api) -> None:
    with capture_logs() as logs, browser(api) as page:
        for number in range(10):
            wrong = {"Authorization": f"Bearer wrong-{number}"}
            assert api.client.get("/api/v1/studies", headers=wrong).status_code == 401
        answer = api.client.get("/api/v1/studies")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "300"
        assert answer.json()["title"] == "Too many requests"
        assert page.get("/api/v1/studies").status_code == 200
        (line,) = [each for each in logs if each["event"] == Log.ACCESS_LOCKED]
    assert line["address"] == "127.0.0.1"
    api.now[0] += timedelta(minutes=5)
    api.get("/studies")


def test_a_right_token_from_another_address_is_not_locked_out(api: Api) -> None:
    for number in range(10):
        wrong = {"Authorization": f"Bearer wrong-{number}", "X-Forwarded-For": "10.0.0.7"}
        assert api.client.get("/api/v1/studies", headers=wrong).status_code == 401
    for address, status in (("10.0.0.7", 429), ("10.0.0.8", 200)):
        forwarded = {"X-Forwarded-For": address}
        assert api.client.get("/api/v1/studies", headers=forwarded).status_code == status


def test_a_script_with_an_old_token_locks_nobody_out(api: Api) -> None:
    for _ in range(30):
        old = {"Authorization": "Bearer drt_it-was-revoked"}
        assert api.client.get("/api/v1/studies", headers=old).status_code == 401
    api.get("/studies")


def test_a_page_left_open_locks_nobody_out(api: Api) -> None:
    stale = {b"Cookie": b"router_session=1.00"}
    url = f"{api.client.base_url}/api/v1/studies"
    for _ in range(30):
        assert httpx.get(url, headers=stale, trust_env=False).status_code == 401
    api.get("/studies")


def test_a_password_for_a_proxy_in_front_is_no_wrong_token(api: Api) -> None:
    """A browser sends it to the router with everything, beside the cookie."""
    password = {"Authorization": "Basic cGFjczpwYWNz"}
    with browser(api) as page:
        for _ in range(30):
            assert page.get("/api/v1/studies", headers=password).status_code == 200
    url = f"{api.client.base_url}/api/v1/studies"
    for _ in range(30):
        assert httpx.get(url, headers=password, trust_env=False).status_code == 401
    api.get("/studies")


def test_health_and_metrics_need_no_token(api: Api) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/api/openapi.json"):
        assert httpx.get(f"{api.client.base_url}{path}", trust_env=False).status_code == 200


def test_a_browser_gets_a_cookie_for_the_token_and_may_read_with_it(api: Api) -> None:
    answer = api.client.post("/api/v1/session")
    cookie = answer.headers["set-cookie"]
    assert answer.json()["role"] == "admin"
    assert {"HttpOnly", "Path=/api"} <= {part.strip() for part in cookie.split(";")}
    assert "samesite=strict" in cookie.lower()
    assert "secure" not in cookie.lower()  # it would not come back over plain HTTP
    with browser(api) as page:
        assert page.get("/api/v1/studies").status_code == 200


def test_a_change_by_cookie_must_come_from_our_page(api: Api) -> None:
    own = str(api.client.base_url).rstrip("/")
    elsewhere = [
        {},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": own},
    ]
    body = {"host": "h", "port": 104, "ae_title": "P"}
    with browser(api) as page:
        for headers in elsewhere:
            answer = page.post("/api/v1/destinations", json=body | {"name": "a"}, headers=headers)
            assert answer.status_code == 403, headers
        for number, headers in enumerate([{"Origin": own}, {"Sec-Fetch-Site": "same-origin"}]):
            named = body | {"name": f"pacs-{number}"}
            answer = page.post("/api/v1/destinations", json=named, headers=headers)
            assert answer.status_code == 201, headers


def test_a_session_ends_when_its_time_is_over(api: Api) -> None:
    with browser(api) as page:
        api.now[0] = api.now[0].replace(month=2)
        assert page.get("/api/v1/studies").status_code == 401


def test_a_forged_session_is_none(api: Api) -> None:
    for value in ("9999999999.", "9999999999.00", "x.y", ".", "٣.x"):
        cookie = {b"Cookie": f"router_session={value}".encode()}
        answer = httpx.get(f"{api.client.base_url}/api/v1/studies", headers=cookie, trust_env=False)
        assert answer.status_code == 401


def test_signing_out_takes_the_cookie_back(api: Api) -> None:
    with browser(api) as page:
        answer = page.delete("/api/v1/session", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 204
        assert page.get("/api/v1/studies").status_code == 401


def test_a_token_is_made_once_and_shown_once(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    with running(database, data, token="") as api:
        kept = data / ".api-token"
        token = kept.read_text().strip()
        printed = capsys.readouterr().out
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert f"http://127.0.0.1:{api.settings.http_port}/#token={token}" in printed
        assert _status(api, token) == 200
    with running(database, data, token="") as api:
        assert token not in capsys.readouterr().out
        assert _status(api, token) == 200


def test_a_token_that_is_set_is_not_written_down(
    start: Callable[..., Api], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start()
    assert not (tmp_path / "data" / ".api-token").exists()
    assert TOKEN not in capsys.readouterr().out


def test_answers_carry_strict_headers_and_the_request_id(api: Api) -> None:
    answer = api.client.get("/api/v1/studies", headers={"X-Request-ID": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    odd = api.client.get("/api/v1/nothing", headers={b"X-Request-ID": b"a b\xff"})
    assert odd.headers["x-request-id"] == odd.json()["request_id"] != "a b"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/assets/none.js", 404),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/openapi.json", 200),
        ("GET", "/api/v1/studies", 200),
        ("GET", "/api/v1/studies/none", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/healthz", 405),
        ("GET", "/api/v1/studies?limit=0", 422),
        ("GET", "/a%00b", 422),
    ],
)
def test_every_answer_carries_strict_headers(api: Api, method: str, path: str, status: int) -> None:
    answer = api.client.request(method, path)
    assert answer.status_code == status
    _require_strict(answer)


def test_answers_to_nobody_and_to_large_bodies_carry_strict_headers(api: Api) -> None:
    with httpx.Client(base_url=api.client.base_url, trust_env=False) as nobody:
        _require_strict(nobody.get("/api/v1/studies"))
    large = api.client.post("/api/v1/destinations", content=b"x" * (MOST_BODY_BYTES + 1))
    assert large.status_code == 413
    _require_strict(large)


def test_a_body_that_grows_too_large_is_refused_on_the_way(api: Api) -> None:
    pieces = (b"x" * 65536 for _ in range(MOST_BODY_BYTES // 65536 + 1))
    answer = api.client.post("/api/v1/destinations", content=pieces)
    assert answer.status_code == 413


def test_an_error_nobody_expected_tells_nothing_and_is_strict(start: Callable[..., Api]) -> None:
    def fail() -> str | None:
        raise RuntimeError("what only the log may tell")

    api = start(ready_checks=(fail,))
    with capture_logs() as logs:
        answer = api.client.get("/readyz?token=secret-in-the-query")
    assert answer.status_code == 500
    _require_strict(answer)
    assert "what only the log may tell" not in answer.text
    assert Log.REQUEST_FAILED in [each["event"] for each in logs]
    assert "secret-in-the-query" not in f"{answer.text} {logs}"


def test_what_changes_something_or_is_refused_is_logged_without_what_it_is_about(api: Api) -> None:
    names = {"X-Request-ID": "my-request"}
    with capture_logs(processors=[merge_contextvars]) as logs:
        api.client.put("/api/v1/senders/DOE_JOHN", json={"ae_title": "CT1"}, headers=names)
        api.client.post("/api/v1/senders", json={"name": "ct1", "ae_title": "CT1"}, headers=names)
        api.client.get("/api/v1/studies?patient_name=DOE_JOHN")
        api.client.get("/api/v1/studies/DOE%2FJOHN", headers={"Authorization": "Bearer unknown"})
        api.client.get("/api/v1/DOE_JOHN")
    told = [each for each in logs if each["event"].startswith("request.")]
    assert [(e["event"], e["method"], e["path"], e["status"], e["who"]) for e in told] == [
        ("request.refused", "PUT", "/api/v1/senders/{name}", 404, "admin"),
        ("request.done", "POST", "/api/v1/senders", 201, "admin"),
        ("request.refused", "GET", "/api/v1/studies/{study_uid}", 401, ""),
        ("request.refused", "GET", "", 404, "admin"),
    ]
    assert [each["request_id"] for each in told[:2]] == ["my-request"] * 2
    assert "DOE" not in str(told)


def _require_strict(answer: httpx.Response) -> None:
    headers = answer.headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert "strict-transport-security" not in headers  # over plain HTTP it means nothing


def test_a_stream_of_events_is_not_kept_by_anyone(api: Api) -> None:
    with api.client.stream("GET", "/api/v1/events/stream") as answer:
        assert answer.headers["cache-control"] == "no-store"


def browser(api: Api) -> httpx.Client:
    """A client with nothing but the cookie."""
    opened = api.client.post("/api/v1/session")
    assert opened.status_code == 200, json.dumps(opened.json())
    page = httpx.Client(base_url=api.client.base_url, trust_env=False)
    page.cookies.update(opened.cookies)
    return page


def _status(api: Api, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return api.client.get("/api/v1/studies", headers=headers).status_code
