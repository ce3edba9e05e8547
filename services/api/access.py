"""Who may do what: a bearer token, or the cookie that a browser got in exchange for it.

There is one user yet, whoever holds the bootstrap token, with the role admin.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

from dicom_router.archive import Archive
from dicom_router.errors import ConfigurationError
from dicom_router.settings import Settings
from services.api.lockout import Lockout
from services.api.problems import Problem

COOKIE = "router_session"
SESSION_LASTS = timedelta(days=7)  # a wall screen should not need a token every morning
TOKEN_FILE = ".api-token"  # noqa: S105 - a file's name
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether who has this role may do what needs `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request."""

    name: str
    role: Role


BOOTSTRAP = Principal("admin", Role.ADMIN)


class Access:
    """Recognizes the bootstrap token and the sessions opened with it."""

    def __init__(self, token: str, clock: Callable[[], datetime]) -> None:
        self._token, self._clock = token.encode(), clock
        self._lockout = Lockout(clock)
        self._key = sha256(b"dicom-router session " + self._token).digest()

    def authenticate(self, request: Request) -> Principal:
        """Who makes this request; a `Problem` 401 if nobody we know, 403 if from another page.

        429 after too many wrong tokens from there. Cookies do not count: they can't be guessed, and
        a page left open since last week sends its old one every 2 s. Nor does any other scheme than
        Bearer: a browser sends its password for a proxy with everything.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(token.strip(), request.client.host if request.client else "")
        if not self._is_open(request.cookies.get(COOKIE, "")):
            raise not_signed_in("Send `Authorization: Bearer <token>`, or sign in at /.")
        if request.method not in _SAFE_METHODS and not _from_our_page(request):
            raise Problem(
                403,
                "A change by cookie must come from the router's own page (Origin); "
                "use a bearer token elsewhere.",
            )
        return BOOTSTRAP

    def open_session(self) -> tuple[str, datetime]:
        """A cookie's value, and until when it is good."""
        until = self._clock() + SESSION_LASTS
        expiry = str(int(until.timestamp()))
        return f"{expiry}.{self._signature(expiry)}", until

    def _by_token(self, token: str, address: str) -> Principal:
        if seconds := self._lockout.seconds_left(address):
            raise Problem(
                429,
                f"Too many wrong tokens came from {address}: none is looked at for {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )
        given = token.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self._token):
            self._lockout.failed(address)
            raise not_signed_in("This token is not known; the API's console showed the right one.")
        return BOOTSTRAP

    def _is_open(self, value: str) -> bool:
        expiry, _, signature = value.partition(".")
        if not re.fullmatch(r"[0-9]{1,12}", expiry):
            return False
        good = hmac.compare_digest(signature.encode(), self._signature(expiry).encode())
        return good and int(expiry) > self._clock().timestamp()

    def _signature(self, expiry: str) -> str:
        return hmac.digest(self._key, expiry.encode(), "sha256").hex()


def not_signed_in(detail: str) -> Problem:
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
        if archive.write_once(path, f"{new}\n".encode(), mode=0o600):
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


def _from_our_page(request: Request) -> bool:
    """Whether a browser says that the request comes from a page of this very host."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
