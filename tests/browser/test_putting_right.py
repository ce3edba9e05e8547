"""Something is wrong: it shows by itself within seconds, and is put right from the screen."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dicom_router.database import Database
from infra.ports import free_port
from services.api.queries.bulk import create
from tests.browser.conftest import Arrive
from tests.support.browser import choose
from tests.support.pacs import Pacs
from tests.support.router import Router
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Destinations are added by each test."""
    return {"ROUTER_RETENTION_HOURS": -1}


@pytest.fixture
def destination(router: Router, pacs: Pacs) -> Iterator[str]:
    """The PACS as a destination that can be edited; gone afterwards."""
    address = {"host": "127.0.0.1", "port": pacs.port, "ae_title": pacs.ae_title}
    router.call("POST", "/destinations", {"name": "pacs", **address})
    yield "pacs"
    router.call("DELETE", "/destinations/pacs?waiting=discard")


def card(page: Page, name: str) -> Locator:
    return page.locator("wa-card").filter(has=page.get_by_role("heading", name=name))


def edit(page: Page, name: str, label: str, value: str) -> None:
    card(page, name).get_by_role("button", name="Edit").click()
    form = page.locator("wa-dialog")
    form.get_by_label(label, exact=True).fill(value)
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)


def test_a_pacs_that_moved_shows_as_down_and_gets_what_waits_once_its_port_is_corrected(
    page: Page, router: Router, pacs: Pacs, destination: str, arrive: Arrive
) -> None:
    arrive("ANTES^RUI")
    page.goto("/destinations")
    expect(card(page, destination)).to_contain_text("answers")
    page.evaluate("window.isTheSameVisit = true")
    pacs.down()
    pacs.port, old = free_port(), pacs.port
    pacs.up()
    study = arrive("DURANTE^RUI", state="complete")
    expect(card(page, destination)).to_contain_text("down")
    expect(card(page, destination)).to_contain_text("it can't be reached")
    page.get_by_role("link", name="Studies", exact=True).click()
    page.get_by_role("link", name="DURANTE RUI").click()
    expect(page.locator(".sentences")).to_contain_text(
        re.compile("pacs has been down since .*This study waits")
    )

    page.get_by_role("link", name="Destinations").click()
    expect(card(page, destination)).to_contain_text(f"127.0.0.1:{old}")
    edit(page, destination, "Port", str(pacs.port))
    expect(card(page, destination)).to_contain_text("answers")
    page.get_by_role("link", name="Studies", exact=True).click()
    page.get_by_role("link", name="DURANTE RUI").click()
    expect(page.locator(".sentences")).to_contain_text("pacs: 2 of 2")
    assert page.evaluate("window.isTheSameVisit")
    assert router.study(study)["state"] == "sent"


def test_a_study_that_the_pacs_refuses_is_told_why_and_is_tried_again_at_once_when_asked(
    page: Page, pacs: Pacs, destination: str, arrive: Arrive
) -> None:
    page.goto("/queues")
    expect(page.get_by_text("There are none.")).to_be_visible()
    pacs.status = 0xA900  # the data set does not match the SOP class
    try:
        arrive("RECUSADO^RUI", state="forwarding")
        row = page.get_by_role("region", name="Deliveries that failed").get_by_role("row").last
        expect(row).to_contain_text("It refused an image (status 0xA900)")
        row.get_by_role("link", name="RECUSADO RUI").click()
        sentences = page.locator(".sentences")
        expect(sentences).to_contain_text(f"{destination}: 0 of 2 images, it refused an image")
    finally:
        pacs.status = 0x0000
    page.get_by_role("button", name="Try now").click()
    expect(sentences).to_contain_text(f"{destination}: 2 of 2")


def test_a_cancelled_delivery_is_among_what_failed_until_it_is_sent_again(
    page: Page, router: Router, pacs: Pacs, destination: str, arrive: Arrive
) -> None:
    pacs.status = 0xA900
    try:
        study = arrive("CANCELADO^RUI", state="forwarding")
        (delivery,) = router.study(study)["deliveries"]
        page.goto("/queues")
        row = page.get_by_role("row").filter(has_text="CANCELADO RUI")
        row.get_by_role("button", name="Cancel").click()
        expect(row).to_contain_text("cancelled")
        expect(row).to_contain_text("Cancelled by admin")
        assert router.study(study)["state"] == "failed"
    finally:
        pacs.status = 0x0000
    row.get_by_role("button", name="Send again").click()
    expect(row).to_have_count(0)
    wait_for(lambda: router.study(study)["state"] == "sent", "what was cancelled to be sent")
    assert (delivery["destination"], len(router.study(study)["deliveries"])) == (destination, 1)


def test_what_a_destination_is_owed_is_told_whatever_messages_are_left(
    page: Page, router: Router, pacs: Pacs, destination: str, arrive: Arrive
) -> None:
    address = {"host": "127.0.0.1", "port": pacs.port, "ae_title": pacs.ae_title}
    router.call("PUT", f"/destinations/{destination}", {**address, "paused": True})
    page.goto("/queues")
    row = page.get_by_role("row").filter(has_text=f"forwarder.deliver.{destination}")
    expect(row).to_contain_text("Nothing waits")
    study = arrive("ACORDAR^RUI", state="complete")
    expect(row).to_contain_text(re.compile(r"1 delivery waits, since \d\d:\d\d"))
    (delivery,) = router.study(study)["deliveries"]
    router.call("POST", f"/deliveries/{delivery['id']}/cancel")
    expect(row).to_contain_text("Nothing waits")
    expect(page.get_by_text("Messages only wake the services")).to_be_visible()


@pytest.mark.usefixtures("destination")
def test_many_studies_are_sent_more_than_once_and_what_ended_early_is_no_success(
    page: Page, router: Router, arrive: Arrive
) -> None:
    arrive("MUITOS^RUI")
    page.goto("/send-many?q=muitos")
    send_them = page.get_by_role("button", name="Send what is missing of 1 study")
    send_them.click()
    expect(page.get_by_text("1 study asked for")).to_be_visible()
    expect(page).to_have_url(re.compile("q=muitos&bulk="))
    page.reload()
    expect(page.get_by_text("1 study asked for")).to_be_visible()

    others_come_first(router)
    send_them.click()
    page.get_by_role("button", name="Ask for no more").click()
    ended = page.locator("wa-callout").filter(has_text="It ended early: 0 of 1 asked for")
    expect(ended).to_have_attribute("variant", "warning")
    expect(ended).to_contain_text("Cancelled by admin")
    expect(send_them).to_be_enabled()


def others_come_first(router: Router) -> None:
    """As many bulks that fit no study as take a minute, one a second."""
    with closing(Database(f"sqlite:///{router.data / '.router.sqlite3'}")) as database:
        before = datetime.now(UTC) - timedelta(minutes=1)
        wanted = {"q": "nobody of this name"}
        with database.write() as session:
            for _ in range(60):
                create(session, wanted, None, True, by="admin", studies=0, now=before)


def test_the_audit_trail_tells_who_changed_what_and_leads_to_the_request_in_the_logs(
    page: Page, router: Router, pacs: Pacs, destination: str
) -> None:
    moved = {"host": "127.0.0.2", "port": pacs.port, "ae_title": pacs.ae_title}
    router.call("PUT", f"/destinations/{destination}", moved)
    page.goto("/audit")
    choose(page, "What", "changed a destination")
    expect(page).to_have_url(re.compile(r"action=destination\.change"))
    trail = page.get_by_role("region", name="Audit trail")
    expect(trail.get_by_text("added a destination")).to_have_count(0)
    row = trail.get_by_role("row").nth(1)
    expect(row).to_contain_text("Administrator")
    row.get_by_text("Details").click()
    expect(row.get_by_text("127.0.0.1 → 127.0.0.2")).to_be_visible()
    row.get_by_role("link").click()
    line = page.get_by_role("list", name="Logs").get_by_role("listitem")
    expect(line.filter(has_text="PUT")).to_contain_text("/destinations/")


def test_an_echo_to_a_scanner_tells_that_it_answers_or_at_which_stage_it_failed(
    page: Page, router: Router, pacs: Pacs
) -> None:
    scanner = {"name": "ct1", "ae_title": "CT1", "host": "127.0.0.1", "port": pacs.port}
    router.call("POST", "/senders", scanner)
    page.goto("/scanners")
    ct1 = card(page, "ct1")
    ct1.get_by_role("button", name="Echo").click()
    expect(ct1.get_by_role("status")).to_contain_text(re.compile(r"It answers, in [\d.]+ ms"))
    edit(page, "ct1", "Port", str(free_port()))
    ct1.get_by_role("button", name="Echo").click()
    expect(ct1.get_by_role("status")).to_contain_text("it failed at connecting to the port")
    router.call("DELETE", "/senders/ct1")


@pytest.mark.usefixtures("destination")
def test_a_scanner_shows_when_it_was_heard_last_and_what_came_of_its_calls(
    page: Page, router: Router, tmp_path: Path
) -> None:
    for name in ("ct1", "mr1"):
        router.call("POST", "/senders", {"name": name, "ae_title": name.upper()})
    page.goto("/scanners")
    expect(card(page, "mr1")).to_contain_text("No call accepted yet")
    _study, files = ct_series(tmp_path, 2, PatientName="CHAMADA^ANA")
    wait_for(
        lambda: set(send(files, router.dicom_port, calling="MR1").values()) == {0},
        "the receiver to know the scanner",
    )
    send(files, router.dicom_port)
    card(page, "mr1").get_by_role("link", name="Last heard").click()
    calls = page.get_by_role("region", name="Recent calls")
    row = calls.get_by_role("row").filter(has_text="MR1")
    expect(row.first).to_contain_text(re.compile(r"MR1\s*127\.0\.0\.1\s*released\s*2\s*0"))
    expect(calls.get_by_role("row").filter(has_text="CT1")).to_have_count(0)
    for name in ("ct1", "mr1"):
        router.call("DELETE", f"/senders/{name}")


@pytest.mark.usefixtures("destination")
def test_a_caller_that_was_refused_is_admitted_with_one_click(
    page: Page, router: Router, tmp_path: Path
) -> None:
    router.call("POST", "/senders", {"name": "ct1", "ae_title": "CT1"})
    study, files = ct_series(tmp_path, 1, PatientName="ESTRANHO^RUI")

    def attempt() -> set[int | None]:
        return set(send(files, router.dicom_port, calling="NEW_CT").values())

    wait_for(lambda: attempt() == {None}, "the door to be closed to strangers")
    page.goto("/scanners")
    refused = page.get_by_role("region", name="Refused callers")
    row = refused.get_by_role("row").filter(has_text="NEW_CT")
    expect(row).to_contain_text("is not a known sender")
    router.call("POST", "/senders", {"name": "new-ct", "ae_title": "OLD_CT"})
    expect(card(page, "new-ct")).to_contain_text("OLD_CT")  # so that its name is known to be taken
    row.get_by_role("button", name="Admit").click()
    expect(card(page, "new-ct-2")).to_contain_text("NEW_CT")
    expect(row).to_have_count(0)
    wait_for(lambda: attempt() == {0}, "the scanner to be let in")
    wait_for(lambda: router.study(study).get("state") == "sent", "its study to be sent")
