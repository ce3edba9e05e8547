"""/senders: known scanners."""

from fastapi import APIRouter

from dicom_router.dimse import PeerAddress
from dicom_router.events import SenderChanged
from dicom_router.models import Sender as SenderRow
from dicom_router.said import said
from services.api import views
from services.api.audit import difference
from services.api.context import LIMIT, Admin, Api, CursorText, Limit, Locate, Operator, Viewer
from services.api.echo import echo
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queries import senders as queries
from services.api.registration import register
from services.api.schemas import (
    EchoResult,
    NewSender,
    Page,
    RegisteredSender,
    Sender,
    SenderSettings,
)

router = APIRouter(prefix="/senders", tags=["senders"])


@router.get("", summary="List senders")
def list_senders(
    api: Api, _who: Viewer, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[Sender]:
    """All known scanners, by name."""
    after = parse_cursor(cursor, "name")
    with api.database.read() as session:
        rows = queries.senders(session, after.id if after else "", limit + 1)
        heard = queries.last_heard(session, rows)
    return Page(
        items=[views.sender(row, heard) for row in rows[:limit]],
        next=next_cursor(rows, limit, lambda row: Cursor("name", "", row.name)),
    )


@router.post("", status_code=201, summary="Register a sender")
def create_sender(api: Api, who: Admin, locate: Locate, given: NewSender) -> RegisteredSender:
    """With the first one, callers of the last 30 days are registered as well.

    From then on (ROUTER_ACCEPT_CALLERS=auto) only known senders are accepted.
    """
    who.about = given.name
    locate(given.name)
    with api.change(who) as change:
        also = who.detail["also_registered"] = register(change, given)
        row = queries.sender(change.session, given.name)
        if row is None:
            raise _unknown(given.name)
        shown = _shown(change.session, row)
        return RegisteredSender(**shown.model_dump(), also_registered=also)


@router.get("/{name}", summary="One sender")
def get_sender(api: Api, _who: Viewer, name: str) -> Sender:
    """A known scanner."""
    with api.database.read() as session:
        row = queries.sender(session, name)
        if row is None:
            raise _unknown(name)
        return _shown(session, row)


@router.put("/{name}", summary="Replace a sender's settings")
def replace_sender(api: Api, who: Admin, name: str, given: SenderSettings) -> Sender:
    """What is left out takes its default."""
    if given.name not in (None, name):
        raise Problem.field("name", said("a sender's name never changes; register another one"))
    with api.change(who) as change:
        row = queries.lock_sender(change.session, name)
        if row is None:
            raise _unknown(name)
        values = given.model_dump(exclude={"name"})
        who.detail = difference(row, values)
        for key, value in values.items():
            setattr(row, key, value)
        row.updated_at = change.now
        change.tell(SenderChanged(sender=name))
        return _shown(change.session, row)


@router.delete("/{name}", status_code=204, summary="Remove a sender")
def delete_sender(api: Api, who: Admin, name: str) -> None:
    """It is refused from now on, unless it was the last one (ROUTER_ACCEPT_CALLERS=auto)."""
    with api.change(who) as change:
        row = queries.lock_sender(change.session, name)
        if row is None:
            raise _unknown(name)
        queries.delete_sender(change.session, row)
        change.tell(SenderChanged(sender=name))


@router.post("/{name}/echo", summary="Ask a sender whether it is there")
def echo_sender(api: Api, _who: Operator, name: str) -> EchoResult:
    """C-ECHO to it; tells the stage it failed at."""
    with api.database.read() as session:
        row = queries.sender(session, name)
    if row is None:
        raise _unknown(name)
    if not row.host or row.port is None:
        raise Problem(
            409,
            said(
                "Where {name!r} listens is not known: give it a host and a port (PUT).", name=name
            ),
        )
    peer = PeerAddress(row.host, row.port, row.ae_title, api.settings.ae_title)
    return echo(peer, tls=None, stopping=api.stopping)


def _shown(session: Session, row: SenderRow) -> Sender:
    return views.sender(row, queries.last_heard(session, [row]))


def _unknown(name: str) -> Problem:
    return Problem(
        404, said("There is no sender {name!r}; GET /api/v1/senders lists them.", name=name)
    )
