"""The OpenAPI document, with every error as the problem document that it is."""

from typing import Any

from fastapi import FastAPI

from services.api.middleware import API
from services.api.problems import MEDIA_TYPE
from services.api.schemas import ProblemDetails

_ALWAYS = {
    "401": "Not signed in: no token, a wrong one, or a session that has ended.",
    "403": "The role does not allow it, or a cookie was sent from another page.",
    "422": "A value is not allowed.",
    "429": "Too many requests, or wrong tokens or passwords from this address; Retry-After says "
    "for how long.",
    "503": "The database or the broker is away.",
}
_UNCHANGED = "It is still what `If-None-Match` names by its ETag."
_ONE_OF_MANY = {"404": "There is none of this name."}
_CHANGE = {"409": "It is not possible as things are."}


def describe_errors(app: FastAPI) -> None:
    """Have the document say what errors there are, and that they are problem documents."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_errors(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_errors(document: dict[str, Any]) -> dict[str, Any]:
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document["components"]["schemas"]
    schemas.update({**problem.pop("$defs", {}), "ProblemDetails": problem})
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].update(_errors(path, method))
            if method == "get" and _is_json(operation):
                operation["responses"]["304"] = {"description": _UNCHANGED}
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    return document


def _is_json(operation: dict[str, Any]) -> bool:
    return "application/json" in operation["responses"].get("200", {}).get("content", {})


def _errors(path: str, method: str) -> dict[str, Any]:
    """The errors that an operation may answer with."""
    if not path.startswith(API):
        return {"503": _problem("Not ready.")} if path == "/readyz" else {}
    found = dict(_ALWAYS)
    if "{" in path:
        found |= _ONE_OF_MANY
    if method != "get":
        found |= _CHANGE
    return {status: _problem(text) for status, text in found.items()}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
