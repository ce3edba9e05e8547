"""The router or the PACS is away for a while: the page says so, and goes on by itself."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Arrive
from tests.support.pacs import Pacs
from tests.support.router import Router

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def settings(settings: dict[str, object]) -> dict[str, object]:
    """As in a container, where nobody sees that no other machine reaches the port of a test."""
    return {**settings, "ROUTER_RECEIVER_HOST": "127.0.0.1"}


def test_while_the_router_is_away_the_page_says_so_and_it_goes_on_by_itself(
    page: Page, router: Router, arrive: Arrive
) -> None:
    arrive("VELHO^RUI")
    page.goto("/studies")
    expect(page.get_by_role("link", name="VELHO RUI")).to_be_visible()
    page.evaluate("window.isTheSameVisit = true")
    router.stop()
    away = page.get_by_role("status").filter(has_text="The router does not answer. This is as of")
    expect(away).to_be_visible()
    expect(page.get_by_role("link", name="VELHO RUI")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_class("stale")
    router.start()
    expect(away).to_have_count(0)
    expect(page.get_by_role("main")).not_to_contain_class("stale")
    arrive("NOVO^RUI")
    expect(page.get_by_role("link", name="NOVO RUI")).to_be_visible()
    assert page.evaluate("window.isTheSameVisit")


def test_the_overview_says_that_all_is_well_until_the_pacs_is_away(page: Page, pacs: Pacs) -> None:
    page.goto("/")
    expect(page.get_by_text("All is well. There is nothing to do.")).to_be_visible()
    pacs.down()
    expect(page.get_by_text("1 thing to look at")).to_be_visible()
    expect(page.locator("strong").filter(has_text="Destination default")).to_be_visible()
    pacs.up()
    expect(page.get_by_text("All is well. There is nothing to do.")).to_be_visible()
