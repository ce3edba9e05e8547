"""RabbitMQ loses its disk, or PostgreSQL is away: messages are wake-ups, and images can wait."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from infra.private_services import PrivatePostgres, PrivateRabbitMQ
from tests.acceptance.conftest import target
from tests.conftest import started
from tests.support.pacs import Pacs
from tests.support.production import Production, production
from tests.support.scanner import send, send_in_parallel
from tests.support.series import ct_series
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

IN_HAND = 8  # images that a destination has and the database does not know of yet


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PrivateRabbitMQ]:
    """A RabbitMQ of this test alone."""
    yield from started(PrivateRabbitMQ(tmp_path / "rabbitmq"))


def test_a_thousand_images_in_flight_survive_the_loss_of_all_that_rabbitmq_had(
    tmp_path: Path,
    pacs: Pacs,
    broker: PrivateRabbitMQ,
    postgresql_url: str,
    figure: Callable[[str], None],
) -> None:
    sizes = {"in delivery": 200, "delivery waits": 200, "received": 350, "while away": 300}
    series = {stage: ct_series(tmp_path / stage, size) for stage, size in sizes.items()}
    files = [file for _study, these in series.values() for file in these]
    pacs.gate.clear()
    settings = target(pacs) | {"ROUTER_RETENTION_HOURS": -1}
    with production(tmp_path, broker.amqp_url, postgresql_url, settings) as router:
        for stage in ("in delivery", "delivery waits"):
            answered(send_in_parallel(series[stage][1], router.dicom_port, 4))
        wait_for(lambda: waiting(router) == 2 and pacs.asked, router.log, 60)
        # In the middle of organizing: some are announced, some assigned, some in their folder.
        last = threading.Thread(
            target=lambda: answered(send(series["received"][1], router.dicom_port))
        )
        last.start()
        wait_for(lambda: router.study(series["received"][0]), router.log)
        router.kill_service("organizer")
        last.join(120)
        spooled = len(list((router.data / ".spool").rglob("*.dcm")))
        broker.kill()
        began = monotonic()
        broker.lose_data()
        answered(send_in_parallel(series["while away"][1], router.dicom_port, 4))
        in_flight = len(files) - len(pacs.stored)
        assert in_flight >= 1000
        broker.start()
        router.start_service("organizer")
        pacs.gate.set()
        studies = [study for study, _files in series.values()]
        wait_for(
            lambda: {router.study(study).get("state") for study in studies} == {"sent"},
            lambda: f"all to be sent, {len(pacs.stored)} are\n{router.log()}",
            180,
        )
        seconds = monotonic() - began
        counts = [router.study(study)["image_count"] for study in studies]
    assert counts == list(sizes.values())
    has = Counter(each.sha256 for each in pacs.stored)
    assert has.keys() == {file.sha256 for file in files}
    assert pacs.repeats <= IN_HAND
    figure(
        f"{in_flight} images in flight ({spooled} in the spool when the organizer was killed): all "
        f"at the PACS {seconds:.0f} s after RabbitMQ lost its disk, {pacs.repeats} sent twice"
    )


def test_images_are_received_while_postgresql_is_away(
    tmp_path: Path, pacs: Pacs, amqp_url: str, postgres: PrivatePostgres, postgresql_url: str
) -> None:
    study, files = ct_series(tmp_path / "series", 60)
    with production(tmp_path, amqp_url, postgresql_url, target(pacs)) as router:
        answered(send(files[:20], router.dicom_port))
        postgres.stop()
        try:
            answered(send(files[20:], router.dicom_port))
        finally:
            postgres.start()
        wait_for(
            lambda: router.study(study).get("state") == "sent" and len(pacs.stored) >= len(files),
            lambda: f"the study to be sent, {len(pacs.stored)} images are\n{router.log()}",
            90,
        )
    has = Counter(each.sha256 for each in pacs.stored)
    assert has.keys() == {file.sha256 for file in files}
    assert pacs.repeats <= IN_HAND


def answered(outcomes: dict[Path, int | None]) -> None:
    """Every image was answered with success."""
    assert set(outcomes.values()) == {0x0000}


def waiting(router: Production) -> int:
    """How many deliveries are open."""
    return sum(
        each["state"] in ("waiting", "sending", "retrying") for each in router.items("/deliveries")
    )
