"""What happens around every request: an id, headers that browsers obey, paths, who it is.

Plain ASGI, because Starlette's base class would buffer streams and lose context variables.
"""

import re
import uuid
from urllib.parse import unquote

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.said import said
from services.api.access import Access
from services.api.actor import Actor
from services.api.languages import language, preferred
from services.api.problems import Problem, unavailable
from services.api.rates import PER_SECOND, Rates

API = "/api/v1"
SESSION = f"{API}/session"
MOST_BODY_BYTES = 1 << 20
_LOOKS_AT_ONCE = 16
_SAFE = ("GET", "HEAD", "OPTIONS")
_TOO_LARGE = said("A body has at most {count} bytes.", count=MOST_BODY_BYTES)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTTPS_ONLY = "max-age=31536000"  # seconds, a year: from then on this browser asks over TLS only
# An encoded slash in a segment is part of a name (a UID may contain anything), not a separator.
_SLASH = "\x1f"

log = get_logger()


class RequestContext:
    """Gives each request a language, an id that its log lines and its answer carry, strict headers.

    What nobody expected is logged with its traceback and answered with a problem document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = Headers(scope=scope)
        request_id = _request_id(given)
        scope.setdefault("state", {})["request_id"] = request_id
        language.set(preferred(given.get("accept-language", "")))
        started = 0  # the status, once it has

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message["status"]
                _tell(scope, started)
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers.add_vary_header("Accept-Language")
                for name, value in _headers(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception:  # whatever it is, the client gets a problem with the id in the log
                if started:
                    raise
                log.exception(Log.REQUEST_FAILED, method=scope["method"], path=scope["path"])
                problem = Problem(
                    500,
                    said(
                        "The log says more: look for request {request_id}.", request_id=request_id
                    ),
                )
                await problem.response(scope)(scope, receive, send_with_headers)


def _tell(scope: Scope, status: int) -> None:
    """Log what changed something or was refused: by its route, since paths may name a patient."""
    if not f"{scope['path']}/".startswith(f"{API}/") or (status < 400 and scope["method"] in _SAFE):
        return
    actor: Actor | None = scope["state"].get("actor")
    log.info(
        Log.REQUEST_REFUSED if status >= 400 else Log.REQUEST_DONE,
        method=scope["method"],
        path=scope["app"].state.methods.template(scope["method"], scope["path"]),
        status=status,
        who=actor.name if actor else "",
    )


class Requests:
    """Keeps `%2F` within its segment; refuses NUL, which no database takes, and large bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            _refuse_nul(scope)
            receive = _limited(scope, receive)
        except Problem as problem:
            return await problem.response(scope)(scope, receive, send)
        raw = _raw_path(scope)
        if "%2f" in raw.lower():
            segments = (unquote(part).replace("/", _SLASH) for part in raw.split("/"))
            scope["path"] = "/".join(segments)
        return await self._app(scope, receive, send)


class Authentication:
    """Lets nobody unknown past: whatever is below /api/v1 needs a token or a session.

    But for signing in, which looks at what it is given by itself.
    """

    def __init__(self, app: ASGIApp, access: Access, rates: Rates | None = None) -> None:
        self._app, self._access = app, access
        self._at_once = CapacityLimiter(_LOOKS_AT_ONCE)
        self._rates = rates or Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(f"{API}/"):
            signs_in = scope["method"] == "POST" and scope["path"] == SESSION
            try:
                if not signs_in:
                    await self._authenticate(Request(scope), scope["state"]["actor"])
                    self._count(scope["state"]["actor"])
            except Unavailable as error:
                return await unavailable(error).response(scope)(scope, receive, send)
            except Problem as problem:
                return await problem.response(scope)(scope, receive, send)
        return await self._app(scope, receive, send)

    def _count(self, actor: Actor) -> None:
        if seconds := self._rates.wait_seconds(actor.name):
            raise Problem(
                429,
                said(
                    "{name} asks more than {per_second:g} times a second: wait {seconds} s; the "
                    "event stream tells what is new without asking.",
                    name=actor.name,
                    per_second=PER_SECOND,
                    seconds=seconds,
                ),
                headers={"Retry-After": str(seconds)},
            )

    async def _authenticate(self, request: Request, actor: Actor) -> None:
        """In a thread, if the database is to be asked; those who need not ask it never wait."""
        if self._access.is_quick(request):
            return self._access.authenticate(request, actor)
        return await to_thread.run_sync(
            self._access.authenticate, request, actor, limiter=self._at_once
        )


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path", b"")
    return raw.partition(b"?")[0].decode("latin-1")


def _refuse_nul(scope: Scope) -> None:
    sent = _raw_path(scope) + scope.get("query_string", b"").decode("latin-1")
    if "%00" in sent or "\0" in sent:
        raise Problem(422, said("A path or a query can't contain NUL (%00)."))


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Receives a body that is not too large, whether or not its length was announced."""
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BODY_BYTES:
        raise Problem(413, _TOO_LARGE)
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)  # which FastAPI does not take for bad JSON
        return message

    return receive_limited


def segment(value: str) -> str:
    """A path parameter as it was meant."""
    return value.replace(_SLASH, "/")


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else uuid.uuid4().hex


def _headers(scope: Scope) -> dict[str, str]:
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = _HTTPS_ONLY
    return headers
