"""A browser for the process, a router for the module, and somebody in front of it for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import skip_or_fail
from tests.support.browser import ADMIN, chromium, missing, sitting_at
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

Arrive = Callable[..., str]
SitDown = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all modules; gone before a test elsewhere wants an event loop."""
    if reason := missing():
        skip_or_fail(reason)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pacs() -> Iterator[Pacs]:
    """The module's PACS; whoever breaks it mends it."""
    with Pacs() as pacs:
        yield pacs


@pytest.fixture(scope="module")
def settings(pacs: Pacs) -> dict[str, object]:
    """The router's settings: what it is sent goes to the PACS, and stays on its disk."""
    return {
        "TARGET_HOST": "127.0.0.1",
        "TARGET_PORT": pacs.port,
        "TARGET_AET": pacs.ae_title,
        "ROUTER_RETENTION_HOURS": -1,
        "ROUTER_STUDY_IDLE_SECONDS": 60,
    }


@pytest.fixture(scope="module")
def router(
    browser: Browser,  # noqa: ARG001 - without one, none is started
    settings: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Router]:
    """The module's router: each test sends it patients of its own."""
    with running(tmp_path_factory.mktemp("router"), EMBEDDED, **settings) as router:
        yield router


@pytest.fixture
def sit_down(browser: Browser, router: Router) -> Iterator[SitDown]:
    """`sit_down(credentials, locale="pt-BR")`: somebody's page, in a browser of their own."""
    with ExitStack() as stack:

        def sit(credentials: dict[str, str] | None = None, **given: Any) -> Page:
            return stack.enter_context(sitting_at(browser, router.url, credentials, **given))

        yield sit


@pytest.fixture
def page(sit_down: SitDown) -> Page:
    """The administrator's page."""
    return sit_down(ADMIN)


@pytest.fixture
def arrive(router: Router, tmp_path: Path) -> Arrive:
    """`arrive("DOE^JANE", 3)`: a study is sent, and is known; its Study Instance UID."""

    def arrive(name: str, slices: int = 2, *, state: str = "sent", **attributes: object) -> str:
        folder = tmp_path / name
        study_uid, files = ct_series(folder, slices, PatientName=name, **attributes)
        assert set(send(files, router.dicom_port).values()) == {0}
        wait_for(
            lambda: router.study(study_uid).get("state") == state,
            lambda: f"a study that is {state}: {router.study(study_uid)}",
        )
        return study_uid

    return arrive
