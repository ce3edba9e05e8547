"""/site: what people who set up a scanner, or read a time, have to know of this router."""

from fastapi import APIRouter

from services.api.context import Api, Viewer
from services.api.schemas import Site
from services.api.site import time_zone

router = APIRouter(tags=["session"])


@router.get("/site", summary="What this router is called, and where it is")
def get_site(api: Api, _who: Viewer) -> Site:
    """What has to be entered at a scanner, and in which zone local times are."""
    settings = api.settings
    return Site(
        ae_title=settings.ae_title,
        dicom_ports=list(settings.dicom_ports),
        time_zone=time_zone(),
    )
