"""One enormous object in the production shape: through, bit for bit, in nobody's memory."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.large import hashing_pacs, multi_frame
from tests.support.production import SERVICES, Production, production
from tests.support.scanner import send
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

MEBIBYTES = int(os.environ.get("LARGE_OBJECT_MIB", "300"))  # `make endurance`: 1024
MOST_GROWTH_MIB = 48  # of a process's peak memory, buffers of an association included


def peak_mib(router: Production, service: str) -> float:
    """The most resident memory that a service's process has had."""
    status = Path(f"/proc/{router.pid(service)}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@pytest.mark.timeout(900)
def test_a_large_object_is_delivered_bit_for_bit_and_held_in_no_memory(
    tmp_path: Path, amqp_url: str, postgresql_url: str, figure: Callable[[str], None]
) -> None:
    study, file = multi_frame(tmp_path / "large.dcm", MEBIBYTES)
    size = file.path.stat().st_size - file.offset
    with hashing_pacs() as pacs:
        settings = {
            "TARGET_HOST": "127.0.0.1",
            "TARGET_PORT": pacs.port,
            "TARGET_AET": pacs.ae_title,
        }
        with production(tmp_path, amqp_url, postgresql_url, settings) as router:
            before = {service: peak_mib(router, service) for service in SERVICES}
            began = time.monotonic()
            assert set(send([file], router.dicom_port).values()) == {0x0000}
            received = time.monotonic()
            wait_for(
                lambda: router.study(study).get("state") == "sent",
                lambda: f"the object at the PACS\n{router.log()}",
                600,
            )
            ended = time.monotonic()
            after = {service: peak_mib(router, service) for service in SERVICES}
        assert pacs.stored == {file.sop_instance_uid: (file.sha256, size)}
    figure(
        f"{MEBIBYTES} MiB: received in {received - began:.1f} s, at the PACS "
        f"{ended - received:.1f} s later; peak memory in MiB: "
        + ", ".join(f"{each} {after[each]:.0f} (idle {before[each]:.0f})" for each in SERVICES)
    )
    grown = {each: after[each] - before[each] for each in SERVICES}
    assert max(grown.values()) < MOST_GROWTH_MIB, grown
