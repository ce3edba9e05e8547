"""The application: routes, what happens around them, and the page at `/`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.audit import Auditing
from services.api.context import Context
from services.api.metrics import Metrics
from services.api.middleware import (
    API,
    DOCS,
    Authentication,
    RequestContext,
    Requests,
)
from services.api.openapi import describe_errors
from services.api.problems import handle_problems
from services.api.routes import (
    associations,
    audit,
    data_folder,
    deliveries,
    destinations,
    disk,
    events,
    logs,
    operations,
    quarantine,
    queues,
    routing,
    senders,
    session,
    studies,
    study_commands,
    tokens,
    users,
)

_PAGE = Path(__file__).parent / "page"
_DESCRIPTION = (
    "Receives DICOM studies, keeps them until they are complete, and sends them on. "
    "This API tells where each study is and configures where studies go."
)


def create_app(context: Context) -> FastAPI:
    """The ASGI application around these parts."""
    app = FastAPI(
        title="DICOM router",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=DOCS,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.context = context
    app.state.metrics = Metrics(context)
    for module in (
        studies,
        study_commands,
        destinations,
        senders,
        routing,
        associations,
        deliveries,
        events,
        logs,
        queues,
        quarantine,
        disk,
        data_folder,
        operations,
        session,
        users,
        tokens,
        audit,
    ):
        app.include_router(module.router, prefix=API)
    app.include_router(operations.machines)
    app.router.routes += _page()
    handle_problems(app)
    describe_errors(app)
    # The last one added is the first to see a request.
    app.add_middleware(Authentication, access=context.access)
    app.add_middleware(Auditing, trail=context.trail)
    app.add_middleware(Requests)
    app.add_middleware(RequestContext)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    feed = asyncio.create_task(context.feed.run())
    yield
    feed.cancel()
    with suppress(asyncio.CancelledError):
        await feed


def _page() -> list[Route]:
    """A plain page that lists the studies, until the dashboard takes its place."""
    files = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
    return [Route(path, _served(_PAGE / name)) for path, name in files.items()]


def _served(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_request: Request) -> Response:
        return FileResponse(path)

    return serve
