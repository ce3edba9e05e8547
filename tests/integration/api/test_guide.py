"""The troubleshooting guide: every check leads to its section, in both languages, on the router."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from dicom_router.events import RefusalKind
from services.api import guide
from services.api.checks import LOOKS
from tests.integration.api.conftest import Api, a_destination


class Page(HTMLParser):
    """What can be followed and where to, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [value] if (value := given.get("id")) else []
        self.links += [value] if tag == "a" and (value := given.get("href")) else []


def read(api: Api, path: str, **headers: str) -> httpx.Response:
    url = f"http://127.0.0.1:{api.settings.http_port}{path}"
    return httpx.get(url, headers=headers, trust_env=False)


@pytest.mark.parametrize("language", guide.DOCUMENTS)
def test_every_check_has_a_section(language: str) -> None:
    # Destinations are looked at together, and told one by one.
    assert {*LOOKS, "destination"} <= set(guide.sections(language))


@pytest.mark.parametrize("language", guide.DOCUMENTS)
def test_every_reason_of_a_refusal_has_a_section(language: str) -> None:
    assert {*RefusalKind, "association-rejected"} <= set(guide.sections(language))


def test_every_check_that_is_told_leads_to_a_section(api: Api) -> None:
    api.post("/destinations", a_destination(host="127.0.0.1", port=1))
    api.post("/senders", {"name": "a", "ae_title": "A", "host": "127.0.0.1", "port": 1})
    led_to = {each["help"].partition("#")[2] for each in api.get("/diagnostics")}
    assert {"destination", "sender", "dicom-port"} <= led_to
    assert led_to <= set(guide.sections("en"))


def test_both_languages_have_the_same_sections_in_the_same_order() -> None:
    english, portuguese = (guide.sections(language) for language in guide.DOCUMENTS)
    assert english == portuguese
    assert len(set(english)) == len(english) > 30


@pytest.mark.parametrize("language", guide.DOCUMENTS)
def test_the_guide_is_read_on_the_router_by_anybody(api: Api, language: str) -> None:
    answer = read(api, f"/help/{language}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<html lang="{language}">' in answer.text
    page = Page(answer.text)
    assert page.ids == guide.sections(language)
    assert "<table>" in answer.text
    # Without the Internet: nothing in it leads off the router.
    other = next(each for each in guide.DOCUMENTS if each != language)
    inside = {f"#{each}" for each in page.ids}
    assert set(page.links) == {"/", f"/help/{other}"} | inside
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)
    assert read(api, "/help/guide.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("preferred", "language"),
    [("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"), ("en-US,pt;q=0.5", "en"), ("de", "en"), ("", "en")],
)
def test_a_link_without_a_language_follows_the_browser(
    api: Api, preferred: str, language: str
) -> None:
    answer = read(api, "/help", **{"Accept-Language": preferred})
    assert (answer.status_code, answer.headers["location"]) == (302, f"/help/{language}")
