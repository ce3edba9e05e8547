"""What a technician is told: every check against the real thing, well and broken."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dicom_router import VERSION
from dicom_router.archive import Archive, ReceiptId
from dicom_router.dimse import AcceptorLimits, serve_association
from dicom_router.errors import Unavailable
from dicom_router.events import LOGS_EXCHANGE, LogLine, message
from dicom_router.models import DestinationOutage
from dicom_router.part10 import FileMeta
from dicom_router.said import said
from infra.ports import free_port
from services.api.checkup import Checkup, Look
from services.api.schemas import Check, CheckStatus
from tests.integration.api.conftest import (
    NOON,
    Api,
    a_delivery,
    a_destination,
    a_study,
)
from tests.integration.api.test_quarantine import set_aside
from tests.support.waiting import wait_for
from tests.unit.dimse.peers import Keeper


def checks(api: Api) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in api.get("/diagnostics")}


@pytest.fixture
def peer() -> Iterator[int]:
    """Somebody who takes associations, one after the other, until the test is over."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _serve(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # the test is over
            return
        serve_association(connection, Keeper(), AcceptorLimits())


def test_every_check_that_is_not_well_says_what_to_do_and_leads_to_the_guide(api: Api) -> None:
    found = api.get("/diagnostics")
    assert {"database", "broker", "data-folder", "disk", "spool", "versions"} <= {
        each["id"] for each in found
    }
    for each in found:
        assert bool(each["fix"]) == (each["status"] != "ok"), each
        assert each["help"] == f"/help#{each['id'].partition(':')[0]}"


# -- DICOM ports -----------------------------------------------------------------------------


def test_a_port_that_other_machines_cannot_reach_is_to_be_looked_at(
    start: Callable[..., Api], peer: int
) -> None:
    api = start(dicom_host="127.0.0.1", dicom_ports=(peer,))
    check = checks(api)[f"dicom-port:{peer}"]
    assert check["status"] == "warn", check
    assert "127.0.0.1 only, as ROUTER_DICOM_HOST says" in check["detail"]
    assert "ROUTER_DICOM_HOST to 0.0.0.0" in check["fix"]


def test_a_port_for_tls_is_looked_at_too(start: Callable[..., Api], peer: int) -> None:
    found = checks(start(dicom_host="127.0.0.1", dicom_tls_ports=(peer,)))
    assert found[f"dicom-port:{peer}"]["title"] == f"DICOM port {peer} (TLS)"


def test_a_port_where_nobody_listens_fails_and_says_how_to_find_out_who_does(api: Api) -> None:
    port = api.settings.dicom_ports[0]
    check = checks(api)[f"dicom-port:{port}"]
    assert check["status"] == "fail"
    assert f"Nobody listens at 127.0.0.1:{port}" in check["detail"]
    assert f"sport = :{port}" in check["fix"]


def test_a_port_that_another_program_has_fails(start: Callable[..., Api]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        api = start(dicom_ports=(port,))
        thread = threading.Thread(target=_hang_up, args=(listening,))
        thread.start()
        check = checks(api)[f"dicom-port:{port}"]
        thread.join(10)
    assert check["status"] == "fail"
    assert "does not speak DICOM" in check["detail"]


def _hang_up(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(100)


def test_a_port_is_tried_by_the_addresses_that_other_machines_use(
    start: Callable[..., Api],
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening,))
        thread.start()
        port = listening.getsockname()[1]
        check = checks(start(dicom_ports=(port,)))[f"dicom-port:{port}"]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert check["status"] == "ok", check
    assert "DICOM is answered on" in check["detail"]
    assert "firewall" in check["detail"] or "no address" in check["detail"]


def test_in_a_container_it_is_said_what_cannot_be_seen_from_there(
    start: Callable[..., Api], peer: int
) -> None:
    check = checks(start(receiver_host="localhost", dicom_ports=(peer,)))[f"dicom-port:{peer}"]
    assert check["status"] == "ok"
    assert "can't be seen from here" in check["detail"]
    assert f"docker compose port localhost {peer}" in check["detail"]


def test_a_receiver_whose_host_is_not_known_fails(start: Callable[..., Api]) -> None:
    api = start(receiver_host="no-such-host.invalid")
    check = checks(api)[f"dicom-port:{api.settings.dicom_ports[0]}"]
    assert check["status"] == "fail"
    assert "ROUTER_RECEIVER_HOST" in check["detail"]


# -- destinations and scanners ---------------------------------------------------------------


def test_without_a_destination_it_is_said_how_to_set_one(api: Api) -> None:
    check = checks(api)["destinations"]
    assert check["status"] == "warn"
    assert "TARGET_HOST" in check["fix"]


def test_a_destination_and_a_scanner_that_answer_are_well(api: Api, peer: int) -> None:
    there = {"host": "127.0.0.1", "port": peer}
    api.post("/destinations", a_destination(**there))
    api.post("/senders", {"name": "ct1", "ae_title": "CT1", **there})
    api.post("/senders", {"name": "ct2", "ae_title": "CT2"})  # nobody knows where it listens
    found = checks(api)
    for name in ("destination:pacs", "sender:ct1"):
        assert found[name]["status"] == "ok", found[name]
        assert " ms" in found[name]["detail"]
    assert "sender:ct2" not in found


@pytest.mark.parametrize(
    ("host", "stage", "told"),
    [
        ("no-such-host.invalid", "dns", "getent hosts no-such-host.invalid"),
        ("127.0.0.1", "connect", "nc -vz 127.0.0.1"),
    ],
)
def test_who_does_not_answer_is_told_with_the_stage_that_failed(
    api: Api, host: str, stage: str, told: str
) -> None:
    there = {"host": host, "port": free_port()}
    api.post("/destinations", a_destination(**there))
    api.post("/senders", {"name": "ct1", "ae_title": "CT1", **there})
    found = checks(api)
    for name in ("destination:pacs", "sender:ct1"):
        assert found[name]["status"] == "warn"
        assert f"failed at the stage {stage}" in found[name]["detail"]
        assert told in found[name]["fix"]


def test_a_destination_that_is_silent_does_not_hold_up_the_answer(api: Api, peer: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        quiet = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        api.post("/destinations", a_destination(**quiet))
        api.post("/destinations", a_destination(name="other", host="127.0.0.1", port=peer))
        found = checks(api)
    assert "failed at the stage negotiate" in found["destination:pacs"]["detail"]
    assert found["destination:other"]["status"] == "ok"


def test_a_destination_is_asked_again_once_it_was_changed(api: Api, peer: int) -> None:
    api.post("/destinations", a_destination(host="127.0.0.1", port=free_port()))
    assert checks(api)["destination:pacs"]["status"] == "warn"
    mended = a_destination(host="127.0.0.1", port=peer)
    mended.pop("name")
    api.put("/destinations/pacs", mended)
    assert checks(api)["destination:pacs"]["status"] == "ok"


def test_an_answer_counts_for_a_while_so_that_looking_often_asks_seldom(api: Api) -> None:
    asked: list[None] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            asked.append(None)
            serve_association(connection, Keeper(), AcceptorLimits())

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        api.post("/destinations", a_destination(host="127.0.0.1", port=port))
        assert checks(api)["destination:pacs"]["status"] == "ok"
        thread.join(10)
    assert checks(api)["destination:pacs"]["status"] == "ok"  # though nobody listens any more
    assert len(asked) == 1


@pytest.fixture
def in_sao_paulo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The site's clock is three hours behind UTC."""
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_sao_paulo")
def test_a_destination_that_is_down_tells_since_when_by_the_site_s_clock_and_what_waits(
    api: Api,
) -> None:
    api.post("/destinations", a_destination(host="127.0.0.1", port=free_port()))
    api.add(
        DestinationOutage(
            destination="pacs",
            since=NOON,
            reason={"kind": "unreachable", "text": "it was switched off"},
            probe="echo",
            next_probe_at=NOON,
        ),
        a_delivery("d1"),
    )
    check = checks(api)["destination:pacs"]
    assert (check["status"], check["detail"]) == (
        "warn",
        "Down since 2026-01-22 09:00, 1 delivery waits: it was switched off",
    )
    assert "goes out by itself" in check["fix"]


def test_a_pause_that_was_forgotten_shows(api: Api, peer: int) -> None:
    api.post("/destinations", a_destination(host="127.0.0.1", port=peer, paused=True))
    assert checks(api)["destination:pacs"]["status"] == "ok"
    api.add(a_delivery("d1"))
    assert checks(api)["destination:pacs"]["detail"] == "It is paused; 1 delivery waits"


def test_a_disabled_destination_is_not_asked_but_one_has_to_be_enabled(api: Api, peer: int) -> None:
    api.post("/destinations", a_destination(host="127.0.0.1", port=free_port(), enabled=False))
    found = checks(api)
    assert found["destination:pacs"]["status"] == "ok"
    assert found["destinations"]["status"] == "warn"
    assert "None is enabled" in found["destinations"]["detail"]
    api.post("/destinations", a_destination(name="other", host="127.0.0.1", port=peer))
    assert checks(api)["destinations"]["status"] == "ok"


# -- spool, clock, versions, studies ---------------------------------------------------------


@pytest.mark.parametrize(("minutes", "status"), [(1, "ok"), (6, "warn"), (31, "fail")], ids=str)
def test_an_image_that_nobody_organizes_shows_by_its_age(
    api: Api, minutes: int, status: str
) -> None:
    spooled(api.settings.data_dir, NOON - timedelta(minutes=minutes))
    spooled(api.settings.data_dir, NOON)
    check = checks(api)["spool"]
    assert check["status"] == status
    assert ("organizer" in check["fix"]) == (status != "ok")


def spooled(data: Path, at: datetime) -> None:
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2", "CT1", "R", "", "")
    file = Archive(data).new_spool_file("host-1", ReceiptId(at, f"{at:%H%M}", 1), meta)
    file.write([memoryview(b"x")])
    file.commit()


def test_clocks_that_differ_show_with_whose_and_by_how_much(api: Api) -> None:
    api.now[0] = datetime.now(UTC)
    assert checks(api)["clock"]["status"] == "ok"
    line = LogLine(level="info", service="receiver", host="far", pid=1, event="x", fields={})
    api.now[0] -= timedelta(hours=2)
    api.bus.publish(message(line, id="a", source="test", exchange=LOGS_EXCHANGE)).result(5)
    wait_for(lambda: api.get("/logs", service="receiver")["items"], "the line")
    check = checks(api)["clock"]
    assert check["status"] == "warn"
    assert re.search(r"the clock of far is 7[12]\d\d s ahead", check["detail"])
    theirs = re.search(r"the database's clock is 7[12]\d\d s ahead", check["detail"])
    assert bool(theirs) != api.database.is_sqlite
    assert "NTP" in check["fix"]


def test_versions_are_told_in_one_line(api: Api) -> None:
    said = checks(api)["versions"]["detail"]
    kind = "SQLite" if api.database.is_sqlite else "PostgreSQL"
    assert re.fullmatch(
        rf"Router {VERSION}, Python 3\.\d+\.\d+, {kind} \d+[\d.]*, in-process bus", said
    )


def test_studies_that_need_attention_show(api: Api) -> None:
    api.add(a_study("1.2.3", needs_attention=True), a_study("1.2.4"))
    check = checks(api)["attention"]
    found = (check["status"], check["detail"])
    assert found == ("warn", "1 study needs a person to look at it")
    assert check["fix"].startswith("Look at each: its own page says why")


def test_studies_that_go_nowhere_show_by_why(api: Api) -> None:
    api.add(*(a_study(f"1.{n}", state="unrouted") for n in range(2)))
    api.add(a_study("1.2.3", state="failed"), a_study("1.2.4", state="sent"))
    found = checks(api)
    told = {name: (found[name]["status"], found[name]["detail"]) for name in ("unrouted", "failed")}
    assert told == {"unrouted": ("warn", "2 studies"), "failed": ("warn", "1 study")}
    assert found["held"]["status"] == "ok"
    api.add(a_study("1.2.5", state="held"))
    assert checks(api)["held"]["status"] == "warn"


def test_what_goes_nowhere_by_routes_is_helped_by_other_routes(api: Api) -> None:
    api.add(a_study(state="unrouted"))
    api.post("/destinations", a_destination(host="127.0.0.1", port=free_port()))
    assert checks(api)["unrouted"]["fix"].startswith("Add or enable a destination")
    api.post("/routes", {"name": "ct", "modalities": ["CT"], "destinations": ["pacs"]})
    assert checks(api)["unrouted"]["fix"].startswith("Change the routes")


@pytest.mark.usefixtures("in_sao_paulo")
def test_images_in_quarantine_show_with_the_age_of_the_oldest(api: Api) -> None:
    newer = {"state": "superseded", "reason": "superseded by b", "received_at": NOON}
    api.add(set_aside("a", **newer), set_aside("b", on_disk=False))
    check = checks(api)["quarantine"]
    told = "No image was left behind; 1 image replaced by newer bytes"
    assert (check["status"], check["detail"]) == ("ok", told)
    api.add(*(set_aside(f"c{n}", received_at=NOON + timedelta(hours=n)) for n in range(2)))
    check = checks(api)["quarantine"]
    assert check["status"] == "warn"
    assert check["detail"].startswith("2 images could not be organized")
    assert "the oldest is of 2026-01-22 09:00; 1 image replaced" in check["detail"]


# -- what hangs or fails -----------------------------------------------------------------------


def a_check(name: str) -> Check:
    return Check(id=name, title=said(""), status=CheckStatus.OK, detail=said(""), fix=said(""))


def test_a_check_that_hangs_or_fails_holds_up_no_other() -> None:
    begun: list[None] = []
    released = threading.Event()

    def hang() -> list[Check]:
        begun.append(None)
        released.wait(60)
        return [a_check("disk")]

    def fail() -> list[Check]:
        raise ValueError("odd")

    def wait_for_another() -> list[Check]:
        raise Unavailable("the database is away")

    checkup = Checkup(patience_seconds=0.2)
    looks = [
        Look("disk", said("Disk"), hang),
        Look("clock", said("Clock"), fail),
        Look("routes", said("Routes"), wait_for_another),
        Look("spool", said("Spool"), lambda: [a_check("spool")]),
    ]
    for _ in range(2):  # nobody is sent after the one who hangs
        found = checkup.run(looks)
        assert [each.status for each in found["spool"]] == ["ok"]
        assert [each.status for each in found["disk"]] == ["fail"]
        assert "did not answer within" in found["disk"][0].detail
        assert [each.status for each in found["clock"]] == ["fail"]
        assert "ValueError" in found["clock"][0].detail
        assert list(found["routes"]) == []
    assert len(begun) == 1
    released.set()
    wait_for(lambda: checkup.run(looks)["disk"][0].status == "ok", "the disk to answer again")


def test_with_another_schema_that_is_told_and_nothing_that_needs_the_database(api: Api) -> None:
    with api.database.write() as session:
        session.execute(text("DELETE FROM alembic_version"))
    found = checks(api)
    assert found["database"]["status"] == "fail"
    assert "python -m dicom_router.migrations" in found["database"]["fix"]
    assert found["disk"]["status"] == "ok"
    assert not {"destinations", "attention", "clock"} & found.keys()
