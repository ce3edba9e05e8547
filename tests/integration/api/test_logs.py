"""Logs: the lines of all services, looked back at and followed."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import structlog

from dicom_router.log import Log, configure_logging, get_logger
from dicom_router.log_publisher import publishing_logs
from dicom_router.models import Receipt
from dicom_router.said import said
from tests.integration.api.conftest import NOON, Api, a_delivery
from tests.support.waiting import wait_for

log = get_logger()


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging("receiver")
    # Or what is logged now would write to this test's standard output in every later test.
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def logging_api(start: Callable[..., Api]) -> Iterator[Api]:
    api = start()
    with publishing_logs(api.bus, "receiver"):
        yield api


@contextmanager
def following(api: Api, query: str = "", **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    path = f"/api/v1/logs/stream{query}"
    with api.client.stream("GET", path, headers=headers, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _entries(answer)


def _entries(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    found: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            key, _, value = line.partition(": ")
            found[key] = value
        elif found:
            entry = json.loads(found["data"])
            assert found["event"] == "log"
            assert found["id"] == entry["id"]
            yield entry
            found = {}


def lines(api: Api, at_least: int = 1, **query: Any) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = api.get("/logs", **query)["items"]
        return items

    return wait_for(lambda: got if len(got := found()) >= at_least else [], "log lines", 10)


def test_a_line_is_found_by_what_is_in_it(logging_api: Api) -> None:
    log.info(Log.ASSOCIATION_ACCEPTED, association_id="a1", calling_ae_title="CT_ROOM_1")
    log.warning(Log.ASSOCIATION_REJECTED, calling_ae_title="INTRUDER", why="not known")
    (line,) = lines(logging_api, q="ct_room")
    assert line["event"] == "association.accepted"
    assert line["fields"]["calling_ae_title"] == "CT_ROOM_1"
    assert (line["service"], line["level"]) == ("receiver", "info")
    assert logging_api.get("/logs", q="NOBODY")["items"] == []


def test_a_line_is_found_by_level_and_service(logging_api: Api) -> None:
    log.info(Log.SPOOL_SWEPT, found=1)
    log.error(Log.SPOOL_FAILED, why="no room")
    lines(logging_api, 2)
    assert [each["event"] for each in lines(logging_api, level="warning")] == ["spool.failed"]
    assert len(lines(logging_api, 2, service="receiver")) == 2
    assert logging_api.get("/logs", service="forwarder")["items"] == []
    logging_api.get("/logs", 422, level="loud")


def test_a_sentence_in_a_line_is_told_and_found_in_the_language_of_who_asks(
    logging_api: Api,
) -> None:
    why = said("Permission denied")
    log.error(Log.SPOOL_FAILED, receipt_id="r1", why=why)
    (line,) = lines(logging_api)
    assert line["fields"] == {"receipt_id": "r1", "why": "Permission denied"}
    portuguese = {"Accept-Language": "pt-BR"}
    answer = logging_api.client.get("/api/v1/logs?q=negada", headers=portuguese)
    assert [each["fields"]["why"] for each in answer.json()["items"]] == ["permissão negada"]


def test_the_lines_of_a_study_are_those_of_its_associations_and_deliveries_too(
    logging_api: Api,
) -> None:
    logging_api.add(_receipt("1.2.3", "a1"), a_delivery("d1", "1.2.3"))
    log.info(Log.ASSOCIATION_ACCEPTED, association_id="a1")
    log.info(Log.ASSOCIATION_ACCEPTED, association_id="a2")
    log.info(Log.DELIVERY_STARTED, delivery="d1")
    log.info(Log.STUDY_COMPLETE, study_uid="1.2.3")
    log.info(Log.STUDY_COMPLETE, study_uid="1.2.34")
    found = lines(logging_api, 3, study="1.2.3")
    assert [each["event"] for each in reversed(found)] == [
        "association.accepted",
        "delivery.started",
        "study.complete",
    ]


def test_pages_lead_back_while_lines_come(logging_api: Api) -> None:
    for number in range(7):
        log.info(Log.SPOOL_SWEPT, number=number)
    lines(logging_api, 7)
    first = logging_api.get("/logs", limit=4)
    log.info(Log.SPOOL_SWEPT, number=7)
    lines(logging_api, 8)
    rest = logging_api.get("/logs", limit=4, cursor=first["next"])
    numbers = [each["fields"]["number"] for each in first["items"] + rest["items"]]
    assert numbers == [6, 5, 4, 3, 2, 1, 0]
    assert rest["next"] is None
    logging_api.get("/logs", 422, cursor="nonsense")


def test_a_follower_sees_lines_as_they_are_written_and_resumes(logging_api: Api) -> None:
    log.info(Log.SPOOL_SWEPT, number=0)
    lines(logging_api)
    with following(logging_api, "?level=warning") as told:
        log.info(Log.SPOOL_SWEPT, number=1)
        log.warning(Log.SPOOL_FAILED, number=2)
        entry = next(told)
    assert entry["fields"]["number"] == 2
    log.warning(Log.SPOOL_FAILED, number=3)
    with following(logging_api, **{"Last-Event-ID": entry["id"]}) as told:
        assert next(told)["fields"]["number"] == 3
    with following(logging_api, **{"Last-Event-ID": "0123abcd.17"}) as told:
        assert next(told)["fields"]["number"] == 0  # of another start: all there is
    answer = logging_api.client.get("/api/v1/logs/stream", headers={"Last-Event-ID": "x"})
    assert answer.status_code == 422


def test_a_stream_of_logs_ends_when_the_server_stops(logging_api: Api) -> None:
    with following(logging_api) as told:
        logging_api.service.stop(7.0)
        assert list(told) == []


def _receipt(study_uid: str, association_id: str) -> Receipt:
    return Receipt(
        receipt_id="r1",
        association_id=association_id,
        state="organized",
        study_uid=study_uid,
        series_uid="1",
        sop_class_uid="1",
        sop_instance_uid="1.1",
        transfer_syntax_uid="1",
        instance_number="1",
        size=1,
        sha256="",
        spool_path="",
        received_at=NOON,
    )
