"""/deliveries: what destinations are owed."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from dicom_router.events import DeliveryRetry, ForwardRequested
from dicom_router.log import Log, get_logger
from dicom_router.models import BY_DELETION, OPEN_DELIVERY_STATES, DeliveryState
from dicom_router.models import BulkForward as BulkRow
from dicom_router.models import Delivery as DeliveryRow
from dicom_router.queues import delivery_queue
from dicom_router.said import Said, said
from services.api import views
from services.api.audit import filters_of
from services.api.context import LIMIT, Api, CursorText, Limit, Operator, Viewer
from services.api.letters import take_away
from services.api.paging import next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import bulk, decisions, destinations
from services.api.queries import deliveries as queries
from services.api.queries.studies import patient_names
from services.api.routes.studies import filter_of
from services.api.routes.study_commands import require_target
from services.api.schemas import (
    Accepted,
    BulkAccepted,
    BulkCounts,
    BulkForward,
    BulkProgress,
    Delivery,
    ListedDelivery,
    Page,
)

router = APIRouter(prefix="/deliveries", tags=["deliveries"])

log = get_logger()

_CAN_BE_RETRIED = (
    DeliveryState.WAITING,
    DeliveryState.RETRYING,
    DeliveryState.FAILED,
    DeliveryState.CANCELLED,
)


@router.get("", summary="List deliveries")
def list_deliveries(
    api: Api,
    _who: Viewer,
    state: Annotated[list[DeliveryState] | None, Query(description="Any of these.")] = None,
    destination: str = "",
    replaced: Annotated[
        bool | None,
        Query(description="false: those that still decide what becomes of their study."),
    ] = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Page[ListedDelivery]:
    """Deliveries, newest first."""
    after = parse_cursor(cursor, queries.ORDER)
    with api.database.read() as session:
        rows = queries.deliveries(session, state or (), destination, replaced, after, limit + 1)
        names = patient_names(session, {row.row.study_uid for row in rows})
    return Page(
        items=[views.listed_delivery(row, names) for row in rows[:limit]],
        next=next_cursor(rows, limit, lambda row: queries.cursor_of(row.row)),
    )


@router.post(
    "/bulk",
    status_code=202,
    responses={200: {"model": BulkCounts, "description": "What it would come to (`dry_run`)."}},
    summary="Send many studies (again)",
)
def forward_many(
    api: Api, who: Operator, given: BulkForward, response: Response
) -> BulkAccepted | BulkCounts:
    """A destination was restored, replaced or added: as POST /studies/…/forward, for all that fit.

    Ask with `dry_run` first. The studies are asked for by and by, and it goes on after a restart.
    """
    wanted = filter_of(given.filter)
    who.about = given.destination or ""
    who.detail = {
        **filters_of(
            [(k, str(v)) for k, v in given.filter.model_dump(exclude_defaults=True).items()]
        ),
        **given.model_dump(include={"only_missing", "dry_run"}),
    }
    with api.database.read() as session:  # on SQLite nobody else could write while it is counted
        require_target(session, given.destination)
        counts = BulkCounts.model_validate(bulk.count(session, wanted), from_attributes=True)
    who.detail["studies"] = counts.studies
    if given.dry_run:
        response.status_code = 200
        return counts
    with api.change(who) as change:
        row = bulk.create(
            change.session,
            given.filter.model_dump(mode="json"),
            given.destination,
            given.only_missing,
            by=who.name,
            studies=counts.studies,
            now=change.now,
        )
    return BulkAccepted(id=row.id, command=ForwardRequested.name, **counts.model_dump())


@router.get("/bulk/{bulk_id}", summary="How far a bulk is")
def get_bulk(api: Api, _who: Viewer, bulk_id: str) -> BulkProgress:
    """How many of its studies the forwarders have been asked to send."""
    with api.database.read() as session:
        row = bulk.get(session, bulk_id)
    return _progress(row, bulk_id)


@router.post("/bulk/{bulk_id}/cancel", summary="Ask for no more of a bulk")
def cancel_bulk(api: Api, who: Operator, bulk_id: str) -> BulkProgress:
    """What the forwarders have been asked for stays asked for."""
    with api.change(who) as change:
        row = bulk.get(change.session, bulk_id, locked=True)
        if row is not None and row.finished_at is None:
            bulk.end(row, f"Cancelled by {who.name}", change.now)
        elif row is not None:
            raise Problem(409, said("This bulk has ended: there is nothing left to cancel."))
        shown = _progress(row, bulk_id)
    log.info(Log.BULK_ENDED, bulk=bulk_id, asked=shown.asked, why=shown.reason)
    return shown


def _progress(row: BulkRow | None, bulk_id: str) -> BulkProgress:
    if row is None:
        raise Problem(
            404,
            said(
                "There is no bulk {bulk_id!r}: POST /api/v1/deliveries/bulk makes one.",
                bulk_id=bulk_id,
            ),
        )
    return BulkProgress.model_validate(row, from_attributes=True)


@router.post("/{delivery_id}/retry", status_code=202, summary="Try a delivery again now")
def retry_delivery(api: Api, who: Operator, delivery_id: str) -> Accepted:
    """Whatever it waits for; what has failed or was cancelled begins anew.

    The dead letter of one that has failed goes.
    """
    with api.change(who) as change:
        found = queries.delivery(change.session, delivery_id)
        if found is None:
            raise _unknown(delivery_id)
        _require(
            found,
            _CAN_BE_RETRIED,
            said("This delivery can't be tried again: it is {state}.", state=found.state),
        )
        who.study_uid = found.study_uid
        if found.replaced_by is not None:
            why = said("Its study was deleted")
            if found.replaced_by != BY_DELETION:
                why = said(
                    "It was replaced: the delivery {later} is owed its images",
                    later=found.replaced_by,
                )
            raise Problem(
                409, said("{why}; POST /api/v1/studies/…/forward sends what is missing.", why=why)
            )
        if destinations.lock_destination(change.session, found.destination) is None:
            raise Problem(
                409,
                said(
                    "There is no destination {destination!r} any more: add it again first (POST "
                    "/api/v1/destinations).",
                    destination=found.destination,
                ),
            )
        command = DeliveryRetry(delivery_id=delivery_id, by=who.name, at=change.now)
        change.tell(command)
    if found.state == DeliveryState.FAILED:
        take_away(api, delivery_queue(found.destination), delivery_id, change.now)
    return Accepted(id=delivery_id, command=command.name)


@router.post("/{delivery_id}/cancel", summary="Stop trying a delivery")
def cancel_delivery(api: Api, who: Operator, delivery_id: str) -> Delivery:
    """Sending stops after the image in hand, and it never counts as delivered.

    It has taken effect when this answers.
    """
    with api.forbidding(who) as change:
        locked = queries.lock_delivery(change.session, delivery_id)
        if locked is None:
            raise _unknown(delivery_id)
        study, row = locked
        who.study_uid = row.study_uid
        _require(
            row,
            OPEN_DELIVERY_STATES,
            said("This delivery can't be cancelled: it is {state}.", state=row.state),
        )
        # Later than any request that came before its lock.
        decisions.cancel(change.session, study, row, who.name, api.clock())
        (counted,) = queries.counted(change.session, [row])
        return views.delivery(counted)


def _require(row: DeliveryRow, states: tuple[DeliveryState, ...], why: Said) -> None:
    if row.state not in states:
        raise Problem(409, why)


def _unknown(delivery_id: str) -> Problem:
    return Problem(
        404,
        said(
            "There is no delivery {delivery_id!r}; GET /api/v1/deliveries lists them.",
            delivery_id=delivery_id,
        ),
    )
