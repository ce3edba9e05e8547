"""Many studies sent (again): counted first, then asked for bit by bit."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from dicom_router.events import ForwardRequested, Message
from dicom_router.models import BulkForward, Study
from dicom_router.queues import FORWARDER_COMMANDS
from tests.integration.api.conftest import NOON, Api, a_destination, a_study, data_of
from tests.support.waiting import wait_for


def _complete(number: int, **values: Any) -> Study:
    return a_study(
        f"1.2.{number:04}", **{"revision": 1, "receiving": False, "image_count": 10} | values
    )


def _body(**values: Any) -> dict[str, Any]:
    return {"filter": {}, "destination": "pacs", "only_missing": True, **values}


def _forwarder(api: Api) -> list[dict[str, Any]]:
    """Takes the forwarders' commands from now on; those to send studies are kept."""
    taken: list[dict[str, Any]] = []

    def take(messages: Sequence[Message]) -> None:
        taken.extend(data_of(m) for m in messages if m.type == ForwardRequested.type_name())

    api.bus.consume(FORWARDER_COMMANDS, take)
    return taken


def _progress(api: Api, bulk: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = api.get(f"/deliveries/bulk/{bulk['id']}")
    return shown


def test_a_dry_run_counts_and_sends_nothing(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.command()
    api.add(
        _complete(1),
        _complete(2, modality="MR", modalities=["MR"]),
        _complete(3, on_disk=False, state="sent"),
        _complete(4, deleted=True, state="deleted"),
        _complete(5, revision=0),
    )
    counted = api.post("/deliveries/bulk", _body(dry_run=True), status=200)
    assert counted == {"studies": 2, "instances": 20, "not_on_disk": 1}
    wanted = _body(dry_run=True, filter={"modality": "CT", "state": ["receiving"]})
    assert api.post("/deliveries/bulk", wanted, status=200)["studies"] == 1
    assert api.no_command()


def test_every_study_that_fits_is_asked_for_once(api: Api) -> None:
    api.post("/destinations", a_destination())
    taken = _forwarder(api)
    api.add(*(_complete(number) for number in range(3)), _complete(7, on_disk=False))
    bulk = api.post("/deliveries/bulk", _body(only_missing=False), status=202)
    assert (bulk["studies"], bulk["instances"], bulk["not_on_disk"]) == (3, 30, 1)
    assert bulk["command"] == "forward-requested"
    wait_for(lambda: _progress(api, bulk)["finished_at"], "the bulk")
    wait_for(lambda: len(taken) == 3, "the commands")
    assert sorted(each["study_uid"] for each in taken) == ["1.2.0000", "1.2.0001", "1.2.0002"]
    assert {(each["destination"], each["only_missing"], each["by"]) for each in taken} == {
        ("pacs", False, "admin")
    }
    assert _progress(api, bulk)["asked"] == 3


def test_a_bulk_waits_for_the_forwarders_and_goes_on_after_a_restart(
    start: Callable[..., Api],
) -> None:
    first = start()
    first.post("/destinations", a_destination())
    first.add(*(_complete(number) for number in range(250)))
    bulk = first.post("/deliveries/bulk", _body(), status=202)
    first.bus.declare(FORWARDER_COMMANDS)
    wait_for(lambda: _progress(first, bulk)["asked"] == 200, "the first batch")
    wait_for(
        lambda: first.bus.depths([FORWARDER_COMMANDS])[0].messages == 200, "the commands to wait"
    )
    first.service.stop(7.0)
    second = start()
    assert _progress(second, bulk)["asked"] == 200
    taken = _forwarder(second)
    wait_for(lambda: _progress(second, bulk)["finished_at"], "the rest")
    wait_for(lambda: len(taken) == 50, "the rest of the commands")
    assert _progress(second, bulk)["asked"] == 250


def test_a_bulk_whose_filter_is_not_understood_any_more_ends_and_the_next_goes_on(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.add(
        _complete(1),
        BulkForward(
            id="old",
            wanted={"a_filter_of_yesterday": True},
            destination="pacs",
            only_missing=True,
            by="ada",
            studies=1,
            created_at=NOON - timedelta(hours=1),
        ),
    )
    taken = _forwarder(api)
    bulk = api.post("/deliveries/bulk", _body(), status=202)
    wait_for(lambda: len(taken) == 1, "the next one's command")
    assert _progress(api, bulk)["reason"] is None
    ended = api.get("/deliveries/bulk/old")
    assert ended["finished_at"]
    assert "not understood" in ended["reason"]


def test_a_bulk_that_is_cancelled_asks_for_no_more(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.add(_complete(1))
    first = api.post("/deliveries/bulk", _body(), status=202)
    cancelled = api.post(f"/deliveries/bulk/{first['id']}/cancel", status=200)
    assert (cancelled["asked"], cancelled["reason"]) == (0, "Cancelled by admin")
    taken = _forwarder(api)
    second = api.post("/deliveries/bulk", _body(only_missing=False), status=202)
    wait_for(lambda: _progress(api, second)["finished_at"], "the second")
    wait_for(lambda: taken, "its command")
    assert [each["only_missing"] for each in taken] == [False]
    api.post(f"/deliveries/bulk/{first['id']}/cancel", status=409)
    api.post("/deliveries/bulk/none/cancel", status=404)


def test_a_bulk_that_makes_no_sense_is_refused(api: Api) -> None:
    path = "/deliveries/bulk"
    assert "No destination" in api.post(path, _body(destination=None), status=409)["detail"]
    assert "none called" in api.post(path, _body(), status=422)["detail"]
    api.post("/destinations", a_destination())
    api.post(path, {"destination": "pacs"}, status=422)
    api.post(path, _body(filter={"modalty": "CT"}), status=422)
    api.post(path, _body(filter={"received_from": "yesterday"}), status=422)
    api.post(path, _body(filter={"q": "a\0b"}), status=422)
    api.get(f"{path}/none", status=404)
