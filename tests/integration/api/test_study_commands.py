"""What people have done with a study: sent again, held, released, deleted."""

from datetime import timedelta
from typing import Any

from dicom_router.models import DeliveryInstance, Receipt, Study
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


def _decide(api: Api, what: str, reason: str = "the wrong patient", status: int = 200) -> Any:
    return api.post(f"/studies/1.2.3/{what}", {"reason": reason}, status=status)


def _delete(api: Api, reason: str = "the wrong patient", status: int = 200) -> Any:
    answer = api.client.request("DELETE", "/api/v1/studies/1.2.3", json={"reason": reason})
    assert answer.status_code == status, answer.text
    return answer.json()


def _events(api: Api) -> list[tuple[str, str]]:
    return [(each["event"], each["detail"]) for each in api.get("/studies/1.2.3/timeline")]


def test_a_hold_is_in_effect_when_it_is_answered(api: Api) -> None:
    api.bus.close(1.0)  # and needs no broker
    api.add(a_study(revision=1, routed_revision=1, receiving=False), a_delivery("d1"))
    shown = _decide(api, "hold")
    assert (shown["state"], shown["held"]) == ("held", True)
    assert shown["hold_reason"] == "the wrong patient"
    assert shown == api.get("/studies/1.2.3")
    assert _events(api) == [("held", "admin holds it; nothing more goes out: the wrong patient")]


def test_a_release_has_forwarders_look_at_once(api: Api) -> None:
    api.add(a_study(revision=1, routed_revision=1, receiving=False), a_delivery("d1"))
    _decide(api, "hold")
    shown = _decide(api, "release", "it was the right one")
    assert (shown["state"], shown["held"], shown["hold_reason"]) == ("complete", False, None)
    assert data_of(api.command()) == {"study_uid": "1.2.3", "by": "admin"}
    assert _events(api)[-1] == ("released", "admin released it: it was the right one")


def test_a_hold_does_not_change_since_when_a_study_is_sent(api: Api) -> None:
    api.add(
        a_study(revision=1, routed_revision=1, receiving=False, state="sent", sent_revision=1),
        a_delivery("d1", state="delivered"),
    )
    with api.database.write() as session:
        study = session.get(Study, "1.2.3")
        assert study is not None
        study.sent_at = NOON
    sent_at = api.get("/studies/1.2.3")["sent_at"]
    api.now[0] += timedelta(days=1)
    shown = _decide(api, "hold")
    assert (shown["sent"], shown["sent_at"]) == (False, None)
    shown = _decide(api, "release")
    assert (shown["sent"], shown["sent_at"]) == (True, sent_at)


def test_a_release_says_that_a_person_has_seen_what_needed_attention(api: Api) -> None:
    flag = {"kind": "identity-conflict", "text": "two patients", "at": NOON.isoformat()}
    api.add(a_study(attention=[flag], needs_attention=True), a_study("1.2.4"))
    flagged = api.get("/studies", needs_attention=True)["items"]
    assert [each["study_uid"] for each in flagged] == ["1.2.3"]
    assert flagged[0]["attention"][0]["text"] == "two patients"
    others = api.get("/studies", needs_attention=False)["items"]
    assert [each["study_uid"] for each in others] == ["1.2.4"]
    shown = _decide(api, "release", "the same person")
    assert (shown["needs_attention"], shown["attention"]) == (False, [])
    assert _events(api) == [("released", "admin looked at it: the same person")]
    assert api.no_command()


def test_a_decision_that_makes_no_sense_is_refused(api: Api) -> None:
    _decide(api, "hold", status=404)
    api.add(a_study())
    assert "not held" in _decide(api, "release", status=409)["detail"]
    _decide(api, "hold")
    assert "the wrong patient" in _decide(api, "hold", status=409)["detail"]
    for reason in ("", "  ", "x" * 501, "\0"):
        _decide(api, "hold", reason, status=422)
    _delete(api, "", status=422)
    _delete(api)
    assert _events(api)[-1] == ("deleted", "admin had it deleted: the wrong patient")
    for what in ("hold", "release"):
        assert "deleted" in _decide(api, what, status=409)["detail"]
    assert "by admin" in _delete(api, status=409)["detail"]


def test_a_deleted_study_owes_nothing_and_its_history_stays(api: Api) -> None:
    _with_destination(api)
    api.add(
        a_study(revision=1, routed_revision=1, receiving=False),
        a_delivery("d1", state="sending", lease_owner="f", lease_until=NOON),
        a_delivery("d2", state="failed", destination="archive"),
        a_delivery("d3", state="delivered", destination="third"),
        DeliveryInstance(delivery_id="d1", receipt_id="r1", state="waiting"),
    )
    shown = _delete(api)
    assert (shown["state"], shown["sent"], shown["on_disk"]) == ("deleted", False, True)
    states = {each["id"]: (each["state"], each["replaced_by"]) for each in shown["deliveries"]}
    assert states == {
        "d1": ("cancelled", "deletion"),
        "d2": ("failed", "deletion"),
        "d3": ("delivered", None),
    }
    assert data_of(api.command()) == {"study_uid": "1.2.3", "by": "admin"}
    detail = "admin had it deleted; deliveries cancelled by that: 1. Why: the wrong patient"
    assert _events(api) == [("deleted", detail)]
    assert "deleted" in api.post("/deliveries/d1/retry", status=409)["detail"]
    assert api.get("/studies", state="deleted")["items"] == [shown]
    assert 'dicom_router_studies{state="deleted"} 1.0' in api.client.get("/metrics").text


def test_a_study_that_is_no_longer_on_disk_can_not_be_deleted(api: Api) -> None:
    api.add(a_study(on_disk=False, state="sent"))
    assert "no longer on this disk" in _delete(api, status=409)["detail"]


def test_a_studys_history_is_told_in_the_readers_language(api: Api) -> None:
    api.add(a_study("1.2.3", state="complete", revision=1))
    api.post("/studies/1.2.3/hold", {"reason": "wrong patient"}, status=200)
    asked = {"Accept-Language": "pt-BR"}
    shown = api.client.get("/api/v1/studies/1.2.3/timeline", headers=asked).json()
    assert [each["detail"] for each in shown] == [
        "admin o retém; nada mais é enviado: wrong patient"
    ]
    assert "said" not in shown[0]
    assert api.get("/studies/1.2.3/timeline")[0]["detail"] == (
        "admin holds it; nothing more goes out: wrong patient"
    )
