"""/quarantine: what could not be organized, and superseded files."""

from typing import Annotated

from fastapi import APIRouter, Query

from dicom_router.events import Payload, QuarantineDelete, QuarantineRetry
from dicom_router.ledger import lock_study
from dicom_router.models import Receipt
from dicom_router.said import said
from services.api import views
from services.api.context import LIMIT, Admin, Api, Change, CursorText, Limit, Operator, Viewer
from services.api.paging import next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import quarantine as queries
from services.api.schemas import Accepted, Page, Quarantined

router = APIRouter(prefix="/quarantine", tags=["quarantine"])


@router.get("", summary="List what is in quarantine")
def list_quarantine(
    api: Api,
    _who: Viewer,
    reason: Annotated[str, Query(description="A part of it; case does not matter.")] = "",
    on_disk: Annotated[
        bool, Query(description="false: those that were taken in again or deleted.")
    ] = True,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Page[Quarantined]:
    """Images that could not be organized, and those that newer bytes have superseded."""
    after = parse_cursor(cursor, queries.ORDER)
    with api.database.read() as session:
        rows = queries.set_aside(session, reason, on_disk, after, limit + 1)
    return Page(
        items=[views.quarantined(row, api.archive) for row in rows[:limit]],
        next=next_cursor(rows, limit, queries.cursor_of),
    )


@router.post("/{receipt_id}/retry", status_code=202, summary="Try to organize a file once more")
def retry_quarantined(api: Api, who: Operator, receipt_id: str) -> Accepted:
    """Of use after an update, say. What still can't be organized stays, with the new reason.

    A superseded file becomes the newest of its instance and is sent; the other goes to quarantine.
    """
    with api.change(who) as change:
        found = _require(change, receipt_id)
        who.study_uid = found.study_uid
        study = lock_study(change.session, found.study_uid) if found.study_uid else None
        if study is not None and study.deleted:
            raise Problem(409, said("Its study was deleted: what is in quarantine stays there."))
        return _command(change, QuarantineRetry(receipt_id=receipt_id, by=who.name), receipt_id)


@router.delete("/{receipt_id}", status_code=202, summary="Remove a file from quarantine")
def delete_quarantined(api: Api, who: Admin, receipt_id: str) -> Accepted:
    """The file goes for good; its row stays and says who had it removed."""
    with api.change(who) as change:
        who.study_uid = _require(change, receipt_id).study_uid
        return _command(change, QuarantineDelete(receipt_id=receipt_id, by=who.name), receipt_id)


def _require(change: Change, receipt_id: str) -> Receipt:
    row = queries.one_set_aside(change.session, receipt_id)
    if row is None:
        raise Problem(
            404,
            said(
                "{receipt_id!r} is not in quarantine; GET /api/v1/quarantine lists what is.",
                receipt_id=receipt_id,
            ),
        )
    if not row.on_disk:
        raise Problem(
            409, said("Its file is not in quarantine any more: {reason}.", reason=row.reason)
        )
    return row


def _command(change: Change, command: Payload, receipt_id: str) -> Accepted:
    change.tell(command)
    return Accepted(id=receipt_id, command=command.name)
