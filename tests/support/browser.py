"""Somebody at the dashboard: Debian's Chromium, driven by Playwright, in front of a router.

Playwright's own browsers are never downloaded.
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from services.api.access import COOKIE
from services.api.dashboard import BUILT
from tests.support.router import TOKEN

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",  # its sandbox does not work for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000
ADMIN = {"token": TOKEN}
_NO_COMPLAINTS = (
    "Failed to load resource",  # an answer such as 401
    "Applying inline style",  # the library's toast draws its countdown so; the policy forbids it
)


def missing() -> str:
    """What is not here that a test in the browser needs, and how to get it; empty if all is."""
    if not CHROMIUM.is_file():
        return "Chromium is not installed: sudo apt-get install chromium"
    if not (BUILT / "index.html").is_file():
        return "The dashboard is not built: make web"
    return ""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. While it runs, nothing else in this thread can have an event loop of asyncio's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        expect.set_options(timeout=PATIENCE_MS)
        yield browser
        browser.close()


@contextmanager
def sitting_at(
    browser: Browser, url: str, credentials: dict[str, str] | None = None, **given: Any
) -> Iterator[Page]:
    """A page of somebody who is signed in, or of a stranger; `given` is Playwright's, as `locale`.

    Fails at the end if a script failed or the browser refused something.
    """
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_NO_COMPLAINTS):
            complaints.append(message.text)

    options = {"locale": "en-US", "reduced_motion": "reduce"} | given
    context = browser.new_context(base_url=url, **options)
    context.set_default_timeout(PATIENCE_MS)
    if credentials is not None:
        cookie = cookie_of(url, credentials)
        context.add_cookies([{"name": COOKIE, "value": cookie, "url": f"{url}/api"}])
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not complaints, complaints


def cookie_of(url: str, credentials: dict[str, str]) -> str:
    """The cookie of a session that is opened with a token, or with a name and a password."""
    request = urllib.request.Request(
        f"{url}/api/v1/session",
        json.dumps(credentials).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        cookie: str = answer.headers["Set-Cookie"]
    return cookie.partition(";")[0].partition("=")[2]


def choose(page: Page, label: str, option: str) -> None:
    """Take an option of a select."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
