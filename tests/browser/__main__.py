"""Pictures of every page, to be looked at: `python -m tests.browser FOLDER`.

In both languages and themes, as a phone, a desktop and a screen on the wall show them, of a router
that has something of everything.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from services.api.dashboard import PLACES
from tests.support.browser import ADMIN, chromium, missing, sitting_at
from tests.support.life import bring_to_life
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router, running

SCREENS = {"phone": (390, 844), "desktop": (1440, 900), "wall": (1920, 1080)}
LOCALES = ("en-US", "pt-BR")
THEMES = ("light", "dark")
DRAWN = """Promise.all([...document.images].map(each => {
    each.loading = 'eager';
    return each.decode().catch(() => null);  // a series without a picture
}))"""

# Each icon is a file of its own, which may come after the page that shows it.
ICONS = """() => {
    const found = [];
    const walk = root => {
        for (const each of root.querySelectorAll('*')) {
            if (each.localName === 'wa-icon' && each.name) found.push(each);
            if (each.shadowRoot) walk(each.shadowRoot);
        }
    };
    walk(document);
    return found.every(each => each.shadowRoot?.querySelector('svg'));
}"""


def main() -> int:
    """Take the pictures that are asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screen", choices=SCREENS, action="append")
    parser.add_argument("--locale", choices=LOCALES, action="append")
    parser.add_argument("--theme", choices=THEMES, action="append")
    parser.add_argument("--page", action="append", help="part of a picture's name, such as disk")
    given = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    shown = product(given.screen or SCREENS, given.locale or LOCALES, given.theme or THEMES)
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Pacs() as pacs, Pacs("TEACHING") as refusing:
        target = {"HOST": "127.0.0.1", "PORT": pacs.port, "AET": pacs.ae_title}
        settings = {f"TARGET_{name}": value for name, value in target.items()}
        kept = {"ROUTER_RETENTION_HOURS": -1}
        with (
            running(Path(scratch), EMBEDDED, **settings, **kept) as router,
            chromium() as browser,
        ):
            studies = bring_to_life(router, pacs, refusing, Path(scratch))
            addresses = {
                name: address
                for name, address in _addresses(studies)
                if not given.page or any(part in name for part in given.page)
            }
            for screen, locale, theme in shown:
                prefix = given.folder / f"{screen}-{locale}-{theme}"
                width, height = SCREENS[screen]
                look = {
                    "viewport": {"width": width, "height": height},
                    "locale": locale,
                    "color_scheme": theme,
                }
                print(f"{prefix}: {_take(browser, router, str(prefix), look, addresses)} pictures")
    return 0


def _addresses(studies: dict[str, str]) -> Iterator[tuple[str, str]]:
    for place in PLACES:
        if "{" not in place:
            yield place.strip("/") or "overview", place
    for kind, study_uid in studies.items():
        yield f"study-{kind}", f"/studies/{study_uid}"


def _take(
    browser: Browser, router: Router, prefix: str, look: dict[str, Any], addresses: dict[str, str]
) -> int:
    with sitting_at(browser, router.url, None, **look) as page:
        page.goto("/")
        expect(page.locator("form")).to_be_visible()
        page.wait_for_function(ICONS)
        page.screenshot(path=f"{prefix}-sign-in.png")
    with sitting_at(browser, router.url, ADMIN, **look) as page:
        for name, address in addresses.items():
            page.goto(address)
            expect(page.locator(".alert").first).to_be_visible()
            _settle(page)
            page.screenshot(path=f"{prefix}-{name}.png", full_page=True)
    return 1 + len(addresses)


def _settle(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    page.evaluate(DRAWN)
    page.wait_for_function(ICONS)


if __name__ == "__main__":
    sys.exit(main())
