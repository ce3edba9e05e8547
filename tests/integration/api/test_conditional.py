"""What a client has already is not sent again; who asks too often is told to wait."""

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.api.app import create_app
from services.api.audit import Auditing
from services.api.middleware import Authentication, RequestContext
from services.api.rates import Rates
from tests.integration.api.conftest import Api, a_study


@pytest.mark.parametrize("path", ["/studies", "/studies/1.2.3", "/queues", "/destinations"])
def test_what_is_unchanged_is_not_sent_again(api: Api, path: str) -> None:
    api.add(a_study("1.2.3"))
    first = api.client.get(f"/api/v1{path}")
    tag = first.headers["etag"]
    again = api.client.get(f"/api/v1{path}", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert "content-type" not in again.headers
    assert again.headers["x-request-id"]
    other = api.client.get(f"/api/v1{path}", headers={"If-None-Match": '"x"'})
    assert other.json() == first.json()


def test_what_has_changed_is_sent(api: Api) -> None:
    tag = api.client.get("/api/v1/studies").headers["etag"]
    api.add(a_study("1.2.3"))
    answer = api.client.get("/api/v1/studies", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag


def test_errors_have_no_tag(api: Api) -> None:
    answer = api.client.get("/api/v1/studies/9", headers={"If-None-Match": "*"})
    assert answer.status_code == 404
    assert "etag" not in answer.headers


def test_who_asks_too_often_is_told_to_wait(api: Api) -> None:
    context = api.service._context
    assert context is not None
    rates = Rates(per_second=0.01, at_once=2)
    whole = create_app(context)
    limited = RequestContext(
        Auditing(Authentication(PlainTextResponse("here"), context.access, rates), context.trail)
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await limited({**scope, "app": whole}, receive, send)

    async def ask(times: int) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=api.client.headers) as client:
            return [await client.get("http://router/api/v1/studies") for _ in range(times)]

    answers = asyncio.run(ask(3))
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "100"
    assert "event stream" in answers[-1].json()["detail"]
