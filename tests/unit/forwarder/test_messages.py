"""Wake-ups and dead letters go to the queues that operators see."""

from datetime import UTC, datetime

import pytest

from dicom_router.events import DeliveryDue, DeliveryReason, expect
from dicom_router.queues import WAIT_SECONDS, delivery_queue
from dicom_router.retry import RETRY_DELAYS_SECONDS
from dicom_router.said import as_said
from services.forwarder.messages import (
    Due,
    dead_letter,
    wake_up,
    wake_up_later,
)

NOW = datetime(2026, 1, 22, tzinfo=UTC)
DUE = Due("d1", "1.2.3", "main-pacs")


def test_a_wake_up_reaches_the_queue_of_its_destination() -> None:
    made = wake_up(DUE, "/forwarder/host:1", NOW)
    (binding,) = delivery_queue("main-pacs").bindings
    assert (made.exchange, made.routing_key) == (binding.exchange, binding.pattern)
    assert expect(made, DeliveryDue) == DeliveryDue(delivery_id="d1", study_uid="1.2.3")


@pytest.mark.parametrize("seconds", [WAIT_SECONDS, *RETRY_DELAYS_SECONDS])
def test_a_later_wake_up_waits_in_a_queue_that_exists(seconds: int) -> None:
    made = wake_up_later(DUE, "/forwarder/host:1", NOW, seconds=seconds, attempt=2)
    assert made.exchange == ""
    assert made.routing_key in delivery_queue("main-pacs").names
    assert made.attempt == 2


def test_a_dead_letter_says_what_died_of_what() -> None:
    reason = DeliveryReason(kind="refused", dicom_status=0xC000, text=as_said("refused"))
    made = dead_letter(DUE, "/forwarder/host:1", NOW, reason, attempt=4, first_failed_at=NOW)
    assert made.routing_key == "forwarder.deliver.main-pacs.dlq"
    assert made.headers == {
        "x-attempt": 4,
        "x-last-error": "refused",
        "x-first-failed-at": "2026-01-22T00:00:00+00:00",
        "x-queue": "forwarder.deliver.main-pacs",
        "x-study-uid": "1.2.3",
    }
