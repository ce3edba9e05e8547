"""/users: people who sign in with a password."""

from fastapi import APIRouter

from dicom_router.models import User as UserRow
from dicom_router.said import said
from services.api.actor import BOOTSTRAP, CONSOLE, Kind, Role
from services.api.audit import difference
from services.api.context import LIMIT, Admin, Api, CursorText, Limit, Locate
from services.api.paging import Cursor, next_cursor, parse_cursor
from services.api.passwords import trouble_with
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queries import access as queries
from services.api.schemas import NewUser, Page, User, UserSettings

router = APIRouter(prefix="/users", tags=["users"])

_TAKEN = {BOOTSTRAP.name, CONSOLE.name}


@router.get("", summary="List users")
def list_users(
    api: Api, _who: Admin, limit: Limit = LIMIT, cursor: CursorText = None
) -> Page[User]:
    """All users, by name."""
    after = parse_cursor(cursor, "name")
    with api.database.read() as session:
        rows = queries.users(session, after.id if after else "", limit + 1)
    return Page(
        items=[_shown(row) for row in rows[:limit]],
        next=next_cursor(rows, limit, lambda row: Cursor("name", "", row.name)),
    )


@router.post("", status_code=201, summary="Add a user")
def create_user(api: Api, who: Admin, locate: Locate, given: NewUser) -> User:
    """Tell them the password; they change it with PUT /session/password."""
    who.about, who.detail["role"] = given.name, given.role
    if given.name in _TAKEN:
        raise Problem.field(
            "name",
            said("{name!r} is not free: in the audit trail it is no person's", name=given.name),
        )
    password = given.password.get_secret_value()
    if trouble := trouble_with(password, given.name):
        raise Problem.field("password", trouble)
    password_hash = api.access.passwords.hash(password)
    locate(given.name)
    with api.change(who) as change:
        queries.lock_users(change.session)
        if queries.user(change.session, given.name) is not None:
            raise Problem(
                409, said("There is a user {name!r} already; PUT changes it.", name=given.name)
            )
        row = UserRow(
            name=given.name,
            role=given.role,
            disabled=given.disabled,
            password_hash=password_hash,
            created_at=change.now,
            updated_at=change.now,
            password_changed_at=change.now,
        )
        change.session.add(row)
        change.session.flush()
        return _shown(row)


@router.put("/{name}", summary="Replace a user's settings")
def replace_user(api: Api, who: Admin, name: str, given: UserSettings) -> User:
    """A role holds from the next request on. Who is disabled or gets a password is signed out."""
    if given.name not in (None, name):
        raise Problem.field("name", said("a user's name never changes; add another one"))
    password_hash = _hash_of(api, name, given)
    with api.change(who) as change:
        row = _locked(change.session, name)
        if given.disabled or given.role is not Role.ADMIN:
            _require_another_admin(change.session, row)
        who.detail = difference(row, {"role": given.role, "disabled": given.disabled})
        row.role, row.disabled, row.updated_at = given.role, given.disabled, change.now
        if password_hash is not None:
            who.detail["password"] = "changed"  # noqa: S105 - no password
            row.password_hash, row.password_changed_at = password_hash, change.now
        if given.disabled or password_hash is not None:
            queries.close_sessions(change.session, Kind.USER, name)
        change.session.flush()
        return _shown(row)


@router.delete("/{name}", status_code=204, summary="Remove a user")
def delete_user(api: Api, who: Admin, name: str) -> None:
    """Ends their sessions. What they did stays on record under their name."""
    with api.change(who) as change:
        row = _locked(change.session, name)
        _require_another_admin(change.session, row)
        queries.close_sessions(change.session, Kind.USER, name)
        change.session.delete(row)


def _hash_of(api: Api, name: str, given: UserSettings) -> str | None:
    if given.password is None:
        return None
    password = given.password.get_secret_value()
    if trouble := trouble_with(password, name):
        raise Problem.field("password", trouble)
    return api.access.passwords.hash(password)


def _locked(session: Session, name: str) -> UserRow:
    queries.lock_users(session)
    row = queries.user(session, name)
    if row is None:
        raise Problem(
            404, said("There is no user {name!r}; GET /api/v1/users lists them.", name=name)
        )
    return row


def _require_another_admin(session: Session, row: UserRow) -> None:
    is_one = row.role == Role.ADMIN and not row.disabled
    if is_one and not queries.other_admins(session, row.name):
        raise Problem(
            409,
            said(
                "{name!r} is the last user with the role admin: give it to another one first.",
                name=row.name,
            ),
        )


def _shown(row: UserRow) -> User:
    return User.model_validate({name: getattr(row, name) for name in User.model_fields})
