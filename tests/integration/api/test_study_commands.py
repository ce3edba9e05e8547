"""What people have done with a study: sent again."""

from typing import Any

from dicom_router.models import DeliveryInstance, Receipt
from tests.integration.api.conftest import (
    NOON,
    Api,
    a_delivery,
    a_destination,
    a_study,
    data_of,
)


def a_receipt(receipt_id: str, **values: Any) -> Receipt:
    return Receipt(
        **{
            "receipt_id": receipt_id,
            "association_id": "a1",
            "state": "organized",
            "study_uid": "1.2.3",
            "series_uid": "1.2.3.1",
            "sop_class_uid": "1.2",
            "sop_instance_uid": f"1.2.3.1.{receipt_id}",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "instance_number": "1",
            "size": 10,
            "sha256": "",
            "spool_path": "",
            "received_at": NOON,
            **values,
        }
    )


def _with_destination(api: Api, **values: Any) -> None:
    api.post("/destinations", a_destination(**values))
    api.command()


def test_a_study_is_sent_again_by_a_command(api: Api) -> None:
    _with_destination(api)
    api.add(a_study(revision=1, receiving=False, state="sent"))
    body = {"destination": "pacs", "only_missing": False}
    answer = api.post("/studies/1.2.3/forward", body, status=202)
    assert answer == {"id": "1.2.3", "command": "forward-requested"}
    assert data_of(api.command()) == {"study_uid": "1.2.3", "by": "admin", **body}


def test_what_is_missing_is_sent_to_all_destinations_unless_told_otherwise(api: Api) -> None:
    _with_destination(api)
    api.add(a_study(revision=1, receiving=False, state="sent"))
    api.post("/studies/1.2.3/forward", {}, status=202)
    asked = data_of(api.command())
    assert (asked["destination"], asked["only_missing"]) == (None, True)


def test_a_study_that_is_no_longer_on_disk_is_with_those_who_have_it(api: Api) -> None:
    _with_destination(api)
    api.add(
        a_study(revision=1, receiving=False, state="sent", on_disk=False, image_count=2),
        a_delivery("d1", state="delivered"),
        a_delivery("d2", state="cancelled", destination="archive"),
        a_receipt("r1", on_disk=False),
        a_receipt("r2", on_disk=False),
    )
    api.add(
        *(
            DeliveryInstance(delivery_id=d, receipt_id=r, state=state, delivered_at=at)
            for d, r, state, at in (
                ("d1", "r1", "delivered", NOON),
                ("d1", "r2", "delivered", NOON),
                ("d2", "r1", "delivered", NOON),
                ("d2", "r2", "waiting", None),
            )
        )
    )
    problem = api.post("/studies/1.2.3/forward", {}, status=409)
    assert problem["detail"] == (
        "This study is no longer on this disk: archive has 1 of its 2 images since "
        "2026-01-22T12:00:00+00:00; pacs has 2 of its 2 images since 2026-01-22T12:00:00+00:00. "
        "Send it from there."
    )
    assert [(each["destination"], each["images"]) for each in problem["have"]] == [
        ("archive", 1),
        ("pacs", 2),
    ]
    assert api.no_command()


def test_a_study_that_is_still_being_received_goes_out_by_itself(api: Api) -> None:
    _with_destination(api)
    api.add(a_study())
    problem = api.post("/studies/1.2.3/forward", {}, status=409)
    assert "goes out by itself" in problem["detail"]


def test_what_can_not_be_sent_is_refused_with_the_remedy(api: Api) -> None:
    api.post("/studies/1.2.3/forward", {}, status=404)
    api.add(
        a_study(revision=1, receiving=False, state="unrouted"),
        a_study("1.2.4", revision=1, receiving=False, state="deleted", deleted=True),
    )
    path = "/studies/1.2.3/forward"
    assert "No destination is enabled" in api.post(path, {}, status=409)["detail"]
    _with_destination(api, enabled=False)
    assert "disabled" in api.post(path, {"destination": "pacs"}, status=409)["detail"]
    problem = api.post(path, {"destination": "nowhere"}, status=422)
    assert problem["errors"][0]["field"] == "destination"
    api.post(path, {"destination": "NO NAME"}, status=422)
    api.post(path, {"only_mising": True}, status=422)
    _with_destination(api, name="archive")
    assert "deleted" in api.post("/studies/1.2.4/forward", {}, status=409)["detail"]
    assert api.no_command()


def test_a_replaced_delivery_shows_by_which_and_is_not_tried_again(api: Api) -> None:
    _with_destination(api)
    api.add(
        a_study(revision=1, receiving=False),
        a_delivery("d1", state="cancelled", replaced_by="d2"),
        a_delivery("d2"),
    )
    shown = {each["id"]: each["replaced_by"] for each in api.get("/studies/1.2.3")["deliveries"]}
    assert shown == {"d1": "d2", "d2": None}
    assert "replaced" in api.post("/deliveries/d1/retry", status=409)["detail"]
