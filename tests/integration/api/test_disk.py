"""The disk: how full, with what, and until when there is room."""

import re
import shutil
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from dicom_router.archive import ReceiptId
from dicom_router.events import StudyDeleted, message
from dicom_router.models import Receipt, RecordedEvent
from tests.integration.api.conftest import NOON, Api, a_study
from tests.support.disk import Disk

_GIBIBYTE = 1 << 30


def a_receipt(at: datetime, size: int, **values: Any) -> Receipt:
    return Receipt(
        **{
            "receipt_id": str(ReceiptId(at, uuid.uuid4().hex[:16], 1)),
            "association_id": "a",
            "state": "organized",
            "study_uid": "1.2.3",
            "series_uid": "1",
            "sop_class_uid": "1",
            "sop_instance_uid": uuid.uuid4().hex,
            "transfer_syntax_uid": "1",
            "instance_number": "1",
            "size": size,
            "sha256": "",
            "spool_path": "",
            "received_at": at,
            **values,
        }
    )


def deleted(study_uid: str, at: datetime) -> RecordedEvent:
    event = StudyDeleted(study_uid=study_uid, why="retention", by="organizer")
    sent = message(event, id=uuid.uuid4().hex, source="test", time=at)
    return RecordedEvent(event_id=sent.id, name=event.name, time=at, body=sent.body.decode())


def test_room_is_that_of_the_disk(api: Api) -> None:
    shown = api.get("/disk")
    assert shown["total_bytes"] == shutil.disk_usage(api.settings.data_dir).total
    assert shown["used_bytes"] + shown["free_bytes"] == shown["total_bytes"]
    five_percent = int(shown["total_bytes"] * 0.05)
    assert shown["minimum_free_bytes"] == max(2 * _GIBIBYTE, five_percent)
    assert shown["refusing"] == (shown["free_bytes"] < shown["minimum_free_bytes"])


def test_bytes_are_told_by_what_they_belong_to(api: Api) -> None:
    api.add(
        a_study("1.1", state="sent", size_bytes=100),
        a_study("1.2", state="sent", size_bytes=20),
        a_study("1.3", state="failed", size_bytes=3),
        a_study("1.4", state="sent", size_bytes=5000, on_disk=False),
        a_receipt(NOON, 7, state="quarantined"),
        a_receipt(NOON, 9000, state="quarantined", on_disk=False),
    )
    spool = api.settings.data_dir / ".spool" / "host-1"
    spool.mkdir(parents=True)
    (spool / "waits.dcm").write_bytes(bytes(11))
    shown = api.get("/disk")
    assert shown["studies_bytes"] == {"sent": 120, "failed": 3}
    assert (shown["spool_bytes"], shown["quarantine_bytes"]) == (11, 7)


def test_the_forecast_is_what_came_in_a_day_less_what_went(api: Api) -> None:
    api.add(
        a_receipt(NOON - timedelta(days=3), 10**9),
        a_receipt(NOON - timedelta(hours=20), 30 * _GIBIBYTE),
        a_receipt(NOON - timedelta(hours=1), 18 * _GIBIBYTE),
        a_study("1.1", size_bytes=24 * _GIBIBYTE, on_disk=False),
        a_study("1.2", size_bytes=99 * _GIBIBYTE, on_disk=False),
        deleted("1.1", NOON - timedelta(hours=2)),
        deleted("1.2", NOON - timedelta(hours=30)),
    )
    shown = api.get("/disk")
    assert shown["growth_window_hours"] == 24
    assert shown["growth_bytes_per_hour"] == _GIBIBYTE
    room = max(0, shown["free_bytes"] - shown["minimum_free_bytes"])
    assert abs(shown["hours_to_full"] - room / _GIBIBYTE) < 0.2
    assert shown["forecast"] == "in-hours"


def test_a_disk_that_does_not_grow_has_no_forecast(api: Api) -> None:
    shown = api.get("/disk")
    assert (shown["forecast"], shown["hours_to_full"]) == ("not-filling", None)
    api.add(
        a_receipt(NOON - timedelta(hours=20), 10),
        a_study("1.1", size_bytes=10, on_disk=False),
        deleted("1.1", NOON - timedelta(hours=2)),
    )
    api.now[0] += timedelta(minutes=1)
    shown = api.get("/disk")
    assert (shown["growth_bytes_per_hour"], shown["hours_to_full"]) == (0, None)


def test_of_a_new_router_the_rate_is_that_of_its_first_hours(api: Api) -> None:
    api.add(a_receipt(NOON - timedelta(hours=4), 4000))
    shown = api.get("/disk")
    assert (shown["growth_window_hours"], shown["growth_bytes_per_hour"]) == (4, 1000)


def test_what_is_on_disk_is_added_up_twice_a_minute_at_most(api: Api) -> None:
    assert api.get("/disk")["studies_bytes"] == {}
    api.add(a_study("1.1", state="sent", size_bytes=100))
    api.now[0] += timedelta(seconds=29)
    assert api.get("/disk")["studies_bytes"] == {}
    api.now[0] += timedelta(seconds=1)
    assert api.get("/disk")["studies_bytes"] == {"sent": 100}


def test_diagnostics_warn_a_day_before_the_disk_is_full(start: Callable[..., Api]) -> None:
    api = start(disk_min_free_percent=0)
    free = shutil.disk_usage(api.settings.data_dir).free
    api.add(a_receipt(NOON - timedelta(hours=23), 3 * free))
    (check,) = [each for each in api.get("/diagnostics") if each["id"] == "disk"]
    assert check["status"] == "warn"
    assert "refused in" in check["detail"]
    assert check["fix"]


@pytest.mark.parametrize(
    ("share_of_free", "forecast", "told"),
    [
        (None, "not-filling", r"it is not filling up \(period looked at: 24 hours\)"),
        (1 / 40, "in-hours", r"refused in \d+ days \(period looked at: 23 hours\)"),
        (1 / 1400, "in-hours", r"refused in \d years \("),
        (1e-7, "far-off", "not full within ten years"),
    ],
)
def test_diagnostics_always_tell_when_the_disk_will_be_full(
    start: Callable[..., Api], share_of_free: float | None, forecast: str, told: str
) -> None:
    api = start(disk_min_free_percent=0)
    free = shutil.disk_usage(api.settings.data_dir).free
    if share_of_free:
        api.add(a_receipt(NOON - timedelta(hours=23), int(free * share_of_free)))
    (check,) = [each for each in api.get("/diagnostics") if each["id"] == "disk"]
    assert re.search(told, check["detail"])
    assert api.get("/disk")["forecast"] == forecast


def test_a_disk_that_is_not_there_is_told_of(api: Api) -> None:
    Disk(api.settings.data_dir).unmount()
    api.settings.data_dir.rmdir()
    assert "mounted" in api.get("/disk", 503)["detail"]
