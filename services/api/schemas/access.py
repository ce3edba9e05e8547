"""The shapes of sessions, users, tokens and the audit trail."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    Strict,
    model_validator,
)

from services.api.actions import Action
from services.api.actor import Kind, Role
from services.api.passwords import LONGEST, SHORTEST
from services.api.schemas.bases import NO_NUL, Given

_NAME = r"^[a-z0-9][a-z0-9._@-]{0,63}$"

UserName = Annotated[
    str,
    Field(
        pattern=_NAME,
        description="1 to 64 lower-case letters, digits and `. _ @ -`; never changed.",
        examples=["maria.silva"],
    ),
]
TokenName = Annotated[
    str,
    Field(
        pattern=_NAME,
        description="1 to 64 lower-case letters, digits and `. _ @ -`.",
        examples=["ris"],
    ),
]
Password = Annotated[
    SecretStr,
    Field(
        max_length=LONGEST,
        description=f"{SHORTEST} characters or more, of any kind; spaces count.",
        examples=["correct horse battery staple"],
    ),
]


class _Given(Given):
    """What a client may send. Nothing is stripped: spaces are part of a password."""

    model_config = ConfigDict(str_strip_whitespace=False)
    only_shown = frozenset({"created_at", "updated_at", "password_changed_at", "last_signed_in_at"})


class Credentials(_Given):
    """What to sign in with: a user's name and password, or the token of a sign-in link."""

    name: Annotated[str, Field(max_length=64, pattern=NO_NUL, examples=["maria.silva"])] | None = (
        None
    )
    password: Annotated[SecretStr, Field(max_length=LONGEST)] | None = None
    token: Annotated[SecretStr, Field(max_length=512)] | None = Field(
        None, description="What `#token=` of a sign-in link says, or any bearer token."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "Credentials":
        by_password = self.name is not None and self.password is not None
        none_of_it = self.name is None and self.password is None
        if not ((by_password and self.token is None) or (none_of_it and self.token is not None)):
            raise ValueError("give either name and password, or token")
        return self


class Session(BaseModel):
    """Who is signed in."""

    name: str = Field(
        description="As it is called in timelines and in the audit trail: a user's name, "
        "`token:<name>`, or `admin` for the bootstrap token and sign-in links.",
        examples=["maria.silva"],
    )
    kind: Kind
    role: Role
    expires_at: AwareDatetime | None = Field(description="null: never (a token without an end).")


class PasswordChange(_Given):
    """A new password of one's own."""

    current: Annotated[SecretStr, Field(max_length=LONGEST)]
    new: Password


class UserSettings(_Given):
    """Everything of a user that may change."""

    name: UserName | None = Field(None, description="If given, the one in the path.")
    role: Annotated[Role, Strict(False)]
    disabled: bool = Field(False, description="true: can't sign in, and is signed out.")
    password: Password | None = Field(None, description="null: stays as it is.")


class NewUser(UserSettings):
    """A user to be added."""

    name: UserName
    password: Password


class User(BaseModel):
    """A person who signs in with a password."""

    name: str = Field(examples=["maria.silva"])
    role: Role
    disabled: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime
    password_changed_at: AwareDatetime
    last_signed_in_at: AwareDatetime | None


class NewToken(_Given):
    """A token to be made."""

    name: TokenName
    role: Annotated[Role, Strict(False)]
    expires_at: Annotated[AwareDatetime, Strict(False)] | None = Field(
        None, description="At most ten years ahead; null: never.", examples=["2030-01-01T00:00:00Z"]
    )


class Token(BaseModel):
    """A token of another system; its text is not kept."""

    id: str
    name: str = Field(examples=["ris"])
    role: Role
    prefix: str = Field(description="How its text begins.", examples=["drt_9fJx2a"])
    created_by: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None = Field(description="To the minute; null: not yet.")
    last_used_from: str = Field(description="The address; empty: not used yet.")


class MadeToken(Token):
    """A token just made."""

    token: str = Field(description="Its text, shown this once: `Authorization: Bearer <token>`.")


class Outcome(StrEnum):
    """What became of a request.

    `denied`: not signed in, or the role does not allow it; `refused`: not possible as asked or as
    things are; `failed`: an error here.
    """

    DONE = "done"
    DENIED = "denied"
    REFUSED = "refused"
    FAILED = "failed"


class AuditEntry(BaseModel):
    """Somebody changed something, or looked at patients' data."""

    id: int
    at: AwareDatetime
    who: str = Field(description="As GET /session calls them; empty: not known.")
    kind: Kind
    role: Role | None = Field(description="The role they had then; null: none.")
    address: str = Field(examples=["10.0.0.7"])
    action: str = Field(
        description="One of the names that `?action=` takes.", examples=[Action.STUDY_VIEW.value]
    )
    study_uid: str | None
    about: str = Field(
        description="What it was done to, unless that is a study: a destination's name, say."
    )
    outcome: Outcome
    count: int = Field(description="The same look so many times within a minute.")
    request_id: str = Field(description="Of the first of them; it is in the log lines, too.")
    detail: dict[str, Any] = Field(
        description="Filters (of those that may name a patient only that they were used), reasons, "
        "and of a change the old and the new value."
    )
