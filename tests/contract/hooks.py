"""What schemathesis is told of this router: loaded by it, not by pytest.

Ids that there are, so that it does not only meet 404s; and two manners of a well-behaved client.
"""

import itertools
import json
import os
import uuid
from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.core.parameters import ParameterLocation

from tests.contract.names import KNOWN_VARIABLE, ROLE_VARIABLE, ROLES

REFUSALS = {401, 403, 405, 413, 422, 429}  # 405: schemathesis also tries other methods

_known: dict[str, list[str]] = json.loads(os.environ.get(KNOWN_VARIABLE, "{}"))
_role = os.environ.get(ROLE_VARIABLE, "")
_calls = itertools.count()


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Give every other call an id there is; an address and a key of its own to each."""
    number = next(_calls)
    # Each wrong token or password comes from somebody else, as from behind a reverse proxy: nobody
    # is locked out for the guesses of another.
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if isinstance(case.body, dict) and case.body.get("host"):
        case.body["host"] = "127.0.0.1"  # nobody else is to be called
    if number % 2 and _is_valid(case, ParameterLocation.PATH):
        for name in case.path_parameters:
            case.path_parameters[name] = _one_of(case, name, number)


@schemathesis.check
def a_role_opens_what_it_may_and_no_more(_context: Any, response: Any, case: Case[Any]) -> None:
    """The document says which role an operation needs (`x-role`)."""
    needed = case.operation.definition.raw.get("x-role", "")
    if ROLES.index(_role) < ROLES.index(needed):
        assert response.status_code in REFUSALS, (
            f"it needs the role {needed}, and {_role or 'nobody'} got a {response.status_code}"
        )


def _is_valid(case: Case[Any], location: ParameterLocation) -> bool:
    found = case.meta.components.get(location) if case.meta else None
    return found is not None and found.mode is GenerationMode.POSITIVE


def _one_of(case: Case[Any], name: str, number: int) -> str:
    """A value there is; of studies, all but the last stay."""
    resource = case.path.removeprefix("/api/v1/").partition("/")[0]
    values = _known.get(f"{resource}.{name}") or [str(case.path_parameters[name])]
    if case.method == "DELETE":
        return values[-1]
    return values[number // 2 % len(values)]
