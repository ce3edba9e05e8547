"""/deliveries: what destinations are owed."""

from typing import Annotated

from fastapi import APIRouter, Query

from dicom_router.events import DeliveryCancel, DeliveryRetry, Payload
from dicom_router.models import BY_DELETION, OPEN_DELIVERY_STATES, DeliveryState
from dicom_router.models import Delivery as DeliveryRow
from services.api import views
from services.api.context import LIMIT, Api, Change, CursorText, Limit, Operator, Viewer
from services.api.paging import next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import deliveries as queries
from services.api.queries import destinations
from services.api.schemas import Accepted, Delivery, Page

router = APIRouter(prefix="/deliveries", tags=["deliveries"])

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
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Page[Delivery]:
    """Deliveries, newest first."""
    after = parse_cursor(cursor, queries.ORDER)
    with api.database.read() as session:
        rows = queries.deliveries(session, state or (), destination, after, limit + 1)
    return Page(
        items=[views.delivery(row) for row in rows[:limit]],
        next=next_cursor(rows, limit, lambda row: queries.cursor_of(row.row)),
    )


@router.post("/{delivery_id}/retry", status_code=202, summary="Try a delivery again now")
def retry_delivery(api: Api, who: Operator, delivery_id: str) -> Accepted:
    """Whatever it waits for; what has failed or was cancelled begins anew."""
    with api.change() as change:
        found = _require(change, delivery_id, _CAN_BE_RETRIED, "tried again")
        if found.replaced_by is not None:
            why = "Its study was deleted"
            if found.replaced_by != BY_DELETION:
                why = f"It was replaced: the delivery {found.replaced_by} is owed its images"
            raise Problem(409, f"{why}; POST /api/v1/studies/…/forward sends what is missing.")
        if destinations.lock_destination(change.session, found.destination) is None:
            raise Problem(
                409,
                f"There is no destination {found.destination!r} any more: add it again first "
                "(POST /api/v1/destinations).",
            )
        return _command(change, DeliveryRetry(delivery_id=delivery_id, by=who.name), delivery_id)


@router.post("/{delivery_id}/cancel", status_code=202, summary="Stop trying a delivery")
def cancel_delivery(api: Api, who: Operator, delivery_id: str) -> Accepted:
    """It never counts as delivered."""
    with api.change() as change:
        _require(change, delivery_id, OPEN_DELIVERY_STATES, "cancelled")
        return _command(change, DeliveryCancel(delivery_id=delivery_id, by=who.name), delivery_id)


def _require(
    change: Change, delivery_id: str, states: tuple[DeliveryState, ...], what: str
) -> DeliveryRow:
    row = queries.delivery(change.session, delivery_id)
    if row is None:
        raise Problem(
            404, f"There is no delivery {delivery_id!r}; GET /api/v1/deliveries lists them."
        )
    if row.state not in states:
        possible = ", ".join(states)
        raise Problem(
            409, f"This delivery is {row.state}; it can be {what} while it is one of: {possible}."
        )
    return row


def _command(change: Change, command: Payload, delivery_id: str) -> Accepted:
    change.tell(command)
    return Accepted(id=delivery_id, command=command.name)
