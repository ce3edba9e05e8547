"""`Idempotency-Key`: a POST that is made again with the same key is answered, and not done, again.

For clients that do not know whether their request arrived. What was answered with success is kept
for a day, for each who is known by itself; what failed may be tried again with the same key.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.said import said
from services.api.problems import Problem, unavailable
from services.api.queries import idempotency as queries

HEADER = "Idempotency-Key"
KEPT = timedelta(days=1)
# Their answers hold secrets, which are not kept.
NOT_FOR = ("/api/v1/session", "/api/v1/tokens")


class Idempotency:
    """Answers a POST from what is kept, where there is something; else keeps what is answered."""

    def __init__(self, app: ASGIApp, database: Database, clock: Callable[[], datetime]) -> None:
        self._app, self._database, self._clock = app, database, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        given = Headers(scope=scope).get(HEADER) if scope["type"] == "http" else None
        if given is None or scope["method"] != "POST" or scope["path"] in NOT_FOR:
            return await self._app(scope, receive, send)
        try:
            await self._once(given, scope, receive, send)
        except Unavailable as error:
            await unavailable(error).response(scope)(scope, receive, send)
        except Problem as problem:
            await problem.response(scope)(scope, receive, send)

    async def _once(self, given: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not re.fullmatch(r"[\x21-\x7e]{1,255}", given):
            raise Problem.field(HEADER, said("it has 1 to 255 printable characters without spaces"))
        body = await Request(scope, receive).body()
        actor = scope["state"]["actor"]
        key = _digest(actor.name.encode(), scope["path"].encode(), given.encode())
        fingerprint = _digest(scope["query_string"], body)
        earlier = await run_in_threadpool(self._begin, key, fingerprint)
        if earlier is not None:
            await earlier(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, _again(body, receive), answer.take)
        finally:
            await run_in_threadpool(self._end, key, answer)
        await answer.send()

    def _begin(self, key: str, fingerprint: str) -> Response | None:
        """The answer that is kept; None if the request is to be carried out."""
        with self._database.write() as session:
            earlier = queries.begin(session, key, fingerprint, self._clock())
            if earlier is None:
                return None
            if earlier.fingerprint != fingerprint:
                raise Problem.field(
                    HEADER, said("it came with another request before: use a new one")
                )
            if earlier.status is None:
                raise Problem(
                    409,
                    said("The same request is being carried out: ask again in a moment."),
                    headers={"Retry-After": "2"},
                )
            headers = {"Idempotent-Replayed": "true"}
            if earlier.media_type:
                headers["Content-Type"] = earlier.media_type
            return Response(earlier.body, earlier.status, headers)

    def _end(self, key: str, answer: "_Answer") -> None:
        with self._database.write() as session:
            if 200 <= answer.status < 300:
                queries.finish(session, key, answer.status, answer.media_type, answer.body.decode())
            else:
                queries.forget(session, key)


class _Answer:
    """Holds an answer back until it is kept, so that who has it can rely on that."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self.status = 0  # of a request that ended without an answer
        self.media_type = ""
        self.body = b""

    async def take(self, message: Message) -> None:
        self._messages.append(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.media_type = Headers(scope=message).get("content-type", "")
        else:
            self.body += message.get("body", b"")

    async def send(self) -> None:
        for each in self._messages:
            await self._send(each)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives a body that was read already, then whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()
