"""/site and /overview: what this router is called, and how it does."""

from datetime import timedelta

from fastapi import APIRouter

from dicom_router.models import StudyState
from services.api.context import Api, Viewer
from services.api.queries import figures, studies
from services.api.schemas import Overview, Site
from services.api.site import time_zone

router = APIRouter()


@router.get("/site", tags=["session"], summary="What this router is called, and where it is")
def get_site(api: Api, _who: Viewer) -> Site:
    """What has to be entered at a scanner, and in which zone local times are."""
    settings = api.settings
    return Site(
        ae_title=settings.ae_title,
        dicom_ports=list(settings.dicom_published_ports or settings.dicom_ports),
        dicom_tls_ports=list(settings.dicom_tls_ports),
        time_zone=time_zone(),
    )


@router.get("/overview", tags=["overview"], summary="How it does, in figures")
def get_overview(api: Api, _who: Viewer) -> Overview:
    """For the dashboard's first page; /metrics has more for Prometheus."""
    now = api.clock()
    midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    with api.database.read() as session:
        by_state = api.counts.studies(session)
        return Overview(
            studies_today=figures.studies_since(session, midnight),
            images_last_minute=figures.receipts_since(session, now - timedelta(minutes=1)),
            waiting=figures.open_deliveries(session),
            studies={StudyState(state): count for state, count in by_state.items()},
            needs_attention=studies.count_needing_attention(session),
            quarantine=figures.files_in_quarantine(session),
        )
