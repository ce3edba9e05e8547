"""The application: routes, what happens around them, and the dashboard at `/`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from services.api import dashboard, guide
from services.api.audit import Auditing
from services.api.conditional import Conditional
from services.api.context import Context
from services.api.idempotency import Idempotency
from services.api.methods import Methods
from services.api.metrics import Metrics
from services.api.middleware import (
    API,
    Authentication,
    RequestContext,
    Requests,
)
from services.api.openapi import complete_document
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
    site,
    studies,
    study_commands,
    thumbnails,
    tokens,
    users,
)

_DESCRIPTION = """\
Receives DICOM studies, keeps them until they are complete, and sends them on.
This API tells where each study is and configures where studies go.

- **Who**: `Authorization: Bearer <token>`, or the dashboard's cookie. A viewer reads; an operator
  also sends, holds, retries, replays and echoes; an admin also configures, deletes, manages users.
- **Lists** are `{"items": […], "next": …}`: give `next` as `cursor` until it is null.
- **Errors** are problem documents (RFC 9457): `detail` says what to do, `errors` names the values,
  `request_id` finds the log line. `Accept-Language: pt-BR` has them in Portuguese.
- **Asking again**: a GET's `ETag` as `If-None-Match` gives a 304 while nothing has changed; better,
  follow `/api/v1/events/stream`, which goes on from `Last-Event-ID`.
- **Doing once**: a POST with an `Idempotency-Key` can be made again and is done once.
"""


def create_app(context: Context) -> FastAPI:
    """The ASGI application around these parts."""
    app = _described()
    app.state.context = context
    app.state.metrics = Metrics(context)
    app.router.routes += [*dashboard.routes(), *guide.routes()]
    app.state.methods = Methods(app)
    handle_problems(app)
    # The last one added is the first to see a request.
    app.add_middleware(Conditional)
    app.add_middleware(Idempotency, database=context.database, clock=context.clock)
    app.add_middleware(Authentication, access=context.access)
    app.add_middleware(Auditing, trail=context.trail)
    app.add_middleware(Requests)
    app.add_middleware(RequestContext)
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document, without a router behind it."""
    return _described().openapi()


def _described() -> FastAPI:
    app = FastAPI(
        title="DICOM router",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (
        studies,
        study_commands,
        thumbnails,
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
        site,
        users,
        tokens,
        audit,
    ):
        app.include_router(module.router, prefix=API)
    app.include_router(operations.machines)
    complete_document(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    feed = asyncio.create_task(context.feed.run())
    yield
    feed.cancel()
    with suppress(asyncio.CancelledError):
        await feed
