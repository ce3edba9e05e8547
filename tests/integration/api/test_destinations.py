"""Destinations: changed by people, owned by TARGET_* while these are set."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from dicom_router.models import Delivery, DestinationOutage, Study, TimelineEntry
from services.api.queries.destinations import cancel_deliveries
from tests.integration.api.conftest import NOON, Api, a_delivery, a_destination, a_study, data_of

TARGET = {"TARGET_HOST": "10.0.0.9", "TARGET_PORT": 4242, "TARGET_AET": "ARCHIVE"}


def test_a_destination_is_created_shown_changed_and_deleted(api: Api) -> None:
    created = api.post("/destinations", a_destination())
    assert created["enabled"] is True
    assert (created["down"], created["waiting"], created["managed_by"]) == (None, 0, None)
    assert data_of(api.command()) == {"destination": "pacs"}
    assert api.get("/destinations/pacs") == created
    assert api.get("/destinations")["items"] == [created]

    changed = api.put("/destinations/pacs", {**created, "paused": True})  # as it was shown
    assert changed["paused"] is True
    assert data_of(api.command()) == {"destination": "pacs"}

    api.delete("/destinations/pacs")
    assert data_of(api.command()) == {"destination": "pacs"}
    api.get("/destinations/pacs", status=404)


def test_put_replaces_and_what_is_left_out_takes_its_default(api: Api) -> None:
    api.post("/destinations", a_destination(paused=True, calling_ae_title="ME"))
    shown = api.put("/destinations/pacs", {"host": "h", "port": 1, "ae_title": "X"})
    assert (shown["paused"], shown["calling_ae_title"], shown["host"]) == (False, "", "h")
    api.put("/destinations/nowhere", {"host": "h", "port": 1, "ae_title": "X"}, status=404)
    other = a_destination(name="other")
    assert api.put("/destinations/pacs", other, status=422)["errors"][0]["field"] == "name"


def test_a_change_that_changes_nothing_is_told_to_nobody(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.command()
    api.put("/destinations/pacs", a_destination())
    assert api.no_command()


def test_a_name_is_taken_once(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.command()
    assert "PUT" in api.post("/destinations", a_destination(), status=409)["detail"]
    assert api.no_command()


def test_a_destination_that_is_down_says_since_when_and_how_many_wait(api: Api) -> None:
    api.post("/destinations", a_destination())
    reason = {"kind": "unreachable", "dicom_status": None, "text": "refused the connection"}
    api.add(
        DestinationOutage(
            destination="pacs", since=NOON, reason=reason, probe="echo", next_probe_at=NOON
        ),
        a_delivery("d1"),
        a_delivery("d2", revision=2, state="delivered"),
    )
    shown = api.get("/destinations/pacs")
    assert shown["down"]["since"] == "2026-01-22T12:00:00Z"
    assert shown["down"]["reason"] == reason
    assert shown["waiting"] == 1


def test_what_waits_is_in_the_way_of_deletion_unless_it_is_to_be_discarded(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.add(
        a_study(state="complete", receiving=False, revision=1, routed_revision=1),
        a_delivery("d1", lease_owner="forwarder@x", lease_until=NOON),
        a_delivery("d2", destination="other", state="delivered"),
    )
    problem = api.delete("/destinations/pacs", status=409)
    assert "waiting=discard" in problem["detail"]
    api.delete("/destinations/pacs", waiting="discard")
    delivery = api.read(lambda session: session.get(Delivery, "d1"))
    assert (delivery.state, delivery.next_attempt_at, delivery.lease_owner) == (
        "cancelled",
        None,
        None,
    )
    study = api.read(lambda session: session.get(Study, "1.2.3"))
    assert (study.state, study.sent) == ("failed", False)
    story = api.get("/studies/1.2.3/timeline")
    assert story[-1]["event"] == "delivery-cancelled"
    assert api.read(lambda session: session.query(TimelineEntry).count()) == 1


def test_what_more_studies_owe_than_are_locked_at_once_is_discarded(api: Api) -> None:
    api.post("/destinations", a_destination())
    api.add(
        *(a_study(f"1.2.{n}", receiving=False, revision=1, routed_revision=1) for n in range(70)),
        *(a_delivery(f"d{n}", f"1.2.{n}") for n in range(70)),
    )
    with api.database.write() as session:
        assert cancel_deliveries(session, "pacs", "admin", NOON, studies=3) == 3
    api.delete("/destinations/pacs", waiting="discard")
    states = api.read(lambda session: set(session.scalars(select(Delivery.state))))
    assert states == {"cancelled"}
    assert api.read(lambda session: set(session.scalars(select(Study.state)))) == {"failed"}
    api.get("/destinations/pacs", status=404)


def test_target_variables_make_the_default_destination(start: Callable[..., Api]) -> None:
    api = start(**TARGET)
    shown = api.get("/destinations/default")
    assert (shown["host"], shown["port"], shown["ae_title"]) == ("10.0.0.9", 4242, "ARCHIVE")
    assert shown["managed_by"] == "TARGET_HOST"
    assert data_of(api.command()) == {"destination": "default"}
    problem = api.put("/destinations/default", {**shown, "port": 1}, status=409)
    assert "TARGET_HOST" in problem["detail"]
    assert "TARGET_HOST" in api.delete("/destinations/default", status=409)["detail"]


def test_target_variables_that_changed_change_it_at_the_next_start(
    start: Callable[..., Api],
) -> None:
    start(**TARGET).service.stop(7.0)
    same = start(**TARGET)
    assert same.no_command()
    same.service.stop(7.0)
    changed = start(**TARGET | {"TARGET_PORT": 4243, "TARGET_CALLING_AET": "ME"})
    shown = changed.get("/destinations/default")
    assert (shown["port"], shown["calling_ae_title"]) == (4243, "ME")
    assert data_of(changed.command()) == {"destination": "default"}


def test_once_they_are_unset_the_destination_stays_and_is_anybodys(
    start: Callable[..., Api],
) -> None:
    start(**TARGET).service.stop(7.0)
    api = start()
    shown = api.get("/destinations/default")
    assert (shown["host"], shown["managed_by"]) == ("10.0.0.9", None)
    api.delete("/destinations/default")


def test_they_take_over_a_default_that_was_there(start: Callable[..., Api]) -> None:
    first = start()
    first.post("/destinations", a_destination(name="default", paused=True, enabled=False))
    first.service.stop(7.0)
    shown = start(**TARGET).get("/destinations/default")
    assert (shown["host"], shown["paused"], shown["enabled"]) == ("10.0.0.9", False, True)


def test_without_any_destination_one_line_says_how_to_set_one(
    start: Callable[..., Api], capsys: pytest.CaptureFixture[str]
) -> None:
    api = start()
    lines = [line for line in capsys.readouterr().out.splitlines() if "192.168.10.16" in line]
    assert len(lines) == 1
    assert "TARGET_HOST=192.168.10.16 TARGET_PORT=4243 TARGET_AET=ZEROCLICK" in lines[0]
    check = {each["id"]: each for each in api.get("/diagnostics")}["destinations"]
    assert check["status"] == "warn"
    assert "192.168.10.16:4243 ZEROCLICK" in check["detail"]
    assert "TARGET_HOST=192.168.10.16" in check["fix"]
    api.post("/destinations", a_destination())
    check = {each["id"]: each for each in api.get("/diagnostics")}["destinations"]
    assert (check["status"], check["detail"]) == ("ok", "1 known")
