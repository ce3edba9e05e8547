"""/associations: who called and who was refused."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.api import views
from services.api.context import LIMIT, Api, CursorText, Limit, Viewer
from services.api.paging import next_cursor, parse_cursor
from services.api.queries import associations as queries
from services.api.schemas import Association, AssociationOutcome, Page

router = APIRouter(prefix="/associations", tags=["associations"])


@router.get("", summary="List associations, also those that were refused")
def list_associations(
    api: Api,
    _who: Viewer,
    outcome: Annotated[list[AssociationOutcome] | None, Query(description="Any of these.")] = None,
    calling_ae_title: str = "",
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Page[Association]:
    """Newest first. The same refusal is on record once a minute, for 30 days."""
    after = parse_cursor(cursor, queries.ORDER)
    outcomes = [None if each is AssociationOutcome.OPEN else each.value for each in outcome or ()]
    with api.database.read() as session:
        rows = queries.associations(session, outcomes, calling_ae_title, after, limit + 1)
    return Page(
        items=[views.association(row) for row in rows[:limit]],
        next=next_cursor(rows, limit, queries.cursor_of),
    )
