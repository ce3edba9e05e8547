"""Who makes a request, what role that has, and what the audit trail will say of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.api.actions import Action


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether who has this role may do what needs `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Kind(StrEnum):
    """What somebody is known by."""

    USER = "user"  # a name and a password
    TOKEN = "token"  # an API token  # noqa: S105 - no password
    BOOTSTRAP = "bootstrap"  # the bootstrap token, or a sign-in link
    CONSOLE = "console"  # a command where the router runs
    SETTING = "setting"  # a variable in the environment, at the start
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is known."""

    name: str  # `token:<name>` for a token, so that it is nobody else's
    role: Role
    kind: Kind
    subject: str = ""  # the user's name, or the token's id


BOOTSTRAP = Principal("admin", Role.ADMIN, Kind.BOOTSTRAP)
CONSOLE = Principal("console", Role.ADMIN, Kind.CONSOLE)


@dataclass(slots=True)
class Actor:
    """Who makes a request, and what is to be put on record of it."""

    address: str = ""
    request_id: str = ""
    principal: Principal | None = None
    session: str = ""  # the id of the session, if it came with a cookie
    until: datetime | None = None  # when the session or the token ends; None: never
    action: str | None = None
    study_uid: str | None = None
    about: str = ""  # what it was done to, unless that is a study
    detail: dict[str, Any] = field(default_factory=dict)
    recorded: bool = False  # with the change itself

    def shows_no_patient(self) -> None:
        """What was looked at has no patient's data this time: that is not put on record."""
        self.action = None

    @property
    def name(self) -> str:
        """How it is called wherever something says by whom it was done."""
        return self.principal.name if self.principal else ""

    @property
    def role(self) -> str:
        """Its role; empty for nobody."""
        return self.principal.role if self.principal else ""

    @property
    def kind(self) -> Kind:
        """What it is known by."""
        return self.principal.kind if self.principal else Kind.UNKNOWN


def setting(variable: str, action: Action, about: str, detail: dict[str, Any]) -> Actor:
    """A variable in the environment that changes something at the start."""
    principal = Principal(variable, Role.ADMIN, Kind.SETTING)
    return Actor(principal=principal, action=action, about=about, detail=detail)
