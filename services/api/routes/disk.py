"""/disk: how full it is, with what, and until when there is room."""

from fastapi import APIRouter

from dicom_router.said import cause_of, said
from services.api.context import Api, Viewer
from services.api.disk import forecast, hours_to_full, least_free_bytes
from services.api.problems import Problem
from services.api.schemas import Disk

router = APIRouter(tags=["disk"])


@router.get("/disk", summary="Room on the data folder's disk")
def get_disk(api: Api, _who: Viewer) -> Disk:
    """Total, used and free as they are now; the rest is at most half a minute old."""
    try:
        space = api.disk.space()
    except OSError as error:
        raise Problem(
            503,
            said(
                "The data folder {root} can't be read ({why}): see that its disk is "
                "mounted and belongs to the router's user.",
                root=api.archive.root,
                why=cause_of(error),
            ),
        ) from error
    use = api.disk.use()
    least = least_free_bytes(space, api.settings)
    hours = hours_to_full(space, least, use.growth_per_hour)
    return Disk(
        total_bytes=space.total,
        used_bytes=space.total - space.free,
        free_bytes=space.free,
        minimum_free_bytes=least,
        refusing=space.free < least,
        studies_bytes=use.by_state,
        spool_bytes=use.spool,
        quarantine_bytes=use.quarantine,
        growth_bytes_per_hour=round(use.growth_per_hour),
        growth_window_hours=round(use.window_hours, 1),
        forecast=forecast(hours),
        hours_to_full=None if hours is None else round(hours, 1),
    )
