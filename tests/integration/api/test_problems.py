"""Every error says what is wrong and what to do, as a problem document."""

from typing import Any

from tests.integration.api.conftest import Api, a_destination

ERRORS = [
    ("GET", "/api/v1/nothing", 404),
    ("GET", "/nothing", 404),
    ("GET", "/api/v1/studies/", 404),
    ("GET", "/api/v1/studies/1.2.3.4", 404),
    ("GET", "/api/v1/studies/1.2.3.4/timeline", 404),
    ("GET", "/api/v1/destinations/nowhere", 404),
    ("GET", "/api/v1/senders/nobody", 404),
    ("POST", "/api/v1/deliveries/none/retry", 404),
    ("PATCH", "/api/v1/studies", 405),
    ("POST", "/readyz", 405),
    ("GET", "/api/v1/studies?limit=501", 422),
    ("GET", "/api/v1/studies?limit=0", 422),
    ("GET", "/api/v1/studies?cursor=%00nonsense", 422),
    ("GET", "/api/v1/studies?cursor=nonsense", 422),
    ("GET", "/api/v1/studies?cursor=WyJhIiwxLCIyIl0", 422),
    ("GET", "/api/v1/studies?cursor=WyItY3JlYXRlZF9hdCIsIngiLCIyIl0", 422),
    ("GET", "/api/v1/studies?state=odd", 422),
    ("GET", "/api/v1/studies?received_from=0001-01-01T00:00:00%2B14:00", 422),
    ("GET", "/api/v1/studies?received_from=yesterday", 422),
    ("GET", "/api/v1/studies?received_to=9999-12-31", 422),
    ("GET", "/api/v1/studies/a%00b", 422),
    ("GET", "/api/v1/events?after=99999999999999999999", 422),
    ("GET", "/api/v1/events?type=odd", 422),
    ("GET", "/api/v1/deliveries?state=odd", 422),
]


def test_errors_are_problem_documents(api: Api) -> None:
    for method, path, status in ERRORS:
        answer = api.client.request(method, path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", path
        body = answer.json()
        assert body["status"] == status
        assert body["title"]
        assert body["detail"]
        assert body["request_id"] == answer.headers["x-request-id"]


def test_what_was_made_tells_where_it_is(api: Api) -> None:
    target = {"destinations": ["pacs"]}
    user = {"role": "viewer", "password": "a long enough password"}
    places = []
    for kind, given in [
        ("destinations", a_destination()),
        ("senders", {"name": "ct1", "ae_title": "CT1"}),
        ("routes", {"name": "all", **target}),
        ("users", {"name": "maria", **user}),
        ("tokens", {"name": "ris", "role": "viewer"}),
    ]:
        answer = api.client.post(f"/api/v1/{kind}", json=given)
        made = answer.json()
        places.append(answer.headers["location"])
        assert places[-1] == f"/api/v1/{kind}/{made.get('id') or made['name']}"
    refused = api.client.post("/api/v1/destinations", json=a_destination())
    assert (refused.status_code, "location" in refused.headers) == (409, False)
    for place in reversed(places):
        assert api.client.delete(place).status_code == 204, place


def test_a_405_tells_all_methods_there_are_at_the_path(api: Api) -> None:
    for path, methods in [
        ("/studies", "GET"),
        ("/studies/1.2.3", "DELETE, GET"),
        ("/destinations", "GET, POST"),
        ("/destinations/pacs", "DELETE, GET, PUT"),
    ]:
        answer = api.client.patch(f"/api/v1{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


def test_a_body_that_is_no_text_is_refused_as_one_that_is_no_json(api: Api) -> None:
    for body in (b"\xff\xfe", b"{"):
        answer = api.client.post("/api/v1/destinations", content=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


NOT_ALLOWED: list[tuple[str, Any]] = [
    ("port", 70000),
    ("port", "x"),
    ("port", "104"),
    ("port", 0),
    ("tls", 0),
    ("enabled", "true"),
    ("ae_title", "A" * 17),
    ("ae_title", "A\\B"),
    ("ae_title", ""),
    ("host", ""),
    ("host", "a b"),
    ("host", "a/b"),
    ("host", "h\u0000"),
    ("name", "Upper"),
    ("name", ""),
    ("name", "a" * 41),
    ("kind", "carrier-pigeon"),
    ("calling_ae_title", "A" * 17),
    ("pased", True),
]


def test_a_value_that_is_not_allowed_is_named(api: Api) -> None:
    for field, value in NOT_ALLOWED:
        problem = api.post("/destinations", a_destination(**{field: value}), status=422)
        assert field in [error["field"] for error in problem["errors"]], (field, value)
        assert field in problem["detail"]


def test_a_body_that_is_no_json_is_a_problem(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.client.post("/api/v1/destinations", content=b"{", headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_too_large_is_a_problem(api: Api) -> None:
    announced = b" " * (2 << 20)
    for content in (announced, (announced[:65536] for _ in range(32))):
        answer = api.client.post("/api/v1/destinations", content=content)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_who_prefers_portuguese_is_answered_in_it(api: Api) -> None:
    asked = {"Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8"}
    answer = api.client.get("/api/v1/destinations/nowhere", headers=asked)
    assert answer.json()["title"] == "Não encontrado"
    assert answer.json()["detail"].startswith("Não existe o destino 'nowhere'")
    assert "Accept-Language" in answer.headers["vary"]
    bad = api.client.post("/api/v1/destinations", json=a_destination(port=70000), headers=asked)
    assert bad.json()["errors"] == [{"field": "port", "message": "deve ser menor ou igual a 65535"}]
    checks = api.client.get("/api/v1/diagnostics", headers=asked).json()
    assert "Banco de dados" in {each["title"] for each in checks}


def test_a_tag_is_of_the_language_it_was_given_in(api: Api) -> None:
    english = api.client.get("/api/v1/diagnostics")
    asked = {"If-None-Match": english.headers["etag"], "Accept-Language": "pt"}
    assert api.client.get("/api/v1/diagnostics", headers=asked).status_code == 200
