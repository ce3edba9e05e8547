"""/routes: which studies go where."""

from typing import Any

from fastapi import APIRouter

from dicom_router.events import RouteChanged
from dicom_router.ledger import enabled_destinations, enabled_routes, facts_of, rule_of
from dicom_router.log import Log, get_logger
from dicom_router.models import Route as RouteRow
from dicom_router.routing import Route as Rule
from dicom_router.routing import StudyFacts, decide
from dicom_router.said import said
from services.api import views
from services.api.audit import difference
from services.api.context import LIMIT, Admin, Api, CursorText, Limit, Locate, Viewer
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queries import routes as queries
from services.api.queries.studies import study
from services.api.routes.studies import unknown_study
from services.api.schemas import (
    NewRoute,
    Page,
    Route,
    RouteSettings,
    RouteTest,
    RouteTestResult,
)

router = APIRouter(prefix="/routes", tags=["routes"])

_SORT = "order"

log = get_logger()


@router.get("", summary="List routes")
def list_routes(
    api: Api, who: Viewer, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[Route]:
    """All routes in the order in which they are looked at."""
    after = parse_cursor(cursor, _SORT)
    if after is not None and not isinstance(after.key, int):
        raise Problem.field("cursor", said("it is none that this API gave out"))
    start = (min(int(after.key), 9999), after.id) if after else (-1, "")
    with api.database.read() as session:
        rows = queries.routes(session, start, limit + 1)
        enabled = enabled_destinations(session)
        shown = [views.route(row, enabled) for row in rows[:limit]]
    if not any(each.patient_ids for each in shown):
        who.shows_no_patient()
    return Page(
        items=shown, next=next_cursor(rows, limit, lambda row: Cursor(_SORT, row.order, row.name))
    )


@router.post("", status_code=201, summary="Add a route")
def create_route(api: Api, who: Admin, locate: Locate, given: NewRoute) -> Route:
    """For studies that complete from now on, and those that are unrouted.

    With the first enabled one, studies that fit none go nowhere any more: they are `unrouted`.
    """
    who.about = given.name
    locate(given.name)
    with api.change(who) as change:
        values = who.detail = _values(change.session, given)
        row = queries.create_route(change.session, given.name, values, change.now)
        if row is None:
            raise Problem(
                409, said("There is a route {name!r} already; PUT changes it.", name=given.name)
            )
        change.tell(RouteChanged(route=given.name))
        shown = views.route(row, enabled_destinations(change.session))
    log.info(Log.ROUTE_CONFIGURED, route=given.name, by=who.name, action="created")
    return shown


@router.post(
    "/test",
    summary="Where would this study go?",
    responses={404: {"description": "There is no study `study_uid`."}},
)
def try_routes(api: Api, who: Viewer, given: RouteTest) -> RouteTestResult:
    """What each route says to a study, and where it would go; changes nothing.

    With `draft`, a route can be tried before it is saved.
    """
    who.study_uid = given.study_uid
    with api.database.read() as session:
        facts = _facts(session, given)
        rules = {each.name: each for each in enabled_routes(session)}
        if given.draft is not None:
            rules.pop(given.draft.name, None)
            if given.draft.enabled:
                rules[given.draft.name] = _drafted(given.draft)
        decision = decide(enabled_destinations(session), rules.values(), facts)
    return RouteTestResult(
        destinations=list(decision.destinations),
        missing=list(decision.unusable),
        detail=decision.sentence(),
        routes=[views.verdict(each) for each in decision.verdicts],
    )


@router.get("/{name}", summary="One route")
def get_route(api: Api, who: Viewer, name: str) -> Route:
    """A route."""
    with api.database.read() as session:
        shown = views.route(_known(session, name), enabled_destinations(session))
    if not shown.patient_ids:
        who.shows_no_patient()
    return shown


@router.put("/{name}", summary="Replace a route")
def replace_route(api: Api, who: Admin, name: str, given: RouteSettings) -> Route:
    """What is left out takes its default. What a study owes already stays owed."""
    if given.name not in (None, name):
        raise Problem.field("name", said("a route's name never changes; add another one"))
    with api.change(who) as change:
        values = _values(change.session, given)
        row = _known(change.session, name)
        who.detail = difference(row, values)
        for key, value in values.items():
            setattr(row, key, value)
        row.updated_at = change.now
        change.tell(RouteChanged(route=name))
        change.session.flush()
        shown = views.route(row, enabled_destinations(change.session))
    log.info(Log.ROUTE_CONFIGURED, route=name, by=who.name, action="changed")
    return shown


@router.delete("/{name}", status_code=204, summary="Remove a route")
def delete_route(api: Api, who: Admin, name: str) -> None:
    """Without the last enabled one every study goes to every enabled destination."""
    with api.change(who) as change:
        queries.lock_routing(change.session)
        queries.delete_route(change.session, _known(change.session, name))
        change.tell(RouteChanged(route=name))
    log.info(Log.ROUTE_CONFIGURED, route=name, by=who.name, action="deleted")


def _values(session: Session, given: RouteSettings) -> dict[str, Any]:
    """A route's columns; from here on no destination goes until the transaction ends."""
    queries.lock_routing(session)
    if unknown := queries.unknown_destinations(session, given.destinations):
        raise Problem.field(
            "destinations",
            said(
                "there is no destination {unknown}; GET /api/v1/destinations lists them",
                unknown=", ".join(unknown),
            ),
        )
    return given.model_dump(exclude={"name"}) | {
        "destinations": list(dict.fromkeys(given.destinations))
    }


def _facts(session: Session, given: RouteTest) -> StudyFacts:
    if given.study_uid is None:
        return StudyFacts(
            modalities=given.modalities,
            calling_ae_titles=given.calling_ae_titles,
            called_ae_titles=given.called_ae_titles,
            patient_id=given.patient_id,
            study_description=given.study_description,
        )
    row = study(session, given.study_uid)
    if row is None:
        raise unknown_study()
    return facts_of(session, row)


def _drafted(given: NewRoute) -> Rule:
    return rule_of(RouteRow(**given.model_dump()))


def _known(session: Session, name: str) -> RouteRow:
    row = queries.route(session, name)
    if row is None:
        raise Problem(
            404, said("There is no route {name!r}; GET /api/v1/routes lists them.", name=name)
        )
    return row
