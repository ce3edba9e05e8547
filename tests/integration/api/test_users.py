"""People: their passwords, roles and sessions."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from dicom_router.models import User, UserSession
from services.api.access import SESSION_LASTS
from tests.integration.api.conftest import Api

PASSWORD = "four words are fine"
OTHER = "five words are fine too"
HERE = {"Sec-Fetch-Site": "same-origin"}


def add(api: Api, name: str = "maria", role: str = "viewer") -> None:
    api.post("/users", {"name": name, "role": role, "password": PASSWORD})


@pytest.fixture
def sign_in(api: Api) -> Iterator[Callable[..., httpx.Client]]:
    """A browser in which somebody has signed in; closed at the end."""
    with ExitStack() as stack:

        def browser(name: str = "maria", password: str = PASSWORD) -> httpx.Client:
            page = stack.enter_context(nobody(api))
            answer = page.post("/api/v1/session", json={"name": name, "password": password})
            assert answer.status_code == 200, answer.text
            return page

        yield browser


def nobody(api: Api) -> httpx.Client:
    return httpx.Client(base_url=api.client.base_url, headers=HERE, trust_env=False, timeout=30)


def test_a_user_signs_in_and_has_the_role_they_were_given(
    api: Api, sign_in: Callable[..., httpx.Client]
) -> None:
    add(api, role="operator")
    page = sign_in(" Maria ")  # as people type it
    shown = page.get("/api/v1/session").json()
    expected = {"name": "maria", "kind": "user", "role": "operator"}
    assert expected.items() <= shown.items()
    assert page.get("/api/v1/studies").status_code == 200
    assert page.get("/api/v1/users").status_code == 403
    (user,) = api.get("/users")["items"]
    assert user["last_signed_in_at"] is not None
    assert "password" not in str(user).replace("password_changed_at", "")


def test_a_password_is_kept_as_a_hash(api: Api) -> None:
    add(api)
    kept = api.read(lambda session: session.get_one(User, "maria").password_hash)
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(api: Api) -> None:
    add(api)
    api.post("/users", {"name": "gone", "role": "viewer", "password": PASSWORD, "disabled": True})
    tries = [("maria", OTHER), ("nobody", PASSWORD), ("gone", PASSWORD)]
    with nobody(api) as page:
        answers = [
            page.post("/api/v1/session", json={"name": name, "password": password})
            for name, password in tries
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_ten_wrong_passwords_lock_their_address_out_also_for_the_right_one(api: Api) -> None:
    add(api)
    with nobody(api) as page:
        for _ in range(10):
            wrong = {"name": "maria", "password": OTHER}
            assert page.post("/api/v1/session", json=wrong).status_code == 401
        right = {"name": "maria", "password": PASSWORD}
        answer = page.post("/api/v1/session", json=right)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "300"
        api.now[0] += timedelta(minutes=5)
        assert page.post("/api/v1/session", json=right).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"name": "maria"},
        {"password": PASSWORD},
        {"name": "maria", "password": PASSWORD, "token": "x"},
        {},
        [],
        {"name": "a\0b", "password": PASSWORD},
        {"name": "maria", "password": "x" * 300},
    ],
)
def test_signing_in_takes_one_way_at_a_time(api: Api, given: object) -> None:
    with nobody(api) as page:
        answer = page.post("/api/v1/session", json=given)
        assert answer.status_code == 422
        assert PASSWORD not in answer.text


def test_another_page_can_t_sign_anybody_in(api: Api) -> None:
    add(api)
    given = {"name": "maria", "password": PASSWORD}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}):
        with httpx.Client(base_url=api.client.base_url, trust_env=False, timeout=30) as page:
            answer = page.post("/api/v1/session", json=given, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("how", ["removed", "disabled", "given another password"])
def test_a_session_ends_when_the_user_is(
    api: Api, sign_in: Callable[..., httpx.Client], how: str
) -> None:
    add(api)
    page = sign_in()
    if how == "removed":
        api.delete("/users/maria")
    elif how == "disabled":
        api.put("/users/maria", {"role": "viewer", "disabled": True})
    else:
        api.put("/users/maria", {"role": "viewer", "password": OTHER})
    assert page.get("/api/v1/studies").status_code == 401
    status = 200 if how == "given another password" else 401
    given = {"name": "maria", "password": OTHER}
    assert page.post("/api/v1/session", json=given).status_code == status


def test_a_new_role_holds_from_the_next_request_on(
    api: Api, sign_in: Callable[..., httpx.Client]
) -> None:
    add(api, role="admin")
    add(api, "other", role="admin")
    page = sign_in()
    assert page.get("/api/v1/users").status_code == 200
    api.put("/users/maria", {"role": "viewer"})
    assert page.get("/api/v1/users").status_code == 403
    assert page.get("/api/v1/studies").status_code == 200


def test_changing_one_s_password_ends_the_other_sessions_only(
    api: Api, sign_in: Callable[..., httpx.Client]
) -> None:
    add(api)
    page, elsewhere = sign_in(), sign_in()
    wrong = {"current": OTHER, "new": OTHER}
    answer = page.put("/api/v1/session/password", json=wrong)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "current")
    right = {"current": PASSWORD, "new": OTHER}
    assert page.put("/api/v1/session/password", json=right).status_code == 204
    assert page.get("/api/v1/studies").status_code == 200
    assert elsewhere.get("/api/v1/studies").status_code == 401
    sign_in("maria", OTHER)


def test_only_users_have_a_password_to_change(api: Api) -> None:
    api.put("/session/password", {"current": PASSWORD, "new": OTHER}, status=409)


def test_signing_out_ends_the_session_for_a_copy_of_the_cookie_too(
    api: Api, sign_in: Callable[..., httpx.Client]
) -> None:
    add(api)
    page = sign_in()
    with nobody(api) as copy:
        copy.cookies.update(page.cookies)
        assert page.delete("/api/v1/session").status_code == 204
        assert copy.get("/api/v1/studies").status_code == 401


def test_a_session_is_forgotten_after_its_time(
    api: Api, sign_in: Callable[..., httpx.Client]
) -> None:
    add(api)
    page = sign_in()
    api.now[0] += SESSION_LASTS
    assert page.get("/api/v1/studies").status_code == 401
    api.service.prune()
    assert api.read(lambda session: session.query(UserSession).count()) == 0


def test_the_last_admin_stays(api: Api) -> None:
    add(api, role="admin")
    assert "last" in api.delete("/users/maria", status=409)["detail"]
    api.put("/users/maria", {"role": "operator"}, status=409)
    api.put("/users/maria", {"role": "admin", "disabled": True}, status=409)
    add(api, "other", role="admin")
    api.delete("/users/maria")
    api.delete("/users/other", status=409)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "maria maria maria"}, "password"),
        ({"name": "Maria Silva"}, "name"),
        ({"name": "admin"}, "name"),
        ({"role": "owner"}, "role"),
        ({"nickname": "m"}, "nickname"),
    ],
)
def test_a_user_that_is_not_allowed_is_refused_by_field(
    api: Api, change: dict[str, str], field: str
) -> None:
    given = {"name": "maria", "role": "viewer", "password": PASSWORD} | change
    problem = api.post("/users", given, status=422)
    assert problem["errors"][0]["field"] == field
    assert given["password"] not in str(problem)


def test_a_name_is_a_user_s_once_and_for_ever(api: Api) -> None:
    add(api)
    given = {"name": "maria", "role": "viewer", "password": PASSWORD}
    assert "PUT" in api.post("/users", given, status=409)["detail"]
    shown = api.get("/users")["items"][0]
    assert api.put("/users/maria", shown) == shown | {"updated_at": shown["updated_at"]}
    api.put("/users/maria", {"name": "other", "role": "viewer"}, status=422)
    api.put("/users/nobody", {"role": "viewer"}, status=404)
    api.delete("/users/nobody", status=404)


def test_users_are_listed_page_by_page(api: Api) -> None:
    for name in ("a1", "b1", "c1"):
        add(api, name)
    first = api.get("/users", limit=2)
    assert [user["name"] for user in first["items"]] == ["a1", "b1"]
    rest = api.get("/users", limit=2, cursor=first["next"])
    assert [user["name"] for user in rest["items"]] == ["c1"]
    assert rest["next"] is None


def test_while_the_database_is_away_a_cookie_reads_what_needs_none(
    api: Api, sign_in: Callable[..., httpx.Client]
) -> None:
    add(api, role="admin")
    page, token = sign_in(), api.post("/tokens", {"name": "ris", "role": "viewer"})["token"]
    for table in ("sessions", "api_tokens"):
        with api.database.write() as session:
            session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
    shown = page.get("/api/v1/session").json()
    assert (shown["name"], shown["role"]) == ("maria", "viewer")
    assert page.get("/api/v1/diagnostics").status_code == 200
    echo = {"host": "127.0.0.1", "port": 1, "ae_title": "X"}
    assert page.post("/api/v1/echo", json=echo).status_code == 403
    bearer = {"Authorization": f"Bearer {token}"}
    answer = api.client.get("/api/v1/diagnostics", headers=bearer)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    api.get("/diagnostics")


def test_the_document_says_that_signing_in_needs_nothing_before(api: Api) -> None:
    paths = api.client.get("/api/openapi.json").json()["paths"]
    assert {} in paths["/api/v1/session"]["post"]["security"]
    assert {} not in paths["/api/v1/session"]["get"]["security"]
