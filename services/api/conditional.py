"""Conditional requests (RFC 9110, 13): what a client has already is not sent again."""

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_JSON = "application/json"
_OF_THE_BODY = ("content-length", "content-type")


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether a client's `If-None-Match` names this tag; tags are compared weakly."""
    given = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given


class Conditional:
    """Gives every JSON answer to a GET a tag, and a 304 to who has that one already.

    The work is done all the same; what is saved is the way, and a client's reading and drawing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self._app(scope, receive, send)
        held: Message | None = None
        body = bytearray()

        async def send_tagged(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and _is_json(message):
                held = message
                return
            if held is None or message["type"] != "http.response.body":
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                unchanged = _tag(held, bytes(body), Headers(scope=scope).get("if-none-match"))
                await send(held)
                await send({**message, "body": b"" if unchanged else bytes(body)})

        return await self._app(scope, receive, send_tagged)


def _is_json(start: Message) -> bool:
    return start["status"] == 200 and Headers(scope=start).get("content-type") == _JSON


def _tag(start: Message, body: bytes, if_none_match: str | None) -> bool:
    """Put the tag on the answer, and make it a 304 if the client has it; whether it has."""
    headers = MutableHeaders(scope=start)
    etag = headers["ETag"] = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
    if not is_unchanged(if_none_match, etag):
        return False
    start["status"] = 304
    for name in _OF_THE_BODY:
        del headers[name]
    return True
