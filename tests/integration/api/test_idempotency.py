"""A POST that is made again with its key is answered, and not carried out, again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx

from services.api.queries import idempotency
from tests.integration.api.conftest import Api, a_destination


def post(api: Api, key: str, path: str = "/destinations", **values: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return api.client.post(f"/api/v1{path}", json=a_destination(**values), headers=headers)


def test_a_request_made_again_is_answered_as_before_and_not_done_again(api: Api) -> None:
    first = post(api, "k1")
    again = post(api, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert post(api, "k2").status_code == 409  # another request: it is there already


def test_a_key_belongs_to_one_request(api: Api) -> None:
    post(api, "k1")
    answer = post(api, "k1", port=105)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.text
    assert post(api, "k1", "/echo").status_code == 422  # of another path: judged by itself


def test_what_failed_may_be_tried_again_with_the_same_key(api: Api) -> None:
    assert post(api, "k1", port=0).status_code == 422
    assert post(api, "k1").status_code == 201


def test_a_key_is_its_users_own(api: Api) -> None:
    token = api.post("/tokens", {"name": "other", "role": "admin"})["token"]
    post(api, "k1")
    headers = {"Idempotency-Key": "k1", "Authorization": f"Bearer {token}"}
    answer = api.client.post("/api/v1/destinations", json=a_destination(), headers=headers)
    assert answer.status_code == 409


def test_of_requests_at_the_same_time_one_is_carried_out(api: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(api, "k1"), range(8)))
    created = [each for each in answers if each.status_code == 201]
    assert created
    assert len([each for each in created if "idempotent-replayed" not in each.headers]) == 1
    assert {each.status_code for each in answers} <= {201, 409}


def test_answers_are_kept_for_a_day(api: Api) -> None:
    post(api, "k1")
    api.now[0] += timedelta(hours=23)
    api.service.prune()
    assert post(api, "k1").status_code == 201
    api.now[0] += timedelta(hours=2)
    api.service.prune()
    assert post(api, "k1").status_code == 409


def test_a_request_whose_process_died_is_carried_out_after_a_while(api: Api) -> None:
    with api.database.write() as session:
        assert idempotency.begin(session, "k", "f", api.now[0]) is None
    with api.database.write() as session:
        assert idempotency.begin(session, "k", "f", api.now[0]) is not None
    api.now[0] += idempotency.ABANDONED_AFTER + timedelta(seconds=1)
    with api.database.write() as session:
        assert idempotency.begin(session, "k", "f", api.now[0]) is None


def test_a_key_that_is_none_is_refused_and_secrets_are_not_kept(api: Api) -> None:
    assert post(api, "k" * 256).status_code == 422
    headers = {"Idempotency-Key": "k1"}
    body = {"name": "a", "role": "viewer"}
    first = api.client.post("/api/v1/tokens", json=body, headers=headers)
    second = api.client.post("/api/v1/tokens", json=body | {"name": "b"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
