"""The OpenAPI document: what FastAPI knows of the routes, and what happens around all of them.

Errors with their bodies, headers, who may, and the shapes of events: enough for a client to be
generated from it.
"""

import json
import re
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from dicom_router.events import EVENT_TYPES, Envelope, Payload
from services.api.checks import LOOKS
from services.api.idempotency import HEADER as IDEMPOTENCY_KEY
from services.api.idempotency import NOT_FOR
from services.api.middleware import API
from services.api.problems import MEDIA_TYPE, TITLES
from services.api.schemas import NotReadyDetails, ProblemDetails

Schema = dict[str, Any]


class _Error(NamedTuple):
    """An error that many operations have in common."""

    name: str
    text: str
    example: str
    headers: tuple[str, ...] = ()


_ERRORS = {
    "401": _Error(
        "NotSignedIn",
        "Not signed in: no token, a wrong one, or a session that has ended.",
        "Send `Authorization: Bearer <token>`, or sign in at /.",
        ("WWW-Authenticate",),
    ),
    "403": _Error(
        "NotAllowed",
        "The role does not allow it, or a cookie was sent from another page.",
        "This needs the role operator; token:ris has viewer.",
    ),
    "404": _Error(
        "NotFound",
        "There is none of this name.",
        "There is no destination 'pacs'; GET /api/v1/destinations lists them.",
    ),
    "409": _Error(
        "NotPossible",
        "It is not possible as things are.",
        "There is a destination 'pacs' already; PUT changes it.",
    ),
    "413": _Error(
        "TooLarge", "The body is larger than 1 MiB.", "A body has at most 1048576 bytes."
    ),
    "422": _Error(
        "BadValue",
        "A value is not allowed: `errors` names the parameter or property.",
        "port: Input should be less than or equal to 65535",
    ),
    "429": _Error(
        "TooMany",
        "Too many requests, or wrong tokens or passwords from this address; Retry-After says for "
        "how long.",
        "token:ris asks more than 100 times a second: wait 1 s; the event stream tells what is "
        "new without asking.",
        ("Retry-After",),
    ),
    "503": _Error(
        "NotNow",
        "The database or the broker is away.",
        "The database can't be reached; try again soon.",
        ("Retry-After",),
    ),
}
_REQUEST_ID = "4b1c6a0fd0f14a6f9f3a6d6f2f8b0f7e"
_ALWAYS = ("401", "403", "422", "429", "503")
_SUCCESS = {"200": "Done.", "201": "Made.", "202": "A service will do it.", "204": "Done."}
_UNCHANGED = "It is still what `If-None-Match` names by its ETag."
# What checks begin with; destinations are looked at together, and told one by one.
_CHECKS = [*LOOKS, "destination"]
_REFERENCE = "#/components/schemas/{model}"

_PLAIN_NAMES = {
    "dicom_router__quarantine__Kind": "QuarantineKind",
    "services__api__actor__Kind": "AccountKind",
}

_TAGS = {
    "studies": "Which studies came, how far each is, its story; send again, hold, delete.",
    "destinations": "Where studies go.",
    "senders": "Known scanners.",
    "routes": "Which studies go where; without any, every study goes to every destination.",
    "associations": "Who called, and who was refused and why.",
    "deliveries": "What destinations are owed, and how far that is.",
    "events": "What happened: to follow, and to catch up on.",
    "logs": "What the services say.",
    "queues": "What waits, and dead letters.",
    "quarantine": "Images that could not be organized, and superseded ones.",
    "disk": "How full it is, and until when there is room.",
    "data-folder": "Whether the disk is the right one.",
    "echo": "C-ECHO to any peer.",
    "diagnostics": "Every check, with what to do.",
    "overview": "The router in figures.",
    "session": "Signing in and out, and who one is.",
    "users": "People who sign in with a password.",
    "tokens": "Other systems' keys to this API.",
    "audit": "Who changed what, and who looked at patients' data.",
    "health": "For machines; needs no token.",
}

# What stands in paths, as in the examples of docs/integrators.md.
_IN_PATHS = {
    "study_uid": "1.2.840.113704.1.111.5396.1769089135",
    "series_uid": "1.2.840.113704.1.111.5396.1",
    "delivery_id": "5f0c3a52f1c24b6f8f9a5f1f0a4b7c11",
    "bulk_id": "0b9d8a0d4d0c4f0aa7a2a6a5ce6a5b52",
    "receipt_id": "20260122T141530.000000Z_0123456789abcdef_000001",
    "token_id": "8c1f6ae2f0f14d3e8d0a6d7d2b9f4c33",
    "/destinations/{name}": "pacs",
    "/senders/{name}": "ct-room-1",
    "/routes/{name}": "ct-to-pacs",
    "/queues/{name}": "forwarder.deliver.pacs",
    "/users/{name}": "maria.silva",
}

_HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "Also in the router's log lines; the request's own, if it had one.",
        "schema": {"type": "string", "examples": [_REQUEST_ID]},
    },
    "ETag": {
        "description": "For `If-None-Match`: what is unchanged is a 304.",
        "schema": {"type": "string", "examples": ['W/"5d41402abc4b2a76b971"']},
    },
    "Retry-After": {
        "description": "Seconds.",
        "schema": {"type": "integer", "minimum": 1, "examples": [5]},
    },
    "WWW-Authenticate": {
        "description": "How one is known here.",
        "schema": {"type": "string", "examples": ['Bearer realm="dicom-router"']},
    },
    "Location": {
        "description": "Where it is; a path. Not in an answer that is replayed.",
        "schema": {"type": "string", "examples": ["/api/v1/destinations/pacs"]},
    },
    "Idempotent-Replayed": {
        "description": "`true` if this is the answer of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that one has.",
    "schema": {"type": "string"},
}
_KEY: Schema = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "Any text of one's own: for a day the request with this key is carried out once "
    "and answered the same however often it is made.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
}


def complete_document(app: FastAPI) -> None:
    """Have the document say what FastAPI does not know of."""
    made = app.openapi
    app.openapi_tags = [{"name": name, "description": text} for name, text in _TAGS.items()]

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app, made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(app: FastAPI, document: Schema) -> Schema:
    schemas = document["components"]["schemas"]
    _without_titles(schemas)
    _without_titles(document["paths"])
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    _add(schemas, "ProblemDetails", ProblemDetails.model_json_schema(ref_template=_REFERENCE))
    _add(schemas, "NotReadyDetails", NotReadyDetails.model_json_schema(ref_template=_REFERENCE))
    _add_events(schemas)
    schemas["Check"]["properties"]["id"]["pattern"] = f"^({'|'.join(_CHECKS)})(:.+)?$"
    schemas["RecordedEvent"]["properties"]["event"] = _ref("CloudEvent")
    document["components"]["headers"] = _HEADERS
    document["components"]["responses"] = {
        error.name: _problem(status, error.text) for status, error in _ERRORS.items()
    } | {"NotReady": _not_ready()}
    roles = _roles(app)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
            if role := roles[operation["operationId"]]:
                operation["x-role"] = role
                operation["description"] += f"\n\nNeeds the role {role}."
    return _with_plain_names(document)


def _complete(path: str, method: str, operation: Schema) -> None:
    """What is around one operation."""
    answers = operation["responses"]
    answers.update(_errors(path, method, operation))
    good = [answer for status, answer in answers.items() if status.startswith("2")]
    for status, answer in answers.items():
        if answer.get("description") == "Successful Response":
            answer["description"] = _SUCCESS[status]
    parameters = operation.setdefault("parameters", [])
    for each in parameters:
        if each["in"] == "path":
            each["schema"]["examples"] = [_example(path, each["name"])]
    names = ["X-Request-ID"]
    if method == "get" and _is_json(operation):
        parameters.append(_IF_NONE_MATCH)
        names.append("ETag")
        answers["304"] = {"description": _UNCHANGED, "headers": _headers(*names)}
    if method == "post" and path.startswith(API) and path not in NOT_FOR:
        parameters.append(_KEY)
        names.append("Idempotent-Replayed")
    if "201" in answers:
        names.append("Location")
    for answer in good:
        answer.setdefault("headers", {}).update(_headers(*names))
    if not parameters:
        del operation["parameters"]


def _roles(app: FastAPI) -> dict[str, str | None]:
    """The least role that may, by operation; None where nobody is asked."""
    routes = (each.original_route for each in iter_route_contexts(app.routes))
    return {
        route.name: _role_of(route.dependant) for route in routes if isinstance(route, APIRoute)
    }


def _role_of(dependant: Dependant) -> str | None:
    for each in dependant.dependencies:
        role = getattr(each.call, "needed_role", None) or _role_of(each)
        if role:
            return str(role)
    return None


def _is_json(operation: Schema) -> bool:
    return "application/json" in operation["responses"].get("200", {}).get("content", {})


def _errors(path: str, method: str, operation: Schema) -> Schema:
    """The errors that an operation may answer with."""
    if not path.startswith(API):
        return {"503": _ref("NotReady", "responses")} if path == "/readyz" else {}
    found = set(_ALWAYS)
    if "{" in path:
        found.add("404")
    if method != "get":
        found.add("409")
    if "requestBody" in operation:
        found.add("413")
    # What a route says of its own errors stays; the 422 is FastAPI's.
    own = {
        status: _problem(status, answer["description"], _shape_of(answer))
        for status, answer in operation["responses"].items()
        if status in _ERRORS and status != "422"
    }
    return {each: _ref(_ERRORS[each].name, "responses") for each in sorted(found)} | own


def _not_ready() -> Schema:
    why = "The message broker can't be reached"
    text = "Not ready: `reasons` says why."
    return _problem("503", text, _ref("NotReadyDetails"), reasons=[why])


def _shape_of(answer: Schema) -> Schema:
    """That of an error with more to tell, which its route declares as JSON."""
    declared: Schema = answer.get("content", {}).get("application/json", {})
    return declared.get("schema") or _ref("ProblemDetails")


def _problem(status: str, description: str, shape: Schema | None = None, **more: object) -> Schema:
    error = _ERRORS[status]
    field, _, text = error.example.partition(": ")
    example = {
        "type": f"urn:dicomrouter:problem:{status}",
        "title": TITLES[int(status)],
        "status": int(status),
        "detail": error.example,
        "errors": [{"field": field, "message": text}] if status == "422" else [],
        "request_id": _REQUEST_ID,
    }
    return {
        "description": description,
        "headers": _headers("X-Request-ID", *error.headers),
        "content": {
            MEDIA_TYPE: {"schema": shape or _ref("ProblemDetails"), "example": example | more}
        },
    }


def _headers(*names: str) -> Schema:
    return {name: _ref(name, "headers") for name in names}


def _example(path: str, parameter: str) -> str:
    of_this_path = (
        text
        for part, text in _IN_PATHS.items()
        if part.endswith(f"/{{{parameter}}}") and part in path
    )
    return next(of_this_path, None) or _IN_PATHS[parameter]


# -- events ------------------------------------------------------------------------------------


def _add_events(schemas: Schema) -> None:
    """`CloudEvent`: one of the events there are; another one is of a later version."""
    names = [_add_event(schemas, kind) for kind in EVENT_TYPES]
    schemas["CloudEvent"] = {
        "description": "An event: CloudEvents 1.0, with `data` as its `type` says. Ignore types "
        "and fields that you don't know.",
        "anyOf": [_ref(name) for name in names],
    }


def _add_event(schemas: Schema, kind: type[Payload]) -> str:
    data, name = kind.__name__, f"{kind.__name__}Event"
    _add(schemas, data, kind.model_json_schema(mode="serialization", ref_template=_REFERENCE))
    envelope = Envelope.model_json_schema(mode="serialization", ref_template=_REFERENCE)
    envelope["title"] = name
    envelope["description"] = f"`{kind.name}` in its envelope."
    envelope["properties"] |= {
        "type": {"type": "string", "const": kind.type_name()},
        "data": _ref(data),
    }
    envelope["required"] = [each for each in envelope["properties"] if each != "subject"]
    _add(schemas, name, envelope)
    return name


def _add(schemas: Schema, name: str, schema: Schema) -> None:
    _without_titles(schema)
    schemas.update(schema.pop("$defs", {}))
    schemas[name] = schema


def _ref(name: str, kind: str = "schemas") -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _without_titles(value: object) -> None:
    """Take out the titles that Pydantic makes of names: they say nothing more."""
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            del value["title"]
        for each in value.values():
            _without_titles(each)
    if isinstance(value, list):
        for each in value:
            _without_titles(each)


def _with_plain_names(document: Schema) -> Schema:
    """The schemas under names that one would give them: `StudyPage` for `Page_Study_`."""
    text = json.dumps(document)
    for made in document["components"]["schemas"]:
        of_a_list = re.fullmatch(r"Page_(\w+)_", made)
        plain = f"{of_a_list[1]}Page" if of_a_list else _PLAIN_NAMES.get(made, made)
        text = text.replace(f'/{made}"', f'/{plain}"').replace(f'"{made}": {{', f'"{plain}": {{')
    named: Schema = json.loads(text)
    return named
