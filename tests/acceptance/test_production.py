"""Every service a process of its own over RabbitMQ and PostgreSQL, several of each at once."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import target
from tests.support.development_data import RealFile
from tests.support.pacs import Pacs
from tests.support.production import SERVICES, production
from tests.support.scanner import send, send_in_parallel
from tests.support.series import ct_series
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]


def test_one_study_over_many_associations_and_both_receivers_is_one_study(
    tmp_path: Path, pacs: Pacs, amqp_url: str, postgresql_url: str
) -> None:
    study, files = ct_series(tmp_path / "series", 240)
    settings = target(pacs) | {"ROUTER_DICOM_WORKERS": 2, "ROUTER_RETENTION_HOURS": -1}
    with production(tmp_path, amqp_url, postgresql_url, settings, each=2) as router:
        outcomes = send_in_parallel(files, router.dicom_port, 16)
        assert set(outcomes.values()) == {0x0000}
        wait_for(
            lambda: router.study(study).get("state") == "sent",
            lambda: f"the study to be sent; it is {router.study(study)}\n{router.log()}",
            60,
        )
        shown = router.study(study)
        ended = data_of(router.items("/events?type=association-released"))
        complete = data_of(router.items("/events?type=study-complete"))
        folders = [path for path in router.data.iterdir() if path.name[0] != "."]
        on_disk = {path.name: path.read_bytes() for path in folders[0].iterdir()}
    receivers = {each["receiver"] for each in ended if each["receipts"]}
    assert len(receivers) == 2
    assert [each["study_uid"] for each in complete] == [study]
    assert [path.name for path in folders] == [shown["folder"]]
    assert on_disk.keys() == {f"CT.{file.sop_instance_uid}.dcm" for file in files}
    for file in files:
        assert on_disk[f"CT.{file.sop_instance_uid}.dcm"].endswith(file.data_set())
    assert Counter(each.sha256 for each in pacs.stored) == Counter(file.sha256 for file in files)
    assert (shown["image_count"], shown["revision"], len(shown["deliveries"])) == (240, 1, 1)


def data_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["event"]["data"] for each in events]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_stopped_under_load_loses_nothing(
    tmp_path: Path, pacs: Pacs, amqp_url: str, postgresql_url: str, service: str
) -> None:
    study, files = ct_series(tmp_path / "series", 300)
    other, more = ct_series(tmp_path / "more", 20)
    answered: list[RealFile] = []
    enough = threading.Event()

    def on_sent(file: RealFile, status: int | None) -> None:
        if status == 0x0000:
            answered.append(file)
        if len(answered) >= 60:
            enough.set()

    with production(tmp_path, amqp_url, postgresql_url, target(pacs)) as router:
        # A study that is on its way to the PACS while the next one comes in.
        send(more, router.dicom_port)
        scanner = threading.Thread(
            target=send, args=(files, router.dicom_port), kwargs={"on_sent": on_sent}
        )
        scanner.start()
        assert enough.wait(60)
        assert router.stop_service(service) == 0
        router.start_service(service)
        scanner.join(60)
        unanswered = [file for file in files if file not in answered]
        if unanswered:
            assert service == "receiver"
            outcomes = send(unanswered, router.dicom_port)
            assert set(outcomes.values()) == {0x0000}
        wait_for(
            lambda: {router.study(uid).get("state") for uid in (study, other)} == {"sent"},
            lambda: f"both studies to be sent\n{router.log()}",
            90,
        )
    has = Counter(each.sha256 for each in pacs.stored)
    assert {file.sha256 for file in [*files, *more]} == has.keys()
    if service != "receiver":  # whose unanswered image may have been safe already
        assert set(has.values()) == {1}
