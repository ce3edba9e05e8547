"""The troubleshooting guide at `/help`: a hospital's network may have no way to where it else is.

What is shown are this project's own two documents, so their HTML is let through; it is an anchor
before each section, the same in both languages, which checks and refusals lead to.
"""

import re
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.api.languages import ENGLISH, PORTUGUESE_OF_BRAZIL, preferred

PLACE = "/help"
_DOCS = Path(__file__).parents[2] / "docs"
DOCUMENTS = {ENGLISH: "troubleshooting.md", PORTUGUESE_OF_BRAZIL: "solucao-de-problemas.md"}
_STYLE = Path(__file__).with_name("guide.css")
_ANCHOR = re.compile(r'<a id="([a-z0-9-]+)"></a>')
_PARAGRAPH = 3  # tokens: its beginning, what is in it, its end
_ASK_EVERY_TIME = {"Cache-Control": "no-cache"}
_WORDS = {ENGLISH: ("Dashboard", "Contents"), PORTUGUESE_OF_BRAZIL: ("Painel", "Conteúdo")}
_PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="/help/guide.css">
<header><a href="/">{dashboard}</a></header>
<nav aria-label="{contents}"><ul>{sections}</ul></nav>
<main>{text}</main>
</html>
"""


def routes() -> list[BaseRoute]:
    """The guide in each language, and `/help`, which chooses as the browser does."""
    return [
        Route(PLACE, _choose),
        Route(f"{PLACE}/guide.css", lambda _request: FileResponse(_STYLE, headers=_ASK_EVERY_TIME)),
        *(Route(f"{PLACE}/{language}", _show) for language in DOCUMENTS),
    ]


def _choose(request: Request) -> Response:
    """The browser keeps the part behind the # when it goes on."""
    language = preferred(request.headers.get("accept-language", ""))
    return RedirectResponse(f"{PLACE}/{language}", 302, {"Vary": "Accept-Language"})


def _show(request: Request) -> Response:
    return HTMLResponse(page(request.url.path.rpartition("/")[2]), headers=_ASK_EVERY_TIME)


@cache
def page(language: str) -> str:
    """The guide as HTML."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = _anchored(renderer.parse((_DOCS / DOCUMENTS[language]).read_text("utf-8")))
    text = renderer.renderer.render(tokens, renderer.options, {})
    for other, document in DOCUMENTS.items():
        text = text.replace(f'href="{document}"', f'href="{PLACE}/{other}" hreflang="{other}"')
    dashboard, contents = _WORDS[language]
    return _PAGE.format(
        language=language,
        title=escape(tokens[1].content),
        dashboard=dashboard,
        contents=contents,
        sections="".join(_contents(tokens)),
        text=text,
    )


def sections(language: str) -> list[str]:
    """The anchors of a language's document, in order."""
    return _ANCHOR.findall((_DOCS / DOCUMENTS[language]).read_text("utf-8"))


def _anchored(tokens: list[Token]) -> list[Token]:
    """With each anchor moved into the heading that it stands before."""
    kept: list[Token] = []
    anchor = ""
    skip = 0
    for number, token in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        inner = tokens[number + 1] if token.type == "paragraph_open" else None
        if inner is not None and (found := _ANCHOR.fullmatch(inner.content)):
            anchor, skip = found[1], _PARAGRAPH - 1
            continue
        if token.type == "heading_open" and anchor:
            token.attrSet("id", anchor)
            anchor = ""
        kept.append(token)
    return kept


def _contents(tokens: list[Token]) -> list[str]:
    """A list of the sections, as HTML."""
    found = []
    for token, inner in pairwise(tokens):
        anchor = token.attrGet("id") if token.type == "heading_open" else None
        if anchor:
            found.append(f'<li><a href="#{anchor}">{escape(inner.content)}</a></li>')
        elif token.type == "heading_open" and token.tag == "h2":
            found.append(f"<li><strong>{escape(inner.content)}</strong></li>")
    return found
