"""The benchmarks run: a quick pass of each, which tells no time of any worth."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import studies
from benchmarks.services import Client, api


@pytest.fixture
def client(tmp_path: Path, amqp_url: str, postgresql_url: str) -> Iterator[Client]:
    studies.fill(postgresql_url, 1_500)
    with api(tmp_path, amqp_url, postgresql_url) as client:
        yield client


@pytest.mark.rabbitmq
@pytest.mark.postgresql
def test_lists_of_studies_are_asked_for_and_reported(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [studies.measure(client, kind, requests=1) for kind in studies.KINDS]
    rows = {each.kind.name: each.rows for each in results}
    for name in ("first page", "q: frequent family", "sent=true", "sort=-patient_name"):
        assert rows[name] == 50, name
    for name in ("q: nobody", "modality: none"):
        assert rows[name] == 0, name
    assert 0 < rows["state=failed"] < 50
    studies.report(results)
    assert "first page" in capsys.readouterr().out
