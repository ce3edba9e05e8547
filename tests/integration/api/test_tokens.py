"""Other systems' tokens: shown once, hashed at rest, with a role and an end."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from dicom_router.models import ApiToken
from services.api.access import hash_of
from tests.integration.api.conftest import NOON, Api

HERE = {"Sec-Fetch-Site": "same-origin"}


def make(api: Api, **given: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.post("/tokens", {"name": "ris", "role": "viewer", **given})
    return made


def status(api: Api, token: str, path: str = "/studies") -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return api.client.get(f"/api/v1{path}", headers=headers).status_code


def test_a_token_is_shown_once_and_kept_as_a_hash(api: Api) -> None:
    made = make(api)
    assert made["token"].startswith("drt_")
    assert made["token"].startswith(made["prefix"])
    (shown,) = api.get("/tokens")["items"]
    assert "token" not in shown
    kept = api.read(lambda session: session.get(ApiToken, made["id"]))
    assert kept.token_hash == hash_of(made["token"])
    assert made["token"] not in str(vars(kept))
    assert len(made["prefix"]) < len(made["token"]) / 3


def test_a_token_has_its_role_and_says_who_it_is(api: Api) -> None:
    token = make(api, role="operator")["token"]
    assert status(api, token) == 200
    assert status(api, token, "/users") == 403
    headers = {"Authorization": f"Bearer {token}"}
    who = api.client.get("/api/v1/session", headers=headers).json()
    expected = {"name": "token:ris", "kind": "token", "role": "operator", "expires_at": None}
    assert who == expected


def test_a_token_opens_nothing_after_its_end_or_once_it_is_revoked(api: Api) -> None:
    made = make(api, expires_at=(NOON + timedelta(hours=1)).isoformat())
    assert status(api, made["token"]) == 200
    api.now[0] += timedelta(hours=1)
    assert status(api, made["token"]) == 401
    other = make(api, name="other")
    assert status(api, other["token"]) == 200
    api.delete(f"/tokens/{other['id']}")
    assert status(api, other["token"]) == 401
    api.delete(f"/tokens/{other['id']}", status=404)


def test_the_last_use_is_noted_to_the_minute(api: Api) -> None:
    token = make(api)["token"]
    assert api.get("/tokens")["items"][0]["last_used_at"] is None
    seen = []
    for seconds in (0, 30, 60):
        api.now[0] = NOON + timedelta(seconds=seconds)
        status(api, token)
        seen.append(api.get("/tokens")["items"][0]["last_used_at"])
    assert seen == ["2026-01-22T12:00:00Z"] * 2 + ["2026-01-22T12:01:00Z"]
    assert api.get("/tokens")["items"][0]["last_used_from"] == "127.0.0.1"


def test_a_session_opened_with_a_token_ends_with_it(api: Api) -> None:
    made = make(api, expires_at=(NOON + timedelta(days=1)).isoformat())
    with httpx.Client(base_url=api.client.base_url, headers=HERE, trust_env=False) as page:
        answer = page.post("/api/v1/session", json={"token": made["token"]})
        assert answer.json()["role"] == "viewer"
        assert answer.json()["expires_at"] == made["expires_at"]
        assert page.get("/api/v1/studies").status_code == 200
        api.delete(f"/tokens/{made['id']}")
        assert page.get("/api/v1/studies").status_code == 401


@pytest.mark.parametrize(
    "expires_at",
    [
        "2026-01-22T12:00:00Z",
        "2036-02-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "2027-01-01T00:00:00",
        "soon",
    ],
)
def test_an_end_is_in_the_next_ten_years(api: Api, expires_at: str) -> None:
    given = {"name": "ris", "role": "viewer", "expires_at": expires_at}
    problem = api.post("/tokens", given, status=422)
    assert problem["errors"][0]["field"] == "expires_at"


def test_a_name_is_a_token_s_once(api: Api) -> None:
    made = make(api)
    api.post("/tokens", {"name": "ris", "role": "viewer"}, status=409)
    api.delete(f"/tokens/{made['id']}")
    make(api)
