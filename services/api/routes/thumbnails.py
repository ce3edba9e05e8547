"""/studies/{study_uid}/series/{series_uid}/thumbnail: a small picture of a series."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi import Path as InPath
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from dicom_router.said import said
from services.api.conditional import is_unchanged
from services.api.context import Api, Context, Viewer
from services.api.middleware import segment
from services.api.problems import Problem
from services.api.queries import studies as queries
from services.api.routes.studies import StudyUid, unknown_study
from services.api.thumbnails import Picture

router = APIRouter(prefix="/studies", tags=["studies"])

_MEDIA_TYPE = "image/jpeg"
# A browser asks each time whether it is still so, and no other cache keeps a patient's picture.
_CACHING = "private, no-cache"


async def _series_uid(
    series_uid: Annotated[str, InPath(description="Series Instance UID, percent-encoded.")],
) -> str:
    return segment(series_uid)


SeriesUid = Annotated[str, Depends(_series_uid)]


@dataclass(frozen=True, slots=True)
class _Source:
    """What there is to draw; without a path it is no longer on disk."""

    receipt_id: str = ""
    path: Path | None = None
    deleted: bool = False
    receiving: bool = False


@router.get(
    "/{study_uid}/series/{series_uid}/thumbnail",
    summary="A picture of a series",
    response_class=Response,
    responses={
        200: {"content": {_MEDIA_TYPE: {}}, "description": "A JPEG of at most 256 x 256 pixels."},
        304: {"description": "It is still the one of `If-None-Match`."},
        404: {"description": "There is no picture: `detail` says why."},
    },
)
async def get_thumbnail(
    api: Api,
    _who: Viewer,
    study_uid: StudyUid,
    series_uid: SeriesUid,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Its middle image's middle frame, windowed as the image says.

    Drawn when it is first asked for, and kept in memory; of a study that is no longer on disk there
    is one only if it was drawn before.
    """
    source = await run_in_threadpool(_source, api, study_uid, series_uid)
    picture = await _picture(api, (study_uid, series_uid), source)
    if picture.why:
        raise Problem(404, said("There is no picture of this series: {why}.", why=picture.why))
    headers = {"ETag": picture.etag, "Cache-Control": _CACHING}
    if is_unchanged(if_none_match, picture.etag):
        return Response(status_code=304, headers=headers)
    return Response(picture.jpeg, media_type=_MEDIA_TYPE, headers=headers)


async def _picture(api: Context, key: tuple[str, str], source: _Source) -> Picture:
    if source.deleted:
        api.thumbnails.forget(key[0])
        return Picture("", why="the study was deleted")
    kept = api.thumbnails.kept(key)
    if source.path is None:
        return kept or Picture("", why="its images are no longer on this disk")
    # While images come the middle is another one each time.
    if kept is not None and (kept.source == source.receipt_id or (source.receiving and kept.jpeg)):
        return kept
    return await api.thumbnails.draw(key, source.receipt_id, source.path)


def _source(api: Context, study_uid: str, series_uid: str) -> _Source:
    with api.database.read() as session:
        study = queries.study(session, study_uid)
        if study is None:
            raise unknown_study()
        if queries.series_of(session, study_uid, series_uid) is None:
            raise Problem(404, said("The study has no such series; GET …/series lists them."))
        image = queries.middle_instance(session, study_uid, series_uid)
        if image is None or not image.file_name or not study.on_disk:
            return _Source(deleted=study.deleted)
        path = api.archive.study_file(study.folder, image.file_name)
        return _Source(image.receipt_id, path, study.deleted, study.receiving)
