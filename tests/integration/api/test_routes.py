"""Routes: added, changed, tried and removed."""

from typing import Any

from dicom_router.models import Association, Receipt
from tests.integration.api.conftest import NOON, Api, a_destination, a_study, data_of


def a_route(**values: Any) -> dict[str, Any]:
    return {"name": "ct", "modalities": ["CT"], "destinations": ["pacs"], **values}


def with_pacs(api: Api) -> Api:
    api.post("/destinations", a_destination())
    api.command()
    return api


def test_a_route_is_added_changed_and_removed(api: Api) -> None:
    with_pacs(api)
    added = api.post("/routes", a_route(order=5, calling_ae_titles=["CT_*"]))
    assert data_of(api.command()) == {"route": "ct"}
    assert added == api.get("/routes/ct") == api.get("/routes")["items"][0]
    assert added["missing"] == []
    assert (added["enabled"], added["last"], added["patient_ids"]) == (True, False, [])
    changed = api.put("/routes/ct", added | {"modalities": ["MR"], "enabled": False})
    assert (changed["modalities"], changed["enabled"]) == (["MR"], False)
    assert data_of(api.command()) == {"route": "ct"}
    api.delete("/routes/ct")
    assert data_of(api.command()) == {"route": "ct"}
    assert "GET /api/v1/routes" in api.get("/routes/ct", 404)["detail"]
    api.put("/routes/ct", a_route(), 404)
    api.delete("/routes/ct", 404)


def test_what_is_wrong_with_a_route_is_named(api: Api) -> None:
    with_pacs(api)
    for field, value in (
        ("destinations", []),
        ("destinations", ["nowhere"]),
        ("modalities", ["ct scanner"]),
        ("order", -1),
        ("calling_ae_titles", [""]),
        ("name", "Not A Name"),
    ):
        answer = api.post("/routes", a_route(**{field: value}), 422)
        assert answer["errors"][0]["field"].startswith(field)
    api.post("/routes", a_route())
    assert "PUT changes it" in api.post("/routes", a_route(), 409)["detail"]
    api.put("/routes/ct", a_route(name="other"), 422)


def test_routes_are_listed_in_their_order(api: Api) -> None:
    with_pacs(api)
    for name, order in (("c", 5), ("a", 10), ("b", 10), ("d", 1)):
        api.post("/routes", a_route(name=name, order=order))
    first = api.get("/routes", limit=3)
    rest = api.get("/routes", limit=3, cursor=first["next"])
    assert [each["name"] for each in first["items"] + rest["items"]] == ["d", "c", "a", "b"]
    assert rest["next"] is None


def test_a_destination_that_a_route_names_stays(api: Api) -> None:
    with_pacs(api)
    api.post("/routes", a_route())
    assert "routes ct" in api.delete("/destinations/pacs", 409)["detail"]
    api.delete("/destinations/pacs", 409, waiting="discard")
    api.delete("/routes/ct")
    api.delete("/destinations/pacs")


def test_a_route_to_a_disabled_destination_is_told_of(api: Api) -> None:
    with_pacs(api)
    api.post("/routes", a_route())
    assert _check(api)["status"] == "ok"
    api.put("/destinations/pacs", a_destination(enabled=False))
    assert api.get("/routes/ct")["missing"] == ["pacs"]
    check = _check(api)
    assert check["status"] == "warn"
    assert "ct (pacs)" in check["detail"]
    assert check["fix"]


def test_a_study_can_be_tried_on_the_routes(api: Api) -> None:
    with_pacs(api)
    api.add(a_study("1.2.3", modalities=["CT", "SR"]), _association(), _receipt())
    api.post("/routes", a_route(calling_ae_titles=["CT_ROOM_*"]))
    api.post("/routes", a_route(name="mr", modalities=["MR", "US"]))
    api.post("/routes", a_route(name="off", enabled=False))
    found = api.post("/routes/test", {"study_uid": "1.2.3"}, 200)
    assert found["destinations"] == ["pacs"]
    assert found["detail"] == "route ct: pacs"
    assert found["routes"] == [
        {"name": "ct", "applies": True, "why_not": [], "destinations": ["pacs"]},
        {
            "name": "mr",
            "applies": False,
            "why_not": ["modality: CT, SR, not MR or US"],
            "destinations": ["pacs"],
        },
    ]
    api.post("/routes/test", {"study_uid": "9.9"}, 404)


def test_what_a_study_might_be_can_be_tried_too(api: Api) -> None:
    with_pacs(api)
    nothing = api.post("/routes/test", {"modalities": ["MR"]}, 200)
    assert nothing["destinations"] == ["pacs"]
    assert "no routes" in nothing["detail"]
    api.post("/routes", a_route())
    found = api.post("/routes/test", {"modalities": ["MR"], "patient_id": "P1"}, 200)
    assert (found["destinations"], found["routes"][0]["applies"]) == ([], False)


def test_a_route_can_be_tried_before_it_is_saved(api: Api) -> None:
    with_pacs(api)
    api.post("/routes", a_route())
    draft = a_route(modalities=["MR"], destinations=["pacs", "later"])
    found = api.post("/routes/test", {"modalities": ["MR"], "draft": draft}, 200)
    assert (found["destinations"], found["missing"]) == (["pacs"], ["later"])
    assert api.get("/routes/ct")["modalities"] == ["CT"]


def _check(api: Api) -> dict[str, Any]:
    (found,) = [each for each in api.get("/diagnostics") if each["id"] == "routes"]
    return dict(found)


def _association() -> Association:
    return Association(
        association_id="a1",
        receiver="r",
        calling_ae_title="CT_ROOM_1",
        called_ae_title="ROUTER",
        peer_address="10.0.0.7",
    )


def _receipt() -> Receipt:
    return Receipt(
        receipt_id="r1",
        association_id="a1",
        state="organized",
        study_uid="1.2.3",
        series_uid="1",
        sop_class_uid="1",
        sop_instance_uid="1.1",
        transfer_syntax_uid="1",
        instance_number="1",
        size=1,
        sha256="",
        spool_path="",
        received_at=NOON,
    )


def test_nul_is_in_no_study_and_in_no_reason(api: Api) -> None:
    tried = api.post("/routes/test", {"study_uid": "1.2\0"}, 422)
    assert tried["errors"][0]["field"] == "study_uid"
    adopted = api.post("/data-folder/adopt", {"reason": "it is\0", "instead_of": None}, 422)
    assert adopted["errors"][0]["field"] == "reason"
