"""Did my study arrive? What the people who ask this do, from the first image on."""

import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Arrive
from tests.support.browser import choose
from tests.support.pacs import Pacs
from tests.support.router import Router
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]


def row_of(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def test_a_study_is_seen_arriving_image_by_image_and_turning_sent(
    page: Page, router: Router, tmp_path: Path
) -> None:
    _study, files = ct_series(tmp_path, 6, PatientName="SOUZA^ANA")
    go_on = threading.Event()

    def after_each(file: object, _status: int | None) -> None:
        if file is files[2]:
            go_on.wait(60)

    page.goto("/studies")
    expect(page.get_by_role("heading", name="Studies", exact=True)).to_be_visible()
    page.evaluate("window.isTheSameVisit = true")
    row = row_of(page, "SOUZA ANA")
    scanner = threading.Thread(
        target=send, args=(files, router.dicom_port), kwargs={"on_sent": after_each}
    )
    scanner.start()
    try:
        expect(row.locator("td.number")).to_have_text("3")
        expect(row).to_contain_text("receiving")
    finally:
        go_on.set()
        scanner.join(60)
    expect(row.locator("td.number")).to_have_text("6")
    expect(row).to_contain_text("sent")
    expect(row).to_contain_text("default ✓")
    assert page.evaluate("window.isTheSameVisit")


def test_a_study_is_found_by_name_as_one_types_and_the_address_keeps_the_search(
    page: Page, arrive: Arrive
) -> None:
    arrive("LIMA^RUI")
    arrive("PEREIRA^EVA")
    page.goto("/studies")
    expect(row_of(page, "PEREIRA EVA")).to_be_visible()
    page.get_by_role("searchbox", name="Search").press_sequentially("lima r")
    expect(row_of(page, "PEREIRA EVA")).to_have_count(0)
    expect(row_of(page, "LIMA RUI")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/studies\?q=lima(\+|%20)r$"))
    page.reload()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("lima r")
    expect(row_of(page, "LIMA RUI")).to_be_visible()
    expect(row_of(page, "PEREIRA EVA")).to_have_count(0)


def test_the_search_box_says_what_the_address_does_after_a_link_and_the_way_back(
    page: Page, arrive: Arrive
) -> None:
    arrive("VOLTA^RUI")
    page.goto("/studies?q=volta")
    box = page.get_by_role("searchbox", name="Search")
    expect(box).to_have_value("volta")
    page.get_by_role("link", name="Studies", exact=True).click()
    expect(box).to_have_value("")
    page.go_back()
    expect(box).to_have_value("volta")
    page.get_by_role("button", name="Clear filters").click()
    expect(box).to_have_value("")
    expect(page).to_have_url(re.compile("/studies$"))


def test_a_study_is_opened_by_keyboard_alone(page: Page, arrive: Arrive) -> None:
    arrive("TECLADO^RUI")
    page.goto("/studies")
    expect(row_of(page, "TECLADO RUI")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("teclado")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("region", name="Studies; arrow keys move").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="TECLADO RUI")).to_be_visible()


def test_a_study_says_where_it_is_in_one_sentence_and_tells_its_history(
    page: Page, arrive: Arrive
) -> None:
    study = arrive("COSTA^RITA", 4)
    page.goto(f"/studies/{study}")
    expect(page.locator(".sentences")).to_contain_text(
        re.compile(r"default: 4 of 4 images, \d\d:\d\d\.")
    )
    history = page.locator(".timeline")
    expect(history).to_contain_text("CT1 at 127.0.0.1 sent 4 images")
    expect(history).to_contain_text("Complete: revision 1, 4 new images")
    expect(history).to_contain_text("default has it")
    proof = page.get_by_role("region", name="Why it counts as complete")
    expect(row_of(page, "released").locator("td.number")).to_have_text("4")
    expect(proof).to_contain_text("CT1")
    facts = page.get_by_role("definition")
    expect(facts.nth(4)).to_have_text(re.compile(r"^\d\d:\d\d$"))  # when it was sent
    page.get_by_role("link", name="What the logs say about it").click()
    lines = page.get_by_role("list", name="Logs").get_by_role("listitem")
    expect(lines.filter(has_text="The study is complete: 4 images")).to_be_visible()


def test_the_evidence_of_a_second_revision_says_what_it_covers(
    page: Page, router: Router, arrive: Arrive, tmp_path: Path
) -> None:
    study = arrive("REVISAO^RITA")
    page.goto(f"/studies/{study}")
    proof = page.locator("section", has=page.get_by_role("heading", name="Why it counts")).last
    expect(proof).to_contain_text(re.compile(r"then nothing came for \d+\ss\."))
    expect(proof).not_to_contain_text("This applies to revision")
    _study, files = ct_series(tmp_path / "late", 1, StudyInstanceUID=study)
    send(files, router.dicom_port)
    expect(proof).to_contain_text(re.compile(r"This applies to revision 2 \(\d\d:\d\d\)"))
    history = page.locator(".timeline li").filter(has_text="Revision 1 is complete")
    seconds = re.compile(r"then nothing came for \d+ s")
    expect(history).to_contain_text(seconds)


def test_a_study_says_which_images_are_no_longer_on_this_disk_as_they_came(
    page: Page, router: Router, arrive: Arrive
) -> None:
    study = arrive("FALTA^RITA", 4)
    page.goto(f"/studies/{study}")
    on_disk = page.get_by_text("On this disk", exact=True).locator("xpath=../dd")
    expect(on_disk).to_have_text("Yes")
    first, second, *_ = sorted((router.data / router.study(study)["folder"]).glob("*.dcm"))
    first.unlink()
    second.write_bytes(b"This is no DICOM file.")
    page.reload()
    expect(on_disk).to_have_text("2 of 4 images, 1 replaced by something else")


def test_a_patient_s_name_is_not_in_the_browser_s_history(page: Page, arrive: Arrive) -> None:
    study = arrive("SEGREDO^EVA")
    page.goto(f"/studies/{study}")
    expect(page.get_by_role("heading", name="SEGREDO EVA")).to_be_visible()
    expect(page).to_have_title("Study · DICOM router")


def test_a_series_shows_its_thumbnail(page: Page, arrive: Arrive) -> None:
    study = arrive("IMAGEM^ANA")
    page.goto(f"/studies/{study}")
    picture = page.locator(".series img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", value=True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_a_study_is_sent_again(page: Page, router: Router, pacs: Pacs, arrive: Arrive) -> None:
    study = arrive("NOVO^ENVIO", 3)
    before = len(pacs.has())
    page.goto(f"/studies/{study}")
    page.get_by_role("button", name="Send again").click()
    choose(page, "What", "Everything once more")
    page.locator("wa-dialog").get_by_role("button", name="Send again").click()
    expect(page.locator(".timeline")).to_contain_text("admin asked to send it to default")
    expect(page.locator(".timeline").get_by_text("default has it")).to_have_count(2)
    wait_for(lambda: len(pacs.has()) == before + 3, "the three images at the PACS once more")
    assert router.study(study)["state"] == "sent"


def test_a_log_line_is_read_as_it_is_written(page: Page, router: Router, tmp_path: Path) -> None:
    page.goto("/logs?q=LOG_CT")
    expect(page.get_by_text("No line fits.")).to_be_visible()
    line = page.get_by_role("listitem").filter(has_text="association.accepted")
    _study, files = ct_series(tmp_path, 1)
    send(files, router.dicom_port, calling="LOG_CT")
    expect(line).to_contain_text("LOG_CT at 127.0.0.1 connected")
    expect(line.get_by_text("AE title that was called")).to_be_hidden()
    line.get_by_text("association.accepted").click()
    expect(line.get_by_text("AE title that was called")).to_be_visible()


def test_log_lines_beyond_the_first_page_are_a_click_away(
    page: Page, router: Router, tmp_path: Path
) -> None:
    _study, files = ct_series(tmp_path, 1)
    for _ in range(101):
        send(files, router.dicom_port, calling="OFTEN_CT")
    page.goto("/logs?q=OFTEN_CT")
    lines = page.get_by_role("list", name="Logs").get_by_role("listitem")
    expect(lines).to_have_count(200)
    page.get_by_role("button", name="Show more").click()
    expect(lines).to_have_count(202)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
