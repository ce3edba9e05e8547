"""/session: signing in and out, and one's own password."""

from fastapi import APIRouter, Request, Response

from dicom_router.said import said
from services.api.access import COOKIE, SignedIn, bearer_of, not_signed_in, require_our_page
from services.api.actor import Actor, Kind
from services.api.context import Anyone, Api, Viewer
from services.api.passwords import trouble_with
from services.api.problems import Problem
from services.api.queries import access as queries
from services.api.schemas import Credentials, PasswordChange, Session

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", summary="Sign in", openapi_extra={"security": [{}]})
def open_session(
    api: Api, who: Anyone, request: Request, response: Response, given: Credentials | None = None
) -> Session:
    """With a name and a password, with a sign-in link's token, or with a bearer token and no body.

    The answer sets a cookie for browsers: HttpOnly, SameSite=Strict, and Secure under TLS. It is
    good for 7 days, or until the user is removed, disabled or has another password.
    """
    require_our_page(request)
    found = _sign_in(api, who, request, given)
    response.set_cookie(
        COOKIE,
        found.cookie,
        max_age=int((found.until - api.clock()).total_seconds()),
        path="/api",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    principal = found.principal
    return Session(
        name=principal.name, kind=principal.kind, role=principal.role, expires_at=found.until
    )


@router.get("", summary="Who am I?")
def get_session(_api: Api, who: Viewer) -> Session:
    """Who makes this request, with which role, and until when."""
    return Session.model_validate(
        {"name": who.name, "kind": who.kind, "role": who.role, "expires_at": who.until}
    )


@router.delete("", status_code=204, summary="Sign out")
def close_session(api: Api, who: Viewer, response: Response) -> None:
    """End the session: its cookie is good for nothing any more, wherever it is."""
    if who.session:
        with api.change(who) as change:
            queries.close_session(change.session, who.session)
    response.delete_cookie(COOKIE, path="/api", httponly=True, samesite="strict")


@router.put("/password", status_code=204, summary="Change one's own password")
def change_password(api: Api, who: Viewer, given: PasswordChange) -> None:
    """Ends all other sessions of this user."""
    if who.kind is not Kind.USER:
        raise Problem(
            409, said("{name} has no password: only users have (GET /api/v1/users).", name=who.name)
        )
    new = given.new.get_secret_value()
    if trouble := trouble_with(new, who.name):
        raise Problem.field("new", trouble)
    kept = api.access.require_password(who.name, given.current.get_secret_value(), who.address)
    password_hash = api.access.passwords.hash(new)
    with api.change(who) as change:
        queries.lock_users(change.session)
        row = queries.user(change.session, who.name)
        if row is None or row.password_hash != kept:
            raise Problem(
                409, said("The password was changed meanwhile: sign in with the new one.")
            )
        row.password_hash = password_hash
        row.password_changed_at = row.updated_at = change.now
        queries.close_sessions(change.session, Kind.USER, who.name, but=who.session)


def _sign_in(api: Api, who: Actor, request: Request, given: Credentials | None) -> SignedIn:
    if given is None:
        token = bearer_of(request)
        if token is None:
            raise not_signed_in(said("Give name and password, a token, or a sign-in link's token."))
        return api.access.sign_in_with_token(token, who)
    if given.token is not None:
        return api.access.sign_in_with_token(given.token.get_secret_value(), who)
    name, password = given.name or "", given.password.get_secret_value() if given.password else ""
    return api.access.sign_in_with_password(name.strip().lower(), password, who)
