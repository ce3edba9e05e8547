"""What holds on every page: accessible in both themes, whole in both languages, quick to load."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from dicom_router.database import Database
from services.api.dashboard import PLACES
from tests.browser.conftest import SitDown
from tests.browser.smoothness import measure
from tests.conftest import skip_or_fail
from tests.support.browser import ADMIN
from tests.support.life import bring_to_life
from tests.support.many import add_studies
from tests.support.pacs import Pacs
from tests.support.router import Router

pytestmark = [pytest.mark.chromium, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parents[2] / "services/api/web/node_modules/axe-core/axe.min.js"
MOST_BYTES = 250_000
MOST_ROWS = 100


@pytest.fixture(scope="module")
def life(
    router: Router, pacs: Pacs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The studies of a router that has something on every page."""
    with Pacs("TEACHING") as refusing:
        yield bring_to_life(router, pacs, refusing, tmp_path_factory.mktemp("life"))


@pytest.fixture(scope="module")
def addresses(life: dict[str, str]) -> list[str]:
    """Every page, with a study of each kind."""
    pages = [place for place in PLACES if "{" not in place]
    return [*pages, *(f"/studies/{uid}" for uid in life.values())]


def visit(page: Page, address: str) -> None:
    """Load a page, and wait until it has what it asked for."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)


# -- accessible --------------------------------------------------------------------------------

FIND = """() => axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>
    violations.filter(each => ['serious', 'critical'].includes(each.impact)).map(each =>
        each.id + ': ' + each.nodes.map(node => node.target.join(' ')).join(', ')))"""


def findings(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found: list[str] = page.evaluate(FIND)
    return found


@pytest.fixture(scope="module")
def axe() -> str:
    """The program that looks for what keeps people out (https://github.com/dequelabs/axe-core)."""
    if not AXE.is_file():
        skip_or_fail("axe-core is not installed: make web")
    return AXE.read_text("utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(
    sit_down: SitDown, addresses: list[str], axe: str, theme: str
) -> None:
    page = sit_down(ADMIN, color_scheme=theme)
    found = {}
    for address in addresses:
        visit(page, address)
        found[address] = findings(page, axe)
    assert not any(found.values()), found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_one_signs_in_or_is_asked_something(
    sit_down: SitDown, life: dict[str, str], axe: str, theme: str
) -> None:
    page = sit_down(color_scheme=theme)
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert findings(page, axe) == []
    page = sit_down(ADMIN, color_scheme=theme)
    for address, button in (
        (f"/studies/{life['sent']}", "Send again"),
        (f"/studies/{life['sent']}", "Delete"),
        ("/destinations", "Add"),
    ):
        visit(page, address)
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.get_by_role("dialog", name=re.compile("Send again|Delete|Add"))).to_be_visible()
        assert findings(page, axe) == [], address


# -- at a glance -------------------------------------------------------------------------------


@pytest.mark.usefixtures("life")
def test_the_overview_begins_with_how_many_things_there_are_to_look_at(page: Page) -> None:
    visit(page, "/")
    verdict = page.locator(".verdict")
    expect(verdict).to_have_text("9 things to look at")
    for told, place in (
        ("Studies that failed", "/studies?state=failed"),
        ("Studies without a destination", "/studies?state=unrouted"),
        ("Studies that are held", "/studies?state=held"),
        ("Quarantine", "/quarantine"),
    ):
        matter = page.locator(".look").filter(has_text=told)
        expect(matter.get_by_role("link", name="Show")).to_have_attribute("href", place)
    refused = page.locator(".look").filter(has_text="2 callers were refused")
    refused.get_by_role("link", name="Show").click()
    expect(page.get_by_role("heading", name="Refused callers")).to_be_visible()


# -- in both languages -------------------------------------------------------------------------

# Words that texts of the other language hardly do without, and those of the components' own texts.
ENGLISH = r"\b(?:the|is|are|was|of|and|with|from|this|not|has|there|[Cc]lose|[Cc]lear|[Ss]how)\b"
PORTUGUESE = r"\b(?:que|não|para|com|uma?|está|são|há|dos|das|foi|ao|[Ff]echar|[Ll]impar)\b"
NO_TEXT = r"undefined|\[object|NaN|=>"
# A log line's fields are as its service wrote them in both; they are folded away (DETAILS).
READ = """() => {
    const found = [];
    const take = text => text?.trim() && found.push(text.trim());
    const walk = node => {
        if (node.nodeType === Node.TEXT_NODE) take(node.data);
        if (!(node instanceof Element) && !(node instanceof ShadowRoot)) return;
        if (node instanceof Element) {
            if (['STYLE', 'SCRIPT', 'NOSCRIPT', 'SMALL', 'DETAILS'].includes(node.tagName)) return;
            for (const name of ['aria-label', 'placeholder', 'title', 'alt', 'hint', 'label'])
                take(node.getAttribute(name));
            if (node.shadowRoot) walk(node.shadowRoot);
        }
        for (const child of node.childNodes) walk(child);
    };
    walk(document.body);
    return found;
}"""


def texts(page: Page, pattern: str) -> list[str]:
    """The texts of the page, its components' and its labels' included, that a pattern is in."""
    found: list[str] = page.evaluate(READ)
    return [each for each in found if re.search(pattern, re.sub(r"/\S*", "", each))]  # no paths


@pytest.mark.parametrize(
    ("locale", "foreign", "studies"),
    [("pt-BR", ENGLISH, "Estudos"), ("en-GB", PORTUGUESE, "Studies")],
    ids=["pt-BR", "en-GB"],
)
def test_every_page_is_in_the_browser_s_language_and_in_no_other(
    sit_down: SitDown, addresses: list[str], locale: str, foreign: str, studies: str
) -> None:
    page = sit_down(ADMIN, locale=locale)
    strange = {}
    for address in addresses:
        visit(page, address)
        strange[address] = texts(page, f"{NO_TEXT}|{foreign}")
    assert not any(strange.values()), strange
    expect(page.get_by_role("navigation").get_by_role("link", name=studies)).to_be_visible()


def test_the_language_is_switched_on_the_page_and_stays_switched(page: Page) -> None:
    page.goto("/disk")
    expect(page.get_by_role("heading", name="Disk")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitemcheckbox", name="Português (Brasil)").click()
    expect(page.get_by_role("heading", name="Disco")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    expect(page).to_have_title("Disco · Roteador DICOM")
    page.reload()
    expect(page.get_by_role("heading", name="Disco")).to_be_visible()
    page.get_by_role("button", name="Idioma").click()
    page.get_by_role("menuitemcheckbox", name="English").click()
    expect(page.get_by_role("heading", name="Disk")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")


HIDDEN_SIDEWAYS = """Math.max(0, ...[...document.querySelectorAll('.scrolled')].map(
    each => each.scrollWidth - each.clientWidth
))"""


@pytest.mark.usefixtures("life")
def test_on_a_phone_no_page_and_no_table_is_wider_than_the_screen(
    sit_down: SitDown, addresses: list[str]
) -> None:
    page = sit_down(ADMIN, viewport={"width": 390, "height": 844}, locale="pt-BR")
    widths, hidden = {}, {}
    for address in addresses:
        visit(page, address)
        widths[address] = page.evaluate("document.documentElement.scrollWidth")
        hidden[address] = page.evaluate(HIDDEN_SIDEWAYS)
    assert set(widths.values()) == {390}, widths
    assert set(hidden.values()) == {0}, hidden


ALL_FITS = """row => [...row.cells].every(each => each.scrollWidth <= each.clientWidth)"""


@pytest.mark.usefixtures("a_thousand_studies")
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("locale", ["pt-BR", "en-GB"])
def test_in_the_list_of_studies_names_and_times_are_whole(
    sit_down: SitDown, width: int, locale: str
) -> None:
    page = sit_down(ADMIN, viewport={"width": width, "height": 844}, locale=locale)
    visit(page, "/studies?q=muitos")
    rows = page.locator(".rows tr:visible").filter(has=page.locator("th, a"))
    expect(rows.nth(3)).to_be_visible()
    assert all(rows.nth(each).evaluate(ALL_FITS) for each in range(4))
    frame, last = page.locator(".rows").bounding_box(), rows.first.locator("th:visible").last
    box = last.bounding_box()
    assert frame is not None
    assert box is not None
    assert box["x"] + box["width"] == pytest.approx(frame["x"] + frame["width"], abs=1)


# -- quick -------------------------------------------------------------------------------------


def test_the_first_load_transfers_little_and_all_of_it_compressed(
    page: Page, figure: Callable[[str], None]
) -> None:
    sizes: dict[str, float] = {}
    answers: list[Response] = []
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")

    def loaded(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    wire.on("Network.loadingFinished", loaded)
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it is marked
    visit(page, "/")
    expect(page.locator(".figures li").nth(5)).to_be_visible()
    total = sum(sizes.values())
    figure(f"the dashboard's first load: {total / 1000:.0f} kB over the wire in {len(sizes)} files")
    plain = [
        each.url
        for each in answers
        if re.search(r"\.(?:js|css)$", each.url) and each.headers.get("content-encoding") != "gzip"
    ]
    assert plain == []
    assert 100_000 < total <= MOST_BYTES


@pytest.fixture(scope="module")
def a_thousand_studies(router: Router, life: dict[str, str]) -> None:  # noqa: ARG001 - older ones
    database = Database(f"sqlite:///{router.data / '.router.sqlite3'}")
    add_studies(database, 1000, newest=datetime.now(UTC) - timedelta(days=1))
    database.close()


@pytest.mark.usefixtures("a_thousand_studies")
def test_of_a_thousand_studies_only_those_in_sight_are_in_the_page(page: Page) -> None:
    visit(page, "/studies?q=muitos")
    rows = page.locator("tbody tr")
    frame = page.get_by_role("region", name="Studies; arrow keys move")
    for shown in (200, 400, 600, 800, 1000):
        expect(page.get_by_text(f"{shown} studies shown")).to_be_visible()
        assert 0 < rows.count() < MOST_ROWS
        frame.evaluate("frame => frame.scrollTo(0, frame.scrollHeight)")
    expect(page.get_by_text("these are all")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="MUITOS 0999")).to_be_in_viewport()
    assert rows.count() < MOST_ROWS


@pytest.mark.usefixtures("a_thousand_studies")
def test_a_search_from_far_down_shows_its_first_studies_and_each_frame_is_measured(
    browser: Browser, page: Page
) -> None:
    measured = dict(measure(browser, page, 1000))
    assert all(each.frames and each.tasks for each in measured.values()), measured
