"""/destinations: where studies go."""

from typing import Literal

from fastapi import APIRouter

from dicom_router.dimse import PeerAddress
from dicom_router.events import DestinationChanged
from dicom_router.log import Log, get_logger
from dicom_router.models import Destination as DestinationRow
from dicom_router.said import said
from services.api import views
from services.api.actor import Actor
from services.api.audit import difference
from services.api.context import LIMIT, Admin, Api, CursorText, Limit, Locate, Operator, Viewer
from services.api.echo import echo
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queries import destinations as queries
from services.api.queries.routes import routes_to
from services.api.schemas import (
    Destination,
    DestinationSettings,
    EchoResult,
    NewDestination,
    Page,
)
from services.api.targets import VARIABLES

router = APIRouter(prefix="/destinations", tags=["destinations"])

log = get_logger()

_CANCELLED_AT_ONCE = 50  # studies that owe something to a destination that is deleted


@router.get("", summary="List destinations")
def list_destinations(
    api: Api, _who: Viewer, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[Destination]:
    """All destinations, by name, and whether they take images."""
    after = parse_cursor(cursor, "name")
    with api.database.read() as session:
        rows = queries.destinations(session, after.id if after else "", limit + 1)
    return Page(
        items=[views.destination(row) for row in rows[:limit]],
        next=next_cursor(rows, limit, lambda row: Cursor("name", "", row.row.name)),
    )


@router.post("", status_code=201, summary="Add a destination")
def create_destination(api: Api, who: Admin, locate: Locate, given: NewDestination) -> Destination:
    """From now on new studies are owed to it, and those that had nowhere to go."""
    who.about = given.name
    locate(given.name)
    with api.change(who) as change:
        values = given.model_dump(exclude={"name"})
        if not queries.create_destination(change.session, given.name, values, change.now):
            raise Problem(
                409,
                said("There is a destination {name!r} already; PUT changes it.", name=given.name),
            )
        change.tell(DestinationChanged(destination=given.name))
        shown = _shown(change.session, given.name)
    log.info(Log.DESTINATION_CONFIGURED, destination=given.name, by=who.name, action="created")
    return shown


@router.get("/{name}", summary="One destination")
def get_destination(api: Api, _who: Viewer, name: str) -> Destination:
    """A destination, and whether it takes images."""
    with api.database.read() as session:
        return _shown(session, name)


@router.put("/{name}", summary="Replace a destination's settings")
def replace_destination(api: Api, who: Admin, name: str, given: DestinationSettings) -> Destination:
    """What is left out takes its default. What a study owes already stays owed."""
    if given.name not in (None, name):
        raise Problem.field("name", said("a destination's name never changes; add another one"))
    with api.change(who) as change:
        row = _changeable(change.session, name)
        values = given.model_dump(exclude={"name"})
        who.detail = difference(row, values)
        changed = queries.change_destination(row, values, change.now)
        if changed:
            change.tell(DestinationChanged(destination=name))
        change.session.flush()
        shown = _shown(change.session, name)
    if changed:
        log.info(Log.DESTINATION_CONFIGURED, destination=name, by=who.name, action="changed")
    return shown


@router.delete("/{name}", status_code=204, summary="Remove a destination")
def delete_destination(
    api: Api, who: Admin, name: str, waiting: Literal["discard"] | None = None
) -> None:
    """Deliveries that wait for it are in the way, unless they are to be discarded: cancelled.

    So are routes that name it: their studies would go nowhere. To discard can take a while, in
    which the destination is disabled; ask again if it is cut off.
    """
    cancelled = _discard(api, name, who) if waiting == "discard" else 0
    with api.change(who) as change:
        row = _removable(change.session, name)
        if left := queries.open_deliveries(change.session, name):
            raise Problem(
                409,
                said(
                    "{left} deliveries to {name!r} have not ended: wait for them, or give "
                    "?waiting=discard to cancel them (they never count as delivered).",
                    left=left,
                    name=name,
                ),
            )
        queries.delete_destination(change.session, row)
        who.detail["cancelled"] = cancelled
        change.tell(DestinationChanged(destination=name))
    log.info(
        Log.DESTINATION_CONFIGURED,
        destination=name,
        by=who.name,
        action="deleted",
        cancelled=cancelled,
    )


@router.post("/{name}/echo", summary="Ask a destination whether it is there")
def echo_destination(api: Api, _who: Operator, name: str) -> EchoResult:
    """C-ECHO to it, as a delivery would reach it; tells the stage it failed at."""
    with api.database.read() as session:
        found = queries.destination(session, name)
    if found is None:
        raise _unknown(name)
    row = found.row
    ours = row.calling_ae_title or api.settings.ae_title
    peer = PeerAddress(row.host, row.port, row.ae_title, ours)
    return echo(peer, tls=api.tls_files if row.tls else None, stopping=api.stopping)


def _removable(session: Session, name: str) -> DestinationRow:
    row = _changeable(session, name)
    if named_by := routes_to(session, name):
        raise Problem(
            409,
            said(
                "Studies go to {name!r} by the routes {named_by}: change these before.",
                name=name,
                named_by=", ".join(named_by),
            ),
        )
    return row


def _discard(api: Api, name: str, who: Actor) -> int:
    """Cancel what a destination is owed, and owe it no more; how many deliveries.

    A few studies at a time: others wait for their locks, on SQLite for the whole database.
    """
    with api.change(who) as change:
        row = _removable(change.session, name)
        queries.change_destination(row, {"enabled": False}, change.now)
    total = 0
    while True:
        with api.change(who) as change:
            cancelled = queries.cancel_deliveries(
                change.session, name, who.name, change.now, _CANCELLED_AT_ONCE
            )
        if not cancelled:
            return total
        total += cancelled


def _shown(session: Session, name: str) -> Destination:
    found = queries.destination(session, name)
    if found is None:
        raise _unknown(name)
    return views.destination(found)


def _changeable(session: Session, name: str) -> DestinationRow:
    row = queries.lock_destination(session, name)
    if row is None:
        raise _unknown(name)
    if row.managed_by:
        raise Problem(
            409,
            said(
                "The destination {name!r} is what {variables} say: change these and restart, "
                "or unset them to change it here.",
                name=name,
                variables=VARIABLES,
            ),
        )
    return row


def _unknown(name: str) -> Problem:
    return Problem(
        404,
        said("There is no destination {name!r}; GET /api/v1/destinations lists them.", name=name),
    )
