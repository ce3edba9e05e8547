"""/audit: who changed what, and who looked at patients' data."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from dicom_router.models import AuditEntry as AuditRow
from services.api.actions import Action
from services.api.context import LIMIT, Admin, Api, CursorText, Limit
from services.api.moments import since, until
from services.api.paging import next_cursor, parse_cursor
from services.api.queries import audit as queries
from services.api.queries.audit import AuditFilter
from services.api.schemas import AuditEntry, Page

router = APIRouter(prefix="/audit", tags=["audit"])

_AT_ONCE = 1_000  # rows read for an export
_COLUMNS = [name for name in AuditEntry.model_fields if name != "id"]
_MOMENTS = ["2026-01-22", "2026-01-22T14:15:30Z"]


async def _wanted(
    who: Annotated[
        str, Query(description="The name, as in the entries.", examples=["maria.silva"])
    ] = "",
    action: Action | None = None,
    study: Annotated[str, Query(description="A Study Instance UID.")] = "",
    from_: Annotated[
        str | None, Query(alias="from", description="A date or a time.", examples=_MOMENTS)
    ] = None,
    to: Annotated[
        str | None,
        Query(description="A date, which is included, or a time.", examples=_MOMENTS),
    ] = None,
) -> AuditFilter:
    return AuditFilter(
        who=who,
        action=action or "",
        study_uid=study,
        since=since("from", from_),
        before=until("to", to),
    )


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get("", summary="Read the audit trail")
def list_audit(
    api: Api, _who: Admin, wanted: Wanted, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[AuditEntry]:
    """Newest first, of the last two years. Changes are in it at once, looks within a minute."""
    after = parse_cursor(cursor, queries.ORDER)
    with api.database.read() as session:
        rows = queries.entries(session, wanted, after, limit + 1)
    return Page(
        items=[_shown(row) for row in rows[:limit]],
        next=next_cursor(rows, limit, queries.cursor_of),
    )


@router.get(
    "/export",
    summary="The audit trail as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def export_audit(api: Api, _who: Admin, wanted: Wanted) -> StreamingResponse:
    """All entries that fit, newest first; the columns are those of the list, `detail` as JSON.

    What a spreadsheet would take for a formula begins with an apostrophe.
    """
    return StreamingResponse(
        _csv(api, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


def _csv(api: Api, wanted: AuditFilter) -> Iterator[str]:
    yield _line(_COLUMNS)
    after = None
    while True:
        with api.database.read() as session:
            rows = queries.entries(session, wanted, after, _AT_ONCE)
        yield "".join(_line(_cells(row)) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        after = queries.cursor_of(rows[-1])


def _cells(row: AuditRow) -> list[str]:
    values = _shown(row).model_dump(mode="json")
    values["detail"] = json.dumps(row.detail, ensure_ascii=False) if row.detail else ""
    return [_plain("" if values[name] is None else str(values[name])) for name in _COLUMNS]


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _shown(row: AuditRow) -> AuditEntry:
    values = {name: getattr(row, name) for name in AuditEntry.model_fields}
    return AuditEntry.model_validate({**values, "role": row.role or None})
