"""The dashboard: how its files are served, and what it asks first."""

import asyncio
import gzip
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from infra.schemas import OPENAPI, openapi
from services.api.dashboard import BUILT, PLACES, routes
from services.api.site import time_zone
from tests.integration.api.conftest import NOON, Api, a_delivery, a_study

WEB = OPENAPI.parent


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build of the dashboard, as Vite lays it out."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("the dashboard")
    (tmp_path / "docs.html").write_text("the documentation")
    (tmp_path / "assets" / "index-Ab12.js").write_text("let x;" * 1000)
    return tmp_path


def get(built: Path, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = httpx.ASGITransport(Starlette(routes=routes(built)))
        async with httpx.AsyncClient(transport=app, base_url="http://router") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/", "/studies", "/studies/1.2.840%2F7"])
def test_every_address_of_the_dashboard_is_its_page_asked_for_each_time(
    built: Path, path: str
) -> None:
    answer = get(built, path)
    assert answer.text == "the dashboard"
    assert answer.headers["cache-control"] == "no-cache"


def test_assets_are_compressed_and_kept_for_ever(built: Path) -> None:
    answer = get(built, "/assets/index-Ab12.js", **{"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.startswith("let x;")


def test_the_documentation_comes_from_the_router_itself(built: Path) -> None:
    assert get(built, "/api/docs").text == "the documentation"


@pytest.mark.parametrize("path", ["/nothing", "/assets/gone.js", "/assets/../index.html"])
def test_no_other_address_is_the_dashboard(built: Path, path: str) -> None:
    assert get(built, path).status_code == 404


def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    answer = get(tmp_path / "none", "/")
    assert answer.status_code == 503
    assert "make web" in answer.text


@pytest.mark.parametrize("page", ["index.html", "docs.html"])
def test_a_page_has_nothing_inline_that_the_policy_forbids(page: str) -> None:
    text = (WEB / page).read_text("utf-8")
    assert re.findall(r"<script[^>]*>(?!</script>)|<style|style=| on\w+=", text) == []


def test_the_first_load_is_small(figure: Callable[[str], None]) -> None:
    page = BUILT / "index.html"
    if not page.is_file() and os.environ.get("CI") != "true":
        pytest.skip("the dashboard is not built: make web")
    text = page.read_text("utf-8")
    names = re.findall(r'(?:src|href)="/(assets/[^"]+)"', text)
    assert {Path(name).suffix for name in names} >= {".js", ".css"}
    files = [(BUILT / name).read_bytes() for name in names]
    total = sum(len(gzip.compress(each)) for each in [text.encode(), *files])
    figure(f"the dashboard's first load: {total / 1000:.0f} kB compressed")
    assert total <= 250_000


def test_every_page_has_an_address_that_is_served() -> None:
    app = (WEB / "src" / "app.tsx").read_text("utf-8")
    paths = re.findall(r'<Route path="([^"]+)"', app)
    assert {re.sub(r":(\w+)", r"{\1:path}", path) for path in paths} == set(PLACES)


def test_the_openapi_document_that_the_client_is_made_from_is_up_to_date() -> None:
    assert OPENAPI.read_text("utf-8") == openapi(), "run `make schemas`"


def test_whoever_is_signed_in_learns_who_and_where_they_are(api: Api) -> None:
    assert api.get("/session").items() >= {"name": "admin", "role": "admin"}.items()
    site = api.get("/site")
    assert site["ae_title"] == api.settings.ae_title
    assert site["dicom_ports"] == list(api.settings.dicom_ports)
    assert site["dicom_tls_ports"] == []


def test_scanners_are_told_the_ports_that_lead_here_from_outside(start: Callable[..., Api]) -> None:
    site = start(dicom_published_ports=(104, 4100), dicom_tls_ports=(2762,)).get("/site")
    assert (site["dicom_ports"], site["dicom_tls_ports"]) == ([104, 4100], [2762])


def test_the_overview_counts_what_arrived_what_waits_and_what_failed(api: Api) -> None:
    yesterday = NOON - timedelta(days=1)
    api.add(
        a_study("1", state="sent", created_at=yesterday),
        a_study("2", state="failed", needs_attention=True),
        a_study("3", state="failed"),
    )
    api.add(a_delivery("d1", "2", state="failed"), a_delivery("d2", "3", state="retrying"))
    shown = api.get("/overview")
    assert shown["studies_today"] == 2
    assert shown["studies"] == {"sent": 1, "failed": 2}
    assert (shown["waiting"], shown["needs_attention"]) == (1, 1)


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("America/Sao_Paulo", "America/Sao_Paulo"),
        (":Europe/Lisbon", "Europe/Lisbon"),
        ("<-03>3", "Etc/GMT+3"),
        ("IST-5:30", "+05:30"),
    ],
)
def test_the_site_s_zone_has_a_name_that_browsers_know(
    given: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", given)
    time.tzset()
    try:
        assert time_zone() == zone
    finally:
        monkeypatch.undo()
        time.tzset()
    assert os.environ.get("TZ") == before
