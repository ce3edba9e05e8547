"""/studies: who was here, how far it is, and its story."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from dicom_router.models import Study as StudyRow
from dicom_router.models import StudyState
from dicom_router.said import cause_of, said
from services.api import views
from services.api.context import LIMIT, Api, CursorText, Limit, Viewer
from services.api.files import files_in
from services.api.middleware import segment
from services.api.moments import Moment, since, until
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queries import studies as queries
from services.api.queries.deliveries import deliveries_of
from services.api.queries.studies import StudyFilter
from services.api.schemas import (
    Instance,
    Page,
    Series,
    Study,
    StudyFiles,
    StudyQuery,
    StudySort,
    TimelineEntry,
)

router = APIRouter(prefix="/studies", tags=["studies"])


async def _study_uid(
    study_uid: Annotated[str, Path(description="Study Instance UID, percent-encoded.")],
) -> str:
    return segment(study_uid)


StudyUid = Annotated[str, Depends(_study_uid)]


async def _wanted(
    q: Annotated[
        str,
        Query(
            description="Words in the patient's name or ID, accession number or description, in "
            "any order; accents and capitals do not matter. One or two letters: where a word "
            "begins. Or a whole Study Instance UID.",
            examples=["silva maria"],
        ),
    ] = "",
    patient_id: str = "",
    patient_name: Annotated[str, Query(description="As `q`, in the name only.")] = "",
    modality: Annotated[str, Query(pattern=r"^[A-Za-z0-9_]{0,16}$", examples=["CT"])] = "",
    state: Annotated[list[StudyState] | None, Query(description="Any of these.")] = None,
    sent: bool | None = None,
    needs_attention: bool | None = None,
    received_from: Moment = None,
    received_to: Moment = None,
) -> StudyFilter:
    return filter_of(
        StudyQuery.model_construct(
            q=q,
            patient_id=patient_id,
            patient_name=patient_name,
            modality=modality,
            state=state or [],
            sent=sent,
            needs_attention=needs_attention,
            received_from=received_from,
            received_to=received_to,
        )
    )


def filter_of(given: StudyQuery) -> StudyFilter:
    """The studies that a client means."""
    return StudyFilter(
        q=given.q,
        patient_id=given.patient_id,
        patient_name=given.patient_name,
        modality=given.modality,
        states=tuple(given.state),
        sent=given.sent,
        needs_attention=given.needs_attention,
        received_from=since("received_from", given.received_from),
        received_before=until("received_to", given.received_to),
    )


@router.get("", summary="List studies")
def list_studies(
    api: Api,
    _who: Viewer,
    wanted: Annotated[StudyFilter, Depends(_wanted)],
    sort: StudySort = StudySort.NEWEST,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
) -> Page[Study]:
    """The studies that fit all filters, on disk or not.

    A time without a zone is the site's; a date as `received_to` includes that day.
    """
    after = parse_cursor(cursor, sort)
    with api.database.read() as session:
        rows = queries.studies(session, wanted, sort, after, limit + 1)
        owed = deliveries_of(session, [row.study_uid for row in rows[:limit]])
    shown = [views.study(row, owed.get(row.study_uid, [])) for row in rows[:limit]]
    return Page(
        items=shown, next=next_cursor(rows, limit, lambda row: queries.cursor_of(row, sort))
    )


@router.get("/{study_uid}", summary="One study")
def get_study(api: Api, _who: Viewer, study_uid: StudyUid) -> Study:
    """A study with all its deliveries."""
    with api.database.read() as session:
        return shown_study(session, _known(session, study_uid))


@router.get("/{study_uid}/series", summary="A study's series")
def list_series(
    api: Api, _who: Viewer, study_uid: StudyUid, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[Series]:
    """The series of a study, by UID."""
    after = parse_cursor(cursor, "series")
    with api.database.read() as session:
        _known(session, study_uid)
        rows = queries.series(session, study_uid, after.id if after else "", limit + 1)
    shown = [views.series(row, images) for row, images in rows[:limit]]
    return Page(
        items=shown,
        next=next_cursor(rows, limit, lambda row: Cursor("series", "", row[0].series_uid)),
    )


@router.get("/{study_uid}/instances", summary="A study's instances")
def list_instances(
    api: Api, _who: Viewer, study_uid: StudyUid, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[Instance]:
    """The instances of a study, by UID: of each the newest bytes received."""
    after = parse_cursor(cursor, "instances")
    with api.database.read() as session:
        _known(session, study_uid)
        rows = queries.instances(session, study_uid, after.id if after else "", limit + 1)
    shown = [views.instance(row) for row in rows[:limit]]
    return Page(
        items=shown,
        next=next_cursor(rows, limit, lambda row: Cursor("instances", "", row.sop_instance_uid)),
    )


@router.get("/{study_uid}/files", summary="A study's files")
def get_files(api: Api, _who: Viewer, study_uid: StudyUid) -> StudyFiles:
    """What lies in the study's folder at this moment; nothing, once it is no longer on disk."""
    with api.database.read() as session:
        row = _known(session, study_uid)
        instances = queries.all_instances(session, study_uid)
    try:
        return files_in(api.archive, row.folder, instances)
    except OSError as error:
        raise Problem(
            503, said("The study's folder can't be read: {why}.", why=cause_of(error))
        ) from error


@router.get("/{study_uid}/timeline", summary="A study's story")
def get_timeline(api: Api, _who: Viewer, study_uid: StudyUid) -> list[TimelineEntry]:
    """From the associations that brought it to each delivery, in order."""
    with api.database.read() as session:
        row = _known(session, study_uid)
        return views.timeline(
            row,
            queries.touches(session, study_uid),
            queries.filings(session, row),
            queries.entries(session, study_uid),
        )


def _known(session: Session, study_uid: str) -> StudyRow:
    row = queries.study(session, study_uid)
    if row is None:
        raise unknown_study()
    return row


def shown_study(session: Session, row: StudyRow) -> Study:
    """A study as GET shows it."""
    return views.study(row, deliveries_of(session, [row.study_uid]).get(row.study_uid, []))


def unknown_study() -> Problem:
    """The answer where a study's UID is none that was ever seen."""
    return Problem(404, said("There is no such study; GET /api/v1/studies?q= finds what there is."))
