"""The dashboard as Vite has built it (`make web`): its page, and assets that never change."""

from collections.abc import Callable
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

BUILT = Path(__file__).parent / "web" / "dist"
# The page finds out by itself what it is to show: at all of these it is the same file.
PLACES = (
    "/",
    "/studies",
    "/studies/{uid:path}",
    "/queues",
    "/destinations",
    "/routes",
    "/scanners",
    "/diagnostics",
    "/disk",
    "/send-many",
    "/logs",
    "/quarantine",
    "/users",
    "/audit",
    "/start",
)
_ASK_EVERY_TIME = {"Cache-Control": "no-cache"}
_FOR_EVER = "public, max-age=31536000, immutable"  # a year: an asset's name is made of its hash
_NOT_BUILT = "The dashboard is not built: run `make web` and load this page again.\n"


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file for ever, or a 404."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = _FOR_EVER
        return answer


def routes(built: Path = BUILT) -> list[BaseRoute]:
    """The page at each of its addresses, the API's documentation, and what both load."""
    assets = _Assets(directory=built / "assets", check_dir=False)
    return [
        *(Route(place, _served(built / "index.html")) for place in PLACES),
        Route("/api/docs", _served(built / "docs.html")),
        Mount("/assets", GZipMiddleware(assets)),
    ]


def _served(page: Path) -> Callable[[Request], Response]:
    def serve(_request: Request) -> Response:
        if not page.is_file():
            return PlainTextResponse(_NOT_BUILT, status_code=503, headers=_ASK_EVERY_TIME)
        return FileResponse(page, headers=_ASK_EVERY_TIME)

    return serve
