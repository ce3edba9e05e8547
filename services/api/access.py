"""Who gets in: a bearer token, or the cookie that a browser got for a token, a password or a link.

A cookie is signed, and names a row in `sessions` that ends it when it goes. Without the database it
still opens what needs none (diagnostics, logs) as a viewer's; so does the bootstrap token, whole.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

from dicom_router.archive import Archive, write_once
from dicom_router.database import Database
from dicom_router.errors import ConfigurationError, Unavailable
from dicom_router.models import ApiToken, UserSession
from dicom_router.said import Said, said
from dicom_router.settings import Settings
from services.api.actions import Action
from services.api.actor import BOOTSTRAP, Actor, Kind, Principal, Role
from services.api.audit import record
from services.api.lockout import Lockout
from services.api.passwords import Passwords
from services.api.problems import Problem
from services.api.queries import Session
from services.api.queries import access as queries

COOKIE = "router_session"
SESSION_LASTS = timedelta(days=7)  # a wall screen should not need a token every morning
LINK_LASTS = timedelta(minutes=10)
TOKEN_FILE = ".api-token"  # noqa: S105 - a file's name
TOKEN_PREFIX = "drt_"  # noqa: S105 - how an API token begins, so that scanners for secrets find it
_USE_NOTED_EVERY = timedelta(minutes=1)
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_SIGN_IN = said("Send `Authorization: Bearer <token>`, or sign in at /.")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who has just signed in."""

    principal: Principal
    cookie: str
    until: datetime


@dataclass(frozen=True, slots=True)
class _Cookie:
    """What a cookie says, once its signature was found good."""

    session: str
    name: str
    until: datetime


class Access:
    """Recognizes tokens, passwords, links, and the sessions opened with them. Thread-safe."""

    def __init__(self, token: str, database: Database, clock: Callable[[], datetime]) -> None:
        self._token, self._database, self._clock = token.encode(), database, clock
        self._lockout = Lockout(clock)
        self._key = sha256(b"dicom-router session " + self._token).digest()
        self.passwords = Passwords()

    def is_quick(self, request: Request) -> bool:
        """Whether to tell who this is takes no look into the database."""
        return self._is_bootstrap(bearer_of(request) or "")

    def authenticate(self, request: Request, actor: Actor) -> None:
        """Find who makes this request; a `Problem` 401 if nobody we know, 403 from another page.

        429 after too many wrong tokens from there. Cookies do not count: they can't be guessed, and
        a page left open since last week sends its old one every 2 s. Nor does any other scheme than
        Bearer: a browser sends its password for a proxy with everything.
        """
        token = bearer_of(request)
        if token is not None:
            actor.principal = self._by_token(token, actor)
            return
        self._by_cookie(request.cookies.get(COOKIE, ""), actor)
        if request.method not in _SAFE_METHODS and not _from_our_page(request):
            raise Problem(
                403,
                said(
                    "A change by cookie must come from the router's own page (Origin); use a "
                    "bearer token elsewhere."
                ),
            )

    def still_knows(self, actor: Actor) -> bool:
        """Whether who was recognized when something long began would be now, as far as is known."""
        principal, now = actor.principal, self._clock()
        if principal is None or (actor.until is not None and actor.until <= now):
            return False
        try:
            with self._database.read() as session:
                if actor.session:
                    return _of_session(session, actor.session, now) is not None
                is_token = principal.kind is Kind.TOKEN
                return not is_token or queries.token(session, principal.subject) is not None
        except Unavailable:
            return True

    def sign_in_with_token(self, token: str, actor: Actor) -> SignedIn:
        """Open a session for a bearer token, or for a sign-in link's, which is good once."""
        self._require_not_locked_out(actor.address)
        if not self._is_bootstrap(token) and self._use_link(token):
            actor.detail["with"] = "link"
            return self._open(BOOTSTRAP, actor)
        return self._open(self._by_token(token, actor), actor)

    def sign_in_with_password(self, name: str, password: str, actor: Actor) -> SignedIn:
        """Open a session for a user; the same 401 whatever was wrong."""
        self._require_not_locked_out(actor.address)
        with self._database.read() as session:
            row = queries.user(session, name)
        known = row is not None and not row.disabled
        actor.about = name if row is not None else ""  # else it might be a password
        good = self.passwords.matches(password, row.password_hash if row and known else None)
        self._require_not_locked_out(actor.address)  # by those that were compared meanwhile
        if row is None or not good:
            self._lockout.failed(actor.address)
            raise not_signed_in(said("Name or password is wrong, or the user is disabled."))
        return self._open(
            Principal(name, Role(row.role), Kind.USER, name), actor, row.password_hash
        )

    def require_password(self, name: str, password: str, address: str) -> str:
        """The hash of a user's password; a `Problem` unless this is it."""
        self._require_not_locked_out(address)
        with self._database.read() as session:
            row = queries.user(session, name)
        if row is None or not self.passwords.matches(password, row.password_hash):
            self._lockout.failed(address)
            raise Problem.field("current", said("this is not the present password"))
        return row.password_hash

    def prune(self) -> None:
        """Forget sessions and links whose time is over."""
        with self._database.write() as session:
            queries.prune(session, self._clock())

    def _by_token(self, token: str, actor: Actor) -> Principal:
        self._require_not_locked_out(actor.address)
        if self._is_bootstrap(token):
            return BOOTSTRAP
        row, now = self._api_token(token), self._clock()
        if row is None or (row.expires_at is not None and row.expires_at <= now):
            actor.action = actor.action or Action.TOKEN_REFUSED
            self._lockout.failed(actor.address, token)
            if row is None:
                raise not_signed_in(said("This token is not known (any more)."))
            actor.about = row.name
            raise not_signed_in(
                said(
                    "This token expired on {expires_at:%Y-%m-%d %H:%M} UTC.",
                    expires_at=row.expires_at,
                )
            )
        if row.last_used_at is None or row.last_used_at <= now - _USE_NOTED_EVERY:
            with self._database.write() as session:
                before = now - _USE_NOTED_EVERY
                queries.token_used(session, row.id, now, actor.address[:64], before)
        actor.until = row.expires_at
        return _of_token(row)

    def _by_cookie(self, value: str, actor: Actor) -> None:
        cookie = self._read(value)
        if cookie is None or cookie.until <= self._clock():
            raise not_signed_in(_SIGN_IN)
        actor.session, actor.until = cookie.session, cookie.until
        try:
            with self._database.read() as session:
                principal = _of_session(session, cookie.session, self._clock())
        except Unavailable:
            # Nothing of patients can be shown without it either.
            actor.principal = Principal(cookie.name, Role.VIEWER, Kind.UNKNOWN)
            return
        if principal is None:
            raise not_signed_in(said("This session was ended. {then}", then=_SIGN_IN))
        actor.principal = principal

    def _open(self, principal: Principal, actor: Actor, password_hash: str = "") -> SignedIn:
        """A session; a `Problem` if the user was changed while the password was compared."""
        now = self._clock()
        until, session_id = now + SESSION_LASTS, uuid.uuid4().hex
        actor.principal, actor.session, actor.about = principal, session_id, ""
        with self._database.write() as session:
            if principal.kind is Kind.USER:
                row = queries.user(session, principal.name)
                if row is None or row.disabled or row.password_hash != password_hash:
                    raise not_signed_in(said("Name or password is wrong, or the user is disabled."))
                queries.signed_in(session, principal.name, now)
            if principal.kind is Kind.TOKEN:
                token = queries.token(session, principal.subject)
                if token is None:
                    raise not_signed_in(said("This token is not known (any more)."))
                until = min(until, token.expires_at or until)
            queries.open_session(
                session,
                UserSession(
                    id=session_id,
                    kind=principal.kind,
                    subject=principal.subject,
                    created_at=now,
                    expires_at=until,
                ),
            )
            record(session, actor, now)
        actor.recorded = True
        return SignedIn(principal, self._signed(_Cookie(session_id, principal.name, until)), until)

    def _is_bootstrap(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def _api_token(self, text: str) -> ApiToken | None:
        with self._database.read() as session:
            return queries.token_by_hash(session, hash_of(text))

    def _use_link(self, text: str) -> bool:
        with self._database.write() as session:
            return queries.use_link(session, hash_of(text), self._clock())

    def _require_not_locked_out(self, address: str) -> None:
        if seconds := self._lockout.seconds_left(address):
            raise Problem(
                429,
                said(
                    "Too many wrong tokens or passwords came from {address}: none is looked at for "
                    "{seconds} s.",
                    address=address,
                    seconds=seconds,
                ),
                headers={"Retry-After": str(seconds)},
            )

    def _signed(self, cookie: _Cookie) -> str:
        told = [cookie.session, cookie.name, int(cookie.until.timestamp())]
        text = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
        return f"{text}.{self._signature(text)}"

    def _read(self, value: str) -> _Cookie | None:
        text, _, signature = value.partition(".")
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self._signature(text).encode()):
            return None
        try:
            padded = text + "=" * (-len(text) % 4)
            session, name, until = json.loads(base64.urlsafe_b64decode(padded))
            return _Cookie(session, name, datetime.fromtimestamp(until, self._clock().tzinfo))
        except (binascii.Error, ValueError, TypeError):  # signed by another version
            return None

    def _signature(self, text: str) -> str:
        given = text.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, given, "sha256").hex()


def bearer_of(request: Request) -> str | None:
    """The bearer token that a request carries, if it carries one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def hash_of(token: str) -> str:
    """What is kept of a token: it has 256 random bits, so a plain hash can't be turned back."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def not_signed_in(detail: Said) -> Problem:
    """The answer to somebody unknown."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="dicom-router"'})


def has_token(settings: Settings, archive: Archive) -> bool:
    """Whether the bootstrap token is set or kept, so that none is made."""
    given = settings.api_token.get_secret_value()
    return bool(given) or (archive.root / TOKEN_FILE).exists()


def ensure_token(settings: Settings, archive: Archive) -> tuple[str, bool]:
    """The bootstrap token, and whether it was made just now: set, kept, or new."""
    given = settings.api_token.get_secret_value()
    if given:
        return given, False
    path = archive.root / TOKEN_FILE
    new = secrets.token_urlsafe(32)
    try:
        if write_once(path, f"{new}\n".encode(), mode=0o600):
            return new, True
        kept = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The API's token can't be kept in {path} ({error}): set ROUTER_API_TOKEN, or give "
            "the router's user access to that file"
        ) from error
    if not re.fullmatch(r"[\x21-\x7e]{16,512}", kept):
        raise ConfigurationError(f"{path} holds no token: remove it, and a new one is made")
    return kept, False


def require_our_page(request: Request) -> None:
    """A `Problem` 403 if a browser says that another page sent this; what is no browser may."""
    page = request.headers.get("sec-fetch-site") or request.headers.get("origin")
    if page is not None and not _from_our_page(request):
        raise Problem(
            403, said("One signs in on the router's own page, or with no browser at all.")
        )


def _of_session(session: Session, session_id: str, now: datetime) -> Principal | None:
    """Who a session belongs to, with the role that has now; None once it was ended."""
    row = queries.session_of(session, session_id)
    if row is None or row.expires_at <= now:
        return None
    if row.kind == Kind.BOOTSTRAP:
        return BOOTSTRAP
    if row.kind == Kind.TOKEN:
        token = queries.token(session, row.subject)
        return _of_token(token) if token else None
    user = queries.user(session, row.subject)
    if user is None or user.disabled:
        return None
    return Principal(user.name, Role(user.role), Kind.USER, user.name)


def _of_token(row: ApiToken) -> Principal:
    return Principal(f"token:{row.name}", Role(row.role), Kind.TOKEN, row.id)


def _from_our_page(request: Request) -> bool:
    """Whether a browser says that the request comes from a page of this very host."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
