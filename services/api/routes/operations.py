"""Sessions, echo and diagnostics below /api/v1; health and metrics outside, for machines."""

from fastapi import APIRouter, Request, Response

from dicom_router.dimse import PeerAddress
from services.api import checks
from services.api.access import COOKIE, SESSION_LASTS
from services.api.context import Api, Operator, Viewer
from services.api.echo import echo
from services.api.metrics import CONTENT_TYPE, Metrics
from services.api.problems import Problem
from services.api.schemas import Check, EchoResult, EchoTarget, Health, Session

router = APIRouter()
machines = APIRouter(tags=["health"])


@router.post("/session", tags=["session"], summary="Exchange the token for a cookie")
def open_session(api: Api, who: Viewer, request: Request, response: Response) -> Session:
    """For browsers: the cookie is HttpOnly and SameSite=Strict, and Secure under TLS."""
    value, until = api.access.open_session()
    response.set_cookie(
        COOKIE,
        value,
        max_age=int(SESSION_LASTS.total_seconds()),
        path="/api",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return Session(name=who.name, role=who.role, expires_at=until)


@router.delete("/session", status_code=204, tags=["session"], summary="Sign out")
def close_session(_who: Viewer, response: Response) -> None:
    """Take the cookie back from the browser."""
    response.delete_cookie(COOKIE, path="/api", httponly=True, samesite="strict")


@router.post("/echo", tags=["echo"], summary="Ask any peer whether it is there")
def echo_any(api: Api, _who: Operator, target: EchoTarget) -> EchoResult:
    """C-ECHO to a peer that need not be known; tells the stage it failed at."""
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
        raise Problem(503, "Not ready: " + "; ".join(reasons), reasons=reasons)
    return Health(status="ready")


@machines.get("/metrics", summary="Prometheus metrics", response_class=Response)
def show_metrics(request: Request) -> Response:
    """Figures only, no patients' data, hence without a token."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})
