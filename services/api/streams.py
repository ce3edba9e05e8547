"""Server-sent events, to those who may still have them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from services.api.actor import Actor
from services.api.context import Context

# Streams say that they are still there every 15 s: so one ends at most 25 s after its token did.
_LOOKED_AT_EVERY = timedelta(seconds=10)


def streamed(api: Context, who: Actor, pieces: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """An answer that ends once who asked for it is signed out, removed, or their time is over."""
    return StreamingResponse(
        _while_known(api, who, pieces),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _while_known(
    api: Context, who: Actor, pieces: AsyncGenerator[bytes, None]
) -> AsyncIterator[bytes]:
    looked_at = api.clock()
    async with aclosing(pieces):
        async for piece in pieces:
            now = api.clock()
            if now - looked_at >= _LOOKED_AT_EVERY:
                looked_at = now
                if not await run_in_threadpool(api.access.still_knows, who):
                    return
            yield piece
