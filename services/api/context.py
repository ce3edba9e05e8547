"""What the routes use: made once by `__main__`, handed to each by FastAPI's dependencies."""

import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from dicom_router.archive import Archive
from dicom_router.bus import Bus
from dicom_router.database import Database
from dicom_router.dimse import StopSignal
from dicom_router.errors import Unavailable
from dicom_router.events import Payload, message
from dicom_router.ledger import SEEN_WITHIN_SECONDS
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.said import said
from dicom_router.settings import Settings
from dicom_router.tls import TlsFiles
from services.api.access import COOKIE, Access, not_signed_in
from services.api.actions import ACTIONS
from services.api.actor import Actor, Role
from services.api.audit import Trail, filters_of, record
from services.api.checkup import Checkup
from services.api.counts import Counts
from services.api.disk import DiskWatch
from services.api.echo import Echoes
from services.api.feed import Feed
from services.api.logbook import Logbook
from services.api.middleware import segment
from services.api.oldest import OldestLetters
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queue_history import QueueHistory
from services.api.schemas import DEFAULT_ITEMS, MOST_ITEMS
from services.api.thumbnails import Thumbnails

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
    trail: Trail
    relay: OutboxRelay
    feed: Feed
    logbook: Logbook
    oldest_letters: OldestLetters
    queue_history: QueueHistory
    source: str  # of the messages it publishes: `api@host:pid`
    ready_checks: Sequence[ReadyCheck] = ()
    counts: Counts = field(default_factory=Counts)
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    checkup: Checkup = field(default_factory=Checkup)
    echoes: Echoes = field(default_factory=Echoes)
    stopping: StopSignal = field(default_factory=StopSignal)

    @property
    def tls_files(self) -> TlsFiles:
        """With which peers are reached over TLS."""
        return TlsFiles.of_dicom(self.settings)

    @contextmanager
    def change(self, who: Actor | None) -> Iterator["Change"]:
        """A transaction, and the commands that go out once it is committed.

        It goes into the audit trail, but for work that nobody asks for: `None`.
        """
        recorded = who is None or who.recorded
        with self.database.write() as session:
            change = Change(session, self.source, self.clock())
            yield change
            if who is not None and not recorded:
                record(session, who, change.now)
        if who is not None:
            who.recorded = True
        self.relay.wake()

    @contextmanager
    def forbidding(self, who: Actor) -> Iterator["Change"]:
        """As `change`, for one after which less may go out: over when at most the image in hand is.

        A forwarder looks at the database before each image, unless it did so a moment ago, and
        tells nobody when it has. So what is waited for is the age that its last look may have.
        Routes that use this are run in a thread of their own, never in the event loop.
        """
        with self.change(who) as change:
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

_bearer = HTTPBearer(auto_error=False, description="An API token, or the bootstrap token.")
_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A browser's session (POST /api/v1/session); changes need a matching Origin.",
)


async def _acting(
    request: Request,
    api: Api,
    _token: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _session: Annotated[str | None, Depends(_cookie)],
) -> Actor:
    """Whoever it is that makes the request, with what it asks for."""
    actor: Actor = request.state.actor
    name: str = request.scope["route"].name
    actor.action = ACTIONS.get(name, name)
    if actor.action is not None and api.trail.is_full:
        raise Unavailable(said("The audit trail can't be written now, so nothing is shown or done"))
    parameters = {key: segment(str(value)) for key, value in request.path_params.items()}
    actor.study_uid = parameters.pop("study_uid", None)
    actor.about = ", ".join(parameters.values())
    actor.detail.update(filters_of(request.query_params.multi_items()))
    return actor


Anyone = Annotated[Actor, Depends(_acting)]


def needs(role: Role) -> Callable[..., Coroutine[Any, Any, Actor]]:
    """A dependency: who makes the request, and a 403 unless that role may."""

    async def actor(found: Anyone) -> Actor:
        principal = found.principal
        if principal is None:
            raise not_signed_in(said("Send `Authorization: Bearer <token>`, or sign in at /."))
        if not principal.role.covers(role):
            raise Problem(
                403,
                said(
                    "This needs the role {needed}; {name} has {role}.",
                    needed=role,
                    name=principal.name,
                    role=principal.role,
                ),
            )
        return found

    actor.needed_role = role  # type: ignore[attr-defined]  # for the API's document
    return actor


Viewer = Annotated[Actor, Depends(needs(Role.VIEWER))]
Operator = Annotated[Actor, Depends(needs(Role.OPERATOR))]
Admin = Annotated[Actor, Depends(needs(Role.ADMIN))]


async def _locate(request: Request, response: Response) -> Callable[[str], None]:
    def locate(name: str) -> None:
        response.headers["Location"] = f"{request.url.path}/{name}"

    return locate


# Says where what was made is: at its name, or id, below the list that it was added to.
Locate = Annotated[Callable[[str], None], Depends(_locate)]

Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="At most so many items.")]
CursorText = Annotated[str | None, Query(description="`next` of the page before.")]
LIMIT = DEFAULT_ITEMS
