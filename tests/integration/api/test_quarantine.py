"""What the API tells of quarantine, and what may be asked for what is in it."""

from datetime import timedelta
from typing import Any

import pytest

from dicom_router.events import QuarantineDelete, QuarantineRetry, expect
from dicom_router.models import Association, Receipt
from tests.integration.api.conftest import NOON, Api, a_study

RECEIPT = "20260122T120000.000000Z_0123456789abcdef_000001"


def set_aside(receipt_id: str = RECEIPT, **values: Any) -> Receipt:
    return Receipt(
        **{
            "receipt_id": receipt_id,
            "association_id": "a1",
            "state": "quarantined",
            "study_uid": None,
            "series_uid": "",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
            "sop_instance_uid": "1.2.3.4",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "instance_number": "",
            "size": 4711,
            "sha256": "",
            "spool_path": f".spool/host-1/{receipt_id}.dcm",
            "file_name": f".quarantine/{receipt_id}.dcm",
            "on_disk": True,
            "reason": "it ends within (7FE0,0010)",
            "received_at": NOON,
            **values,
        }
    )


def put_file(api: Api, receipt_id: str = RECEIPT) -> None:
    (api.settings.data_dir / ".quarantine" / f"{receipt_id}.dcm").write_bytes(b"x")


def test_an_image_in_quarantine_is_shown_with_its_sender_and_reason(api: Api) -> None:
    api.add(
        set_aside(),
        Association(
            association_id="a1",
            receiver="host-1",
            calling_ae_title="CT1",
            called_ae_title="ROUTER",
            peer_address="10.0.0.7",
        ),
    )
    put_file(api)
    assert api.get("/quarantine") == {
        "items": [
            {
                "id": RECEIPT,
                "kind": "unreadable",
                "reason": "it ends within (7FE0,0010)",
                "received_at": "2026-01-22T12:00:00Z",
                "calling_ae_title": "CT1",
                "peer_address": "10.0.0.7",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
                "sop_instance_uid": "1.2.3.4",
                "study_uid": None,
                "size_bytes": 4711,
                "path": f".quarantine/{RECEIPT}.dcm",
                "on_disk": True,
            }
        ],
        "next": None,
    }


def test_what_is_in_quarantine_has_a_kind(api: Api) -> None:
    api.add(
        set_aside("strange"),
        set_aside(RECEIPT[:-1] + "2", reason="it has no Study Instance UID"),
        set_aside(RECEIPT[:-1] + "3", state="superseded", reason="superseded by x", study_uid="1"),
        set_aside(RECEIPT[:-1] + "4", spool_path=".spool/folder/x.loose"),
        set_aside(RECEIPT[:-1] + "5", state="superseded", reason=None),
        set_aside(RECEIPT[:-1] + "6", state="organized", reason=None),
    )
    kinds = {each["kind"] for each in api.get("/quarantine")["items"]}
    assert kinds == {"stray", "no-study", "superseded", "loose"}
    assert len(api.get("/quarantine")["items"]) == 4
    assert not any(each["on_disk"] for each in api.get("/quarantine")["items"])  # no such files


def test_the_list_comes_in_pages_and_by_reason(api: Api) -> None:
    ids = [f"{RECEIPT[:-1]}{number}" for number in range(5)]
    for number, each in enumerate(ids):
        api.add(set_aside(each, received_at=NOON + timedelta(seconds=number)))
    api.add(set_aside("other", reason="It is something ELSE", association_id="a2"))
    api.add(set_aside("gone", on_disk=False))
    first = api.get("/quarantine", limit=3, reason="ENDS within")
    rest = api.get("/quarantine", limit=3, reason="ENDS within", cursor=first["next"])
    assert [each["id"] for each in [*first["items"], *rest["items"]]] == ids[::-1]
    assert rest["next"] is None
    assert [each["id"] for each in api.get("/quarantine", reason="else")["items"]] == ["other"]
    assert [each["id"] for each in api.get("/quarantine", on_disk=False)["items"]] == ["gone"]


def test_retry_and_delete_are_commands_to_the_organizer(api: Api) -> None:
    api.add(set_aside())
    assert api.post(f"/quarantine/{RECEIPT}/retry", status=202) == {
        "id": RECEIPT,
        "command": "quarantine-retry",
    }
    assert expect(api.command(), QuarantineRetry).receipt_id == RECEIPT
    api.delete(f"/quarantine/{RECEIPT}", status=202)
    assert expect(api.command(), QuarantineDelete).by == "admin"


@pytest.mark.parametrize(
    ("row", "status", "told"),
    [
        ({"receipt_id": "another"}, 404, "GET /api/v1/quarantine"),
        ({"on_disk": False, "reason": "bad; deleted by ada"}, 409, "deleted by ada"),
        ({"state": "organized"}, 404, "not in quarantine"),
        ({"state": "superseded", "study_uid": "1.2.3"}, 409, "study was deleted"),
    ],
)
def test_what_cannot_be_taken_in_again_is_refused_with_a_reason(
    api: Api, row: dict[str, Any], status: int, told: str
) -> None:
    api.add(a_study("1.2.3", deleted=True), set_aside(**row))
    assert told in api.post(f"/quarantine/{RECEIPT}/retry", status=status)["detail"]
    assert api.no_command()
