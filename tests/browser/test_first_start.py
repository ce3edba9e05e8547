"""The very first start: from the one link in the log to the first study at the PACS."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SitDown
from tests.support.pacs import Pacs
from tests.support.router import Router
from tests.support.scanner import send
from tests.support.series import ct_series

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Nothing is set: the router makes its own token, and has nowhere to send to."""
    return {"ROUTER_API_TOKEN": ""}


def step(page: Page, title: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=title))


def test_the_link_in_the_log_leads_through_the_first_steps_to_a_study_at_the_pacs(
    sit_down: SitDown, router: Router, pacs: Pacs, tmp_path: Path
) -> None:
    found = re.search(r"http://\S+/#token=\S+", router.log_path.read_text("utf-8"))
    assert found
    page = sit_down()
    page.goto(found[0])
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    pacs_step, image_step = step(page, "Add your PACS"), step(page, "Send a test image")
    expect(pacs_step).not_to_contain_text("done")

    pacs_step.get_by_role("button", name="Add a destination").click()
    form = page.locator("wa-dialog")
    form.get_by_label("Name", exact=True).fill("pacs")
    form.get_by_label("Host or address").fill("127.0.0.1")
    form.get_by_label("Port").fill(str(pacs.port))
    form.get_by_label("AE title", exact=True).fill(pacs.ae_title)
    form.get_by_role("button", name="Save").click()
    expect(pacs_step).to_contain_text("done")
    pacs_step.get_by_role("button", name="Echo").click()
    expect(pacs_step.get_by_text("It answers")).to_be_visible()

    _study, files = ct_series(tmp_path, 1, PatientName="TESTE^UM")
    send(files, router.dicom_port)
    expect(image_step).to_contain_text("done")
    image_step.get_by_role("link", name="Studies").click()
    row = page.get_by_role("row").filter(has_text="TESTE UM")
    expect(row).to_contain_text("pacs ✓")
    assert len(pacs.has()) == 1
