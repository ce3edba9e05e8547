"""The benchmarks run: a quick pass of each, which tells no time of any worth."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import pytest

from benchmarks import history_cost, memory, peers, pipeline, receive, send, studies
from benchmarks.router import Servers
from benchmarks.services import Place, api
from infra.private_services import PrivatePostgres, PrivateRabbitMQ
from tests.conftest import skip_or_fail, started

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.dcmtk]


@pytest.fixture(autouse=True)
def _dcmtk() -> None:
    if not peers.is_there("dcmsend"):
        skip_or_fail("DCMTK is not installed: apt-get install dcmtk")


@pytest.fixture
def place(tmp_path: Path, amqp_url: str, postgresql_url: str) -> Place:
    data = tmp_path / "data-folder"
    data.mkdir()
    return Place(tmp_path, data, amqp_url, postgresql_url)


@pytest.fixture
def own(tmp_path: Path, rabbitmq: PrivateRabbitMQ) -> Iterator[Servers]:
    """The session's RabbitMQ and a PostgreSQL of its own, which is started again in between."""
    for server in started(PrivatePostgres(tmp_path / "postgres", fsync=False)):
        yield Servers(tmp_path, rabbitmq, server, tmp_path)
    for name in ("router", "empty"):
        with suppress(HTTPError):  # not every test has both
            rabbitmq.delete_virtual_host(name)


@pytest.fixture
def orthanc() -> bool:
    """Whether Orthanc takes part: a person may do without it, CI may not."""
    is_there = peers.is_there("Orthanc")
    if not is_there and os.environ.get("CI") == "true":
        pytest.fail("Orthanc is not installed: apt-get install orthanc", pytrace=False)
    return is_there


def test_every_receiver_is_sent_the_same_images(place: Place, orthanc: bool) -> None:
    bars = receive.measure(place, count=8, rounds=1, orthanc=orthanc)
    assert len(bars) == 4 + orthanc
    assert all(each.value > 0 for each in bars)


def test_every_sender_sends_to_peers_of_either_pdu(tmp_path: Path) -> None:
    bars = send.measure(tmp_path, count=8, rounds=1)
    assert len(bars) == 2
    assert all(each.value > 0 for each in bars)


def test_studies_go_through_the_router_and_orthanc(
    own: Servers, orthanc: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = pipeline.measure(own, count=12, studies=2, rounds=1, orthanc=orthanc)
    assert len(bars) == 1 + orthanc
    assert all(each.value > 0 for each in bars)
    told = capsys.readouterr().out
    for name in ("receiver", "organizer", "forwarder", "api", "RabbitMQ", "PostgreSQL"):
        assert told.count(f"  {name} ") == 2, name  # its memory and its time


def test_memory_is_read_while_a_large_object_comes(place: Place) -> None:
    (bar,) = memory.measure(place, megabytes=5)
    assert bar.value > 10


def test_the_cost_of_an_image_is_compared_with_and_without_a_history(own: Servers) -> None:
    bars = history_cost.measure(own, studies=300, count=8, rounds=1)
    assert [each.value > 0 for each in bars] == [True, True]


def test_lists_of_studies_are_asked_for_and_reported(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    studies.fill(place.database_url, 1_500)
    with api(place) as client:
        results = [studies.measure(client, kind, requests=1) for kind in studies.KINDS]
    rows = {each.kind.name: each.rows for each in results}
    for name in ("first page", "q: frequent family", "sent=true", "sort=-patient_name"):
        assert rows[name] == 50, name
    for name in ("q: nobody", "modality: none"):
        assert rows[name] == 0, name
    assert 0 < rows["state=failed"] < 50
    (bar,) = studies.report(results)
    assert bar.value == max(each.p95 for each in results if each.kind.has_bar)
    assert "first page" in capsys.readouterr().out


def test_a_database_that_was_kept_still_knows_its_data_folder(tmp_path: Path, own: Servers) -> None:
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        with api(replace(own, folder=folder).place()) as client:
            client.get("/api/v1/disk")  # or fails
