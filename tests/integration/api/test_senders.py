"""Senders: known scanners, and nobody cut off by the first."""

from datetime import datetime, timedelta
from typing import Any

from dicom_router.models import Association, Receipt
from tests.integration.api.conftest import NOON, Api, data_of

CT1 = {"name": "ct1", "ae_title": "CT1", "host": "10.0.0.7", "port": 104}


def test_a_sender_is_registered_shown_changed_and_deleted(api: Api) -> None:
    created = api.post("/senders", CT1 | {"addresses": ["10.0.0.7", "10.1.2.3/16"]})
    assert created["addresses"] == ["10.0.0.7/32", "10.1.0.0/16"]
    assert data_of(api.command()) == {"sender": "ct1"}
    assert api.get("/senders")["items"] == [api.get("/senders/ct1")]
    changed = api.put("/senders/ct1", {"ae_title": "CT1", "settle_seconds": 5})
    assert (changed["settle_seconds"], changed["addresses"], changed["port"]) == (5, [], None)
    assert data_of(api.command()) == {"sender": "ct1"}
    api.post("/senders", CT1, status=409)
    api.delete("/senders/ct1")
    assert data_of(api.command()) == {"sender": "ct1"}
    api.get("/senders/ct1", status=404)


def test_when_a_sender_was_heard_of_last_is_told_and_refusals_do_not_count(api: Api) -> None:
    hours = [NOON - timedelta(hours=n) for n in range(4)]
    opened = [
        _association("a1", "CT1", hours[0], opened_at=hours[0], outcome="rejected"),
        _association("a2", "CT1", hours[1], opened_at=hours[1], outcome=None),
        _association("a3", "CT1", hours[2], opened_at=hours[2], outcome="released"),
        _association("a4", "CT2", hours[3], opened_at=hours[3], outcome="aborted"),
    ]
    assert api.post("/senders", CT1)["last_heard_at"] is None
    api.add(*opened)
    assert api.post("/senders", CT1 | {"name": "ct2", "ae_title": "CT2"})["last_heard_at"]
    heard = [datetime.fromisoformat(e["last_heard_at"]) for e in api.get("/senders")["items"]]
    assert heard == [hours[1], hours[3]]
    shown = api.get("/senders/ct1")
    assert datetime.fromisoformat(shown["last_heard_at"]) == hours[1]
    assert api.put("/senders/ct1", shown) == shown


def test_a_value_that_is_not_allowed_is_named(api: Api) -> None:
    for field, value in (
        ("addresses", ["10.0.0.300"]),
        ("addresses", "10.0.0.1"),
        ("settle_seconds", -1),
        ("settle_seconds", "NaN"),
        ("port", 0),
        ("ae_title", ""),
    ):
        problem = api.post("/senders", CT1 | {field: value}, status=422)
        assert problem["errors"][0]["field"].startswith(field), (field, value)


def test_the_first_sender_brings_in_whoever_has_stored_in_the_last_30_days(api: Api) -> None:
    lately, long_ago = NOON - timedelta(days=29), NOON - timedelta(days=31)
    api.add(
        *_stored("a1", "MR ROOM", lately),
        *_stored("a2", "MR_ROOM", lately, closed_at=None),
        *_stored("a3", "OLD_CT", long_ago),
        *_stored("a4", "CT1", lately),
        *_stored("a5", "FOLDER", lately, peer_address=""),
        _association("a6", "ONLY_ECHOED", lately),
    )
    created = api.post("/senders", CT1)
    assert created["also_registered"] == ["mr-room", "mr-room-2"]
    found = {each["name"]: each["ae_title"] for each in api.get("/senders")["items"]}
    assert found == {"ct1": "CT1", "mr-room": "MR ROOM", "mr-room-2": "MR_ROOM"}
    assert api.get("/senders/mr-room")["addresses"] == []
    second = api.post("/senders", CT1 | {"name": "ct2", "ae_title": "CT2"})
    assert second["also_registered"] == []


def _stored(
    association_id: str, ae_title: str, at: datetime, **values: Any
) -> tuple[Association, Receipt]:
    receipt = Receipt(
        receipt_id=f"{at:%Y%m%dT%H%M%S.%fZ}_{association_id}_000001",
        association_id=association_id,
        state="organized",
        study_uid="1.2.3",
        series_uid="1",
        sop_class_uid="1",
        sop_instance_uid=association_id,
        transfer_syntax_uid="1",
        instance_number="",
        size=1,
        sha256="",
        spool_path="",
        received_at=at,
    )
    return _association(association_id, ae_title, at, **values), receipt


def _association(association_id: str, ae_title: str, at: datetime, **values: Any) -> Association:
    return Association(
        **{
            "association_id": association_id,
            "receiver": "host-1",
            "calling_ae_title": ae_title,
            "called_ae_title": "DICOMROUTER",
            "peer_address": "10.0.0.7",
            "closed_at": at,
            **values,
        }
    )
