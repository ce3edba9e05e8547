"""Every operation of the OpenAPI document: what each role gets, and what goes on record."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from services.api.actions import ACTIONS, Action
from services.api.actor import Role
from tests.integration.api.conftest import Api

VIEWER, OPERATOR, ADMIN = Role

# What needs more than a viewer; everything else below /api/v1 any of them may.
NEEDS = {
    "forward_study": OPERATOR,
    "hold_study": OPERATOR,
    "release_study": OPERATOR,
    "replay_study": OPERATOR,
    "forward_many": OPERATOR,
    "cancel_bulk": OPERATOR,
    "retry_delivery": OPERATOR,
    "cancel_delivery": OPERATOR,
    "replay_dead_letters": OPERATOR,
    "retry_quarantined": OPERATOR,
    "echo_destination": OPERATOR,
    "echo_sender": OPERATOR,
    "echo_any": OPERATOR,
    "delete_study": ADMIN,
    "delete_quarantined": ADMIN,
    "create_destination": ADMIN,
    "replace_destination": ADMIN,
    "delete_destination": ADMIN,
    "create_sender": ADMIN,
    "replace_sender": ADMIN,
    "delete_sender": ADMIN,
    "create_route": ADMIN,
    "replace_route": ADMIN,
    "delete_route": ADMIN,
    "adopt_data_folder": ADMIN,
    "list_users": ADMIN,
    "create_user": ADMIN,
    "replace_user": ADMIN,
    "delete_user": ADMIN,
    "list_tokens": ADMIN,
    "create_token": ADMIN,
    "delete_token": ADMIN,
    "list_audit": ADMIN,
    "export_audit": ADMIN,
}
FOR_ANYBODY = {"open_session"}  # it judges what it is given


def operations(api: Api) -> Iterator[tuple[str, str, str]]:
    """Operation id, method and a path of every operation below /api/v1."""
    document = api.client.get("/api/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1"):
                yield operation["operationId"], method.upper(), re.sub(r"{\w+}", "none", path)


@pytest.fixture
def of_role(api: Api) -> Iterator[Callable[[Role], httpx.Client]]:
    """A client with a token of a role."""
    with ExitStack() as stack:

        def client(role: Role) -> httpx.Client:
            made = api.post("/tokens", {"name": f"a-{role}", "role": role})
            headers = {"Authorization": f"Bearer {made['token']}"}
            return stack.enter_context(
                httpx.Client(
                    base_url=api.client.base_url, headers=headers, trust_env=False, timeout=30
                )
            )

        yield client


def test_every_operation_has_a_name_in_the_audit_trail_or_shows_nothing(api: Api) -> None:
    known = {name: method for name, method, _path in operations(api)}
    assert known.keys() == ACTIONS.keys()
    changes = {name for name, method in known.items() if method != "GET"}
    assert not {name for name in changes if ACTIONS[name] is None}


def test_no_two_operations_share_a_name_in_the_audit_trail() -> None:
    given = [action for action in ACTIONS.values() if action is not None]
    assert len(given) == len(set(given))
    assert set(Action) - set(given) == {Action.TOKEN_REFUSED, Action.SIGNIN_LINK}


@pytest.mark.parametrize("role", [None, *Role], ids=str)
def test_each_role_gets_in_where_it_may_and_nowhere_else(
    api: Api, of_role: Callable[[Role], httpx.Client], role: Role | None
) -> None:
    with ExitStack() as stack:
        nobody = stack.enter_context(
            httpx.Client(base_url=api.client.base_url, trust_env=False, timeout=30)
        )
        client = of_role(role) if role is not None else nobody
        for name, method, path in operations(api):
            if name in ("stream_events", "stream_logs", "close_session"):
                continue  # the streams never end; signing out is tested with the sessions
            status = client.request(method, path, json=[]).status_code
            if role is None:
                # A body that is none is looked at only where one signs in.
                assert status in ((401, 422) if name in FOR_ANYBODY else (401,)), name
            elif role.covers(NEEDS.get(name, VIEWER)):
                assert status not in (401, 403), (name, status)
            else:
                assert status == 403, (name, status)


@pytest.mark.parametrize("what", ["events", "logs"])
def test_a_viewer_may_follow(of_role: Callable[[Role], httpx.Client], what: str) -> None:
    with of_role(VIEWER).stream("GET", f"/api/v1/{what}/stream") as answer:
        assert answer.status_code == 200


def test_what_was_denied_is_on_record(api: Api, of_role: Callable[[Role], httpx.Client]) -> None:
    of_role(VIEWER).delete("/api/v1/destinations/pacs")
    (entry,) = api.audited(action="destination.delete")
    expected = {"who": "token:a-viewer", "kind": "token", "role": "viewer", "about": "pacs"}
    assert expected.items() <= entry.items()
    assert entry["outcome"] == "denied"
