"""Deliveries: listed, and commands about them where they make sense."""

from datetime import timedelta

from dicom_router.models import Delivery
from tests.integration.api.conftest import (
    NOON,
    Api,
    a_delivery,
    a_destination,
    a_study,
    data_of,
)


def test_deliveries_are_listed_newest_first_in_pages(api: Api) -> None:
    api.add(
        *(
            a_delivery(f"d{number}", revision=number, created_at=NOON + timedelta(seconds=number))
            for number in range(5)
        ),
        a_delivery("other", destination="backup", state="delivered"),
    )
    first = api.get("/deliveries", limit=3)
    rest = api.get("/deliveries", limit=3, cursor=first["next"])
    ids = [each["id"] for each in first["items"] + rest["items"]]
    assert ids == ["d4", "d3", "d2", "d1", "other", "d0"]
    assert rest["next"] is None
    assert [each["id"] for each in api.get("/deliveries", destination="backup")["items"]] == [
        "other"
    ]
    assert len(api.get("/deliveries", state="waiting")["items"]) == 5


def test_deliveries_that_another_one_replaced_are_left_out_if_asked(api: Api) -> None:
    api.add(
        a_delivery("old", revision=1, state="cancelled", replaced_by="new"),
        a_delivery("new", revision=2, state="cancelled"),
    )
    assert [each["id"] for each in api.get("/deliveries", replaced="false")["items"]] == ["new"]
    assert [each["id"] for each in api.get("/deliveries", replaced="true")["items"]] == ["old"]
    assert len(api.get("/deliveries")["items"]) == 2


def test_a_delivery_in_the_list_says_whose_study_it_is_of(api: Api) -> None:
    api.add(a_study("1.2.3", patient_name="DOE_JANE"), a_delivery("d1", "1.2.3"))
    (found,) = api.get("/deliveries")["items"]
    assert found["patient_name"] == "DOE_JANE"


def test_a_delivery_says_why_it_waits(api: Api) -> None:
    reason = {"kind": "refused", "dicom_status": 0xA700, "text": "out of resources"}
    api.add(a_delivery("d1", state="retrying", reason=reason, attempt=2, next_attempt_at=NOON))
    (shown,) = api.get("/deliveries")["items"]
    assert (shown["reason"], shown["attempt"]) == (reason, 2)
    assert shown["next_attempt_at"] == "2026-01-22T12:00:00Z"


def test_retry_becomes_a_command_and_cancel_is_done_where_they_make_sense(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.command()
    states = ("waiting", "retrying", "sending", "failed", "delivered", "cancelled")
    api.add(
        a_study(receiving=False, revision=1, routed_revision=1),
        *(a_delivery(state, state=state, revision=n) for n, state in enumerate(states)),
    )
    for state in ("waiting", "retrying", "failed", "cancelled"):
        assert api.post(f"/deliveries/{state}/retry", status=202)["command"] == "delivery-retry"
        command = api.command()
        assert command.routing_key == "delivery-retry"
        assert data_of(command) == {
            "delivery_id": state,
            "by": "admin",
            "at": "2026-01-22T12:00:00Z",
        }
    for state in ("sending", "delivered"):
        assert state in api.post(f"/deliveries/{state}/retry", status=409)["detail"]
    for state in ("waiting", "retrying", "sending"):
        shown = api.post(f"/deliveries/{state}/cancel", status=200)
        assert (shown["state"], shown["reason"]["text"]) == ("cancelled", "Cancelled by admin")
    row = api.read(lambda session: session.get(Delivery, "sending"))
    assert (row.state, row.lease_owner, row.finished_at) == ("cancelled", None, NOON)
    assert api.get("/studies/1.2.3/timeline")[-1]["event"] == "delivery-cancelled"
    for state in ("failed", "delivered", "cancelled"):
        assert state in api.post(f"/deliveries/{state}/cancel", status=409)["detail"]
    assert api.no_command()


def test_nothing_is_tried_again_to_a_destination_that_is_gone(api: Api) -> None:
    api.add(a_delivery("d1", state="cancelled"))
    assert "'pacs'" in api.post("/deliveries/d1/retry", status=409)["detail"]
    assert api.no_command()
