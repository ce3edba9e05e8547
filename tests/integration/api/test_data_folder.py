"""Which data folder is the right one, as an administrator sees it and decides."""

from collections.abc import Callable
from typing import Any

from dicom_router.models import (
    DeliveryInstance,
    Receipt,
    ReceiptState,
    Study,
    TimelineEntry,
)
from tests.integration.api.conftest import NOON, Api, a_delivery, a_study
from tests.support.disk import Disk


def check(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = {each["id"]: each for each in api.get("/diagnostics")}["data-folder"]
    return found


def test_the_right_folder_is_ok(api: Api) -> None:
    shown = api.get("/data-folder")
    assert shown["status"] == "ok"
    assert shown["expected_id"] == shown["found_id"] is not None
    assert check(api)["status"] == "ok"
    problem = api.post("/data-folder/adopt", adoption(api), status=409)
    assert "nothing to do" in problem["detail"]


def adoption(api: Api, **values: object) -> dict[str, object]:
    expected = api.get("/data-folder")["expected_id"]
    return {"reason": "The disk has died", "instead_of": expected} | values


def test_a_folder_that_is_away_or_another_one_is_told(api: Api) -> None:
    disk = Disk(api.settings.data_dir)
    expected = api.get("/data-folder")["expected_id"]
    disk.swap()
    shown = api.get("/data-folder")
    assert (shown["status"], shown["found_id"]) == ("other", "another-routers-id")
    told = check(api)
    assert told["status"] == "fail"
    assert expected in told["detail"]
    assert "another-routers-id" in told["detail"]
    assert "Mount the right disk" in told["fix"]
    assert (shown["missing"], shown["studies"]) == (0, [])
    api.add(a_study("1.2.3", on_disk=True), a_study("1.2.4", on_disk=False))
    shown = api.get("/data-folder")
    assert (shown["missing"], [each["study_uid"] for each in shown["studies"]]) == (1, ["1.2.3"])
    (disk.root / ".router-id").unlink()
    shown = api.get("/data-folder")
    assert (shown["status"], shown["expected_id"], shown["found_id"]) == ("missing", expected, None)
    assert check(api)["status"] == "fail"


def test_it_starts_without_the_right_folder_and_makes_nothing_there(
    start: Callable[..., Api],
) -> None:
    first = start()
    disk = Disk(first.settings.data_dir)
    disk.unmount()
    second = start()
    assert second.get("/data-folder")["status"] == "missing"
    assert disk.everything() == set()


def test_a_folder_is_not_adopted_by_accident(api: Api) -> None:
    disk = Disk(api.settings.data_dir)
    good = adoption(api)
    disk.unmount()
    problem = api.post("/data-folder/adopt", good | {"instead_of": "no-such-id"}, status=409)
    assert "expected_id" in problem["detail"]
    api.post("/data-folder/adopt", good | {"reason": " "}, status=422)
    api.post("/data-folder/adopt", {"reason": "The disk has died"}, status=422)
    assert disk.everything() == set()
    assert check(api)["status"] == "fail"


def test_the_folder_that_is_there_is_adopted_with_its_own_id(api: Api) -> None:
    disk = Disk(api.settings.data_dir)
    good = adoption(api)
    disk.swap()
    assert api.post("/data-folder/adopt", good, status=200)["router_id"] == "another-routers-id"
    assert api.get("/data-folder")["status"] == "ok"
    disk.mount()  # the one that was given up
    assert api.get("/data-folder")["status"] == "other"


def test_an_adopted_folder_lists_the_studies_that_are_not_in_it(api: Api) -> None:
    api.add(
        a_study("1.1", folder="there", state="sent"),
        a_study("1.2", folder="lost", state="forwarding", revision=1, routed_revision=1),
        a_study("1.3", folder="gone-before", on_disk=False),
        a_delivery("d1", study_uid="1.2"),
        a_receipt("r1", "1.2", "1.2.1", revision=1),
        a_receipt("r2", "1.2", "1.2.2", revision=None),
    )
    api.add(DeliveryInstance(delivery_id="d1", receipt_id="r1"))
    disk = Disk(api.settings.data_dir)
    good = adoption(api)
    disk.unmount()
    (disk.root / "there").mkdir()
    done = api.post("/data-folder/adopt", good, status=200)
    assert done["missing"] == 1
    assert done["studies"] == [{"study_uid": "1.2", "folder": "lost"}]
    assert api.get("/data-folder")["found_id"] == done["router_id"] != good["instead_of"]

    lost = api.read(lambda session: session.get(Study, "1.2"))
    assert (lost.on_disk, lost.needs_attention) == (False, True)
    assert lost.state != "sent"
    (item,) = lost.attention
    at = f"{NOON.astimezone():%Y-%m-%d %H:%M}"
    assert f"not in the data folder that was adopted on {at}" in item["text"]
    entries = api.read(lambda session: session.query(TimelineEntry).all())
    assert [(each.study_uid, each.event) for each in entries] == [("1.2", "files-missing")]
    assert entries[0].data["reason"] == "The disk has died"
    there = api.read(lambda session: session.get(Study, "1.1"))
    assert (there.on_disk, there.needs_attention) == (True, False)
    on_disk = api.read(lambda session: {r.receipt_id: r.on_disk for r in session.query(Receipt)})
    assert on_disk == {"r1": False, "r2": True}  # r2 is yet to be owed, and to fail


def a_receipt(receipt_id: str, study: str, uid: str, revision: int | None) -> Receipt:
    return Receipt(
        receipt_id=receipt_id,
        association_id="a",
        state=ReceiptState.ORGANIZED,
        study_uid=study,
        series_uid="1.9",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=uid,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        instance_number="1",
        size=1,
        sha256="",
        spool_path="",
        file_name=f"CT.{uid}.dcm",
        revision=revision,
        received_at=NOON,
        organized_at=NOON,
    )
