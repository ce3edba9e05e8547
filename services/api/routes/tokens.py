"""/tokens: other systems' keys to this API."""

import secrets
import uuid
from datetime import timedelta

from fastapi import APIRouter

from dicom_router.models import ApiToken
from dicom_router.said import said
from services.api.access import TOKEN_PREFIX, hash_of
from services.api.actor import Kind
from services.api.context import LIMIT, Admin, Api, CursorText, Limit, Locate
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.problems import Problem
from services.api.queries import access as queries
from services.api.queries.locks import CONFIGURATION, lock
from services.api.schemas import MadeToken, NewToken, Page, Token

router = APIRouter(prefix="/tokens", tags=["tokens"])

_LONGEST = timedelta(days=3653)  # ten years
_SHOWN = len(TOKEN_PREFIX) + 6  # characters of its text


@router.get("", summary="List tokens")
def list_tokens(
    api: Api, _who: Admin, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[Token]:
    """All tokens, by name, also those that have expired."""
    after = parse_cursor(cursor, "name")
    with api.database.read() as session:
        rows = queries.tokens(session, after.id if after else "", limit + 1)
    return Page(
        items=[_shown(row) for row in rows[:limit]],
        next=next_cursor(rows, limit, lambda row: Cursor("name", "", row.name)),
    )


@router.post("", status_code=201, summary="Make a token")
def create_token(api: Api, who: Admin, locate: Locate, given: NewToken) -> MadeToken:
    """The answer has its text, which is shown this once: a hash of it is all that is kept."""
    who.about, who.detail["role"] = given.name, given.role
    now = api.clock()
    if given.expires_at is not None and not now < given.expires_at <= now + _LONGEST:
        raise Problem.field(
            "expires_at", said("it is in the future, at most ten years ahead, or null")
        )
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with api.change(who) as change:
        lock(change.session, CONFIGURATION)
        if queries.token_by_name(change.session, given.name) is not None:
            raise Problem(
                409,
                said(
                    "There is a token {name!r} already: delete it, or take another name.",
                    name=given.name,
                ),
            )
        row = ApiToken(
            id=uuid.uuid4().hex,
            name=given.name,
            role=given.role,
            token_hash=hash_of(text),
            prefix=text[:_SHOWN],
            created_by=who.name,
            created_at=change.now,
            expires_at=given.expires_at,
            last_used_from="",
        )
        change.session.add(row)
        change.session.flush()
        locate(row.id)
        return MadeToken(**_shown(row).model_dump(), token=text)


@router.delete("/{token_id}", status_code=204, summary="Revoke a token")
def delete_token(api: Api, who: Admin, token_id: str) -> None:
    """It opens nothing from now on, nor does a session that was opened with it."""
    with api.change(who) as change:
        lock(change.session, CONFIGURATION)
        row = queries.token(change.session, token_id)
        if row is None:
            raise Problem(
                404,
                said(
                    "There is no token {token_id!r}; GET /api/v1/tokens lists them.",
                    token_id=token_id,
                ),
            )
        who.about = row.name
        queries.close_sessions(change.session, Kind.TOKEN, token_id)
        change.session.delete(row)


def _shown(row: ApiToken) -> Token:
    return Token.model_validate({name: getattr(row, name) for name in Token.model_fields})
