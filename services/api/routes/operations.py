"""Echo and diagnostics below /api/v1; health and metrics outside, for machines."""

from fastapi import APIRouter, Request, Response

from dicom_router.dimse import PeerAddress
from dicom_router.said import joined, said
from services.api import checks
from services.api.context import Api, Operator, Viewer
from services.api.echo import echo
from services.api.metrics import CONTENT_TYPE, Metrics
from services.api.problems import Problem
from services.api.schemas import Check, EchoResult, EchoTarget, Health

router = APIRouter()
machines = APIRouter(tags=["health"])


@router.post("/echo", tags=["echo"], summary="Ask any peer whether it is there")
def echo_any(api: Api, who: Operator, target: EchoTarget) -> EchoResult:
    """C-ECHO to a peer that need not be known; tells the stage it failed at."""
    who.about = f"{target.ae_title} {target.host}:{target.port}"
    peer = PeerAddress(target.host, target.port, target.ae_title, api.settings.ae_title)
    return echo(peer, tls=api.tls_files if target.tls else None, stopping=api.stopping)


@router.get("/diagnostics", tags=["diagnostics"], summary="Is all well, and what to do if not")
def diagnose(api: Api, _who: Viewer) -> list[Check]:
    """Every check with its outcome; `fix` says what to do."""
    return checks.diagnose(api)


@machines.get("/healthz", summary="Is this process alive?")
async def health() -> Health:
    """Answers as long as the process does."""
    return Health(status="alive")


@machines.get("/readyz", summary="Can work be done now?")
def ready(api: Api) -> Health:
    """200, or 503 with the `reasons`."""
    reasons = checks.not_ready(api)
    if reasons:
        raise Problem(
            503, said("Not ready: {reasons}", reasons=joined("; ", reasons)), reasons=reasons
        )
    return Health(status="ready")


@machines.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def show_metrics(request: Request) -> Response:
    """Figures only, no patients' data, hence without a token."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})
