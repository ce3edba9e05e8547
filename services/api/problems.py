"""Errors as RFC 9457 problem details: each names the field, if there is one, and the remedy."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from dicom_router.errors import Unavailable
from services.api.schemas import FieldError, ProblemDetails

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = "5"
_TITLES = {
    400: "The request can't be understood",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "This is not possible as things are",
    413: "The request is too large",
    422: "A value is not allowed",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Not available now",
}


class Problem(Exception):
    """An error for the client: what is wrong and what to do about it, in `detail`."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)
        self.headers, self.more = dict(headers or {}), more

    @classmethod
    def field(cls, name: str, message: str) -> "Problem":
        """A value that is not allowed, and the parameter or property it is in."""
        return cls(422, f"{name}: {message}", errors=[FieldError(field=name, message=message)])

    def response(self, scope: Scope) -> Response:
        """The answer to the request that `scope` belongs to."""
        body = ProblemDetails(
            type=f"urn:dicomrouter:problem:{self.status}",
            title=_TITLES.get(self.status, "The request failed"),
            status=self.status,
            detail=self.detail,
            errors=self.errors,
            request_id=scope.get("state", {}).get("request_id", ""),
        )
        content = {**body.model_dump(mode="json"), **self.more}
        return JSONResponse(content, self.status, self.headers, media_type=MEDIA_TYPE)


def handle_problems(app: FastAPI) -> None:
    """Answer every error that is raised on purpose with a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _not_allowed)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Unavailable, _unavailable)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what it is registered for
    return error.response(request.scope)


async def _not_allowed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    errors = [FieldError(field=_field(e["loc"]), message=str(e["msg"])) for e in error.errors()]
    detail = "; ".join(f"{each.field}: {each.message}" for each in errors)
    return Problem(422, detail, errors=errors).response(request.scope)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "There is nothing at this path; /api/docs lists what there is."
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here; the header Allow says what is."
    return Problem(error.status_code, detail, headers=error.headers).response(request.scope)


async def _unavailable(request: Request, error: Exception) -> Response:
    return unavailable(error).response(request.scope)


def unavailable(error: Exception) -> Problem:
    """The answer while something that is needed is away."""
    headers = {"Retry-After": _RETRY_AFTER_SECONDS}
    return Problem(503, f"{error}; try again soon.", headers=headers)


def _field(location: Sequence[str | int]) -> str:
    """The name a client knows the value by: without the part of the request it was in."""
    names = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(names) or str(location[0] if location else "request")
