"""What the routes use: made once by `__main__`, handed to each by FastAPI's dependencies."""

import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from dicom_router.archive import Archive
from dicom_router.bus import Bus
from dicom_router.database import Database
from dicom_router.dimse import StopSignal
from dicom_router.events import Payload, message
from dicom_router.ledger import SEEN_WITHIN_SECONDS
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.settings import Settings
from dicom_router.tls import TlsFiles
from services.api.access import COOKIE, Access, Principal, Role, not_signed_in
from services.api.disk import DiskWatch
from services.api.feed import Feed
from services.api.logbook import Logbook
from services.api.oldest import OldestLetters
from services.api.problems import Problem
from services.api.queries import Session
from services.api.schemas import DEFAULT_ITEMS, MOST_ITEMS

SERVICE = "api"

Clock = Callable[[], datetime]
ReadyCheck = Callable[[], str | None]  # why it is not ready, if it is not


@dataclass(frozen=True, slots=True)
class Context:
    """The API's parts."""

    settings: Settings
    database: Database
    bus: Bus
    archive: Archive
    disk: DiskWatch
    clock: Clock
    access: Access
    relay: OutboxRelay
    feed: Feed
    logbook: Logbook
    oldest_letters: OldestLetters
    source: str  # of the messages it publishes: `api@host:pid`
    ready_checks: Sequence[ReadyCheck] = ()
    stopping: StopSignal = field(default_factory=StopSignal)

    @property
    def tls_files(self) -> TlsFiles:
        """With which peers are reached over TLS."""
        return TlsFiles.of_dicom(self.settings)

    @contextmanager
    def change(self) -> Iterator["Change"]:
        """A transaction, and the commands that go out once it is committed."""
        with self.database.write() as session:
            yield Change(session, self.source, self.clock())
        self.relay.wake()

    @contextmanager
    def forbidding(self) -> Iterator["Change"]:
        """As `change`, for one after which less may go out: over when at most the image in hand is.

        A forwarder looks at the database before each image, unless it did so a moment ago, and
        tells nobody when it has. So what is waited for is the age that its last look may have.
        Routes that use this are run in a thread of their own, never in the event loop.
        """
        with self.change() as change:
            yield change
        time.sleep(SEEN_WITHIN_SECONDS)


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction that others are told of."""

    session: Session
    source: str
    now: datetime

    def tell(self, *commands: Payload) -> None:
        """Have these published once the change is made, and not otherwise."""
        messages = [
            message(each, id=uuid.uuid4().hex, source=self.source, time=self.now)
            for each in commands
        ]
        enqueue(self.session, SERVICE, messages)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Api = Annotated[Context, Depends(_context)]

_bearer = HTTPBearer(auto_error=False, description="The bootstrap token.")
_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A browser's session (POST /api/v1/session); changes need a matching Origin.",
)


def needs(role: Role) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """A dependency: who makes the request, and a 403 unless that role may."""

    async def principal(
        request: Request,
        _token: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        _session: Annotated[str | None, Depends(_cookie)],
    ) -> Principal:
        found: Principal | None = getattr(request.state, "principal", None)
        if found is None:
            raise not_signed_in("Send `Authorization: Bearer <token>`, or sign in at /.")
        if not found.role.covers(role):
            raise Problem(403, f"This needs the role {role}; {found.name} has {found.role}.")
        return found

    return principal


Viewer = Annotated[Principal, Depends(needs(Role.VIEWER))]
Operator = Annotated[Principal, Depends(needs(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(needs(Role.ADMIN))]

Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="At most so many items.")]
CursorText = Annotated[str | None, Query(description="`next` of the page before.")]
LIMIT = DEFAULT_ITEMS
