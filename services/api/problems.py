"""Errors as RFC 9457 problem details: each names the field, if there is one, and the remedy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from dicom_router.errors import Unavailable
from dicom_router.said import Said, as_said, joined, said
from services.api.schemas import FieldError, ProblemDetails

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = "5"
TITLES = {
    401: said("Not signed in"),
    403: said("Not allowed"),
    404: said("Not found"),
    405: said("Method not allowed"),
    409: said("This is not possible as things are"),
    413: said("The request is too large"),
    422: said("A value is not allowed"),
    429: said("Too many requests"),
    500: said("Something went wrong here"),
    503: said("Not available now"),
}
# What people meet in forms, by pydantic's type of the error, from its context.
_NOT_ALLOWED: dict[str, Callable[[Mapping[str, Any]], Said]] = {
    "missing": lambda _: said("Field required"),
    "extra_forbidden": lambda _: said("Extra inputs are not permitted"),
    "greater_than_equal": lambda of: said(
        "Input should be greater than or equal to {least}", least=of["ge"]
    ),
    "less_than_equal": lambda of: said(
        "Input should be less than or equal to {most}", most=of["le"]
    ),
    "string_too_short": lambda of: said(
        "String should have at least {count} character(s)", count=of["min_length"]
    ),
    "string_too_long": lambda of: said(
        "String should have at most {count} character(s)", count=of["max_length"]
    ),
    "string_pattern_mismatch": lambda of: said(
        "String should match pattern '{pattern}'", pattern=of["pattern"]
    ),
    "int_parsing": lambda _: said("Input should be a whole number"),
    "int_type": lambda _: said("Input should be a whole number"),
    "float_parsing": lambda _: said("Input should be a number"),
    "float_type": lambda _: said("Input should be a number"),
    "too_short": lambda of: said("It should have at least {count} item(s)", count=of["min_length"]),
    "too_long": lambda of: said("It should have at most {count} item(s)", count=of["max_length"]),
    "enum": lambda of: said("Input should be {expected}", expected=of["expected"]),
    "literal_error": lambda of: said("Input should be {expected}", expected=of["expected"]),
}


class Problem(Exception):
    """An error for the client: what is wrong and what to do about it, in `detail`."""

    def __init__(
        self,
        status: int,
        detail: Said,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)
        self.headers, self.more = dict(headers or {}), more

    @classmethod
    def field(cls, name: str, message: Said) -> "Problem":
        """A value that is not allowed, and the parameter or property it is in."""
        return cls(
            422,
            said("{name}: {message}", name=name, message=message),
            errors=[FieldError(field=name, message=message)],
        )

    def response(self, scope: Scope) -> Response:
        """The answer to the request that `scope` belongs to."""
        body = ProblemDetails(
            type=f"urn:dicomrouter:problem:{self.status}",
            title=TITLES.get(self.status, said("The request failed")),
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
    errors = [FieldError(field=_field(e["loc"]), message=_message(e)) for e in error.errors()]
    told = [said("{name}: {message}", name=e.field, message=e.message) for e in errors]
    detail = joined("; ", told)
    return Problem(422, detail, errors=errors).response(request.scope)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    if error.status_code == 400:  # FastAPI's, for bytes that are no text
        return Problem.field("body", said("it is not JSON in UTF-8")).response(request.scope)
    detail, headers = as_said(error.detail), error.headers
    if error.status_code == 404:
        detail = said("There is nothing at this path; /api/docs lists what there is.")
    elif error.status_code == 405:
        detail = said(
            "{method} is not possible here; the header Allow says what is.", method=request.method
        )
        headers = {"Allow": request.app.state.methods.at(request.scope["path"])}
    return Problem(error.status_code, detail, headers=headers).response(request.scope)


async def _unavailable(request: Request, error: Exception) -> Response:
    return unavailable(error).response(request.scope)


def unavailable(error: Exception) -> Problem:
    """The answer while something that is needed is away."""
    headers = {"Retry-After": _RETRY_AFTER_SECONDS}
    return Problem(503, said("{why}; try again soon.", why=error), headers=headers)


def _message(found: Mapping[str, Any]) -> Said:
    """Why a value is not allowed, in the words that pydantic has for it."""
    tell = _NOT_ALLOWED.get(found["type"])
    return tell(found.get("ctx", {})) if tell else as_said(found["msg"])


def _field(location: Sequence[str | int]) -> str:
    """The name a client knows the value by: without the part of the request it was in."""
    names = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(names) or str(location[0] if location else "request")
