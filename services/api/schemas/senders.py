"""Who may send, and who called."""

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from dicom_router.events import RefusalKind
from dicom_router.settings import Port
from services.api.languages import Words
from services.api.schemas.bases import Given, Name
from services.api.schemas.peers import HostOrNone, Title


def _a_network(text: str) -> str:
    return str(ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_a_network), Field(examples=["10.0.0.0/24"])]


class SenderSettings(Given):
    """Everything of a sender that may change."""

    name: Name | None = Field(None, description="If given, the one in the path.")
    ae_title: Title = Field(examples=["CT_ROOM_1"])
    addresses: list[Network] = Field(
        [], max_length=100, description="Where it may call from (CIDR); empty: anywhere."
    )
    host: HostOrNone = Field("", description="Where it can be echoed, if known.")
    port: Port | None = None
    settle_seconds: Annotated[float, Field(ge=0, le=86400)] | None = Field(
        None, description="Its own ROUTER_STUDY_SETTLE_SECONDS."
    )


class NewSender(SenderSettings):
    """A sender to be registered."""

    name: Name


class Sender(BaseModel):
    """A known scanner."""

    name: str = Field(examples=["ct-room-1"])
    ae_title: str
    addresses: list[str]
    host: str
    port: int | None
    settle_seconds: float | None
    last_heard_at: AwareDatetime | None = Field(
        description="When the last association under its AE title was opened that was not "
        "refused; null: never."
    )
    created_at: AwareDatetime
    updated_at: AwareDatetime


class RegisteredSender(Sender):
    """A sender just registered."""

    also_registered: list[str] = Field(
        description="Callers of the last 30 days, registered with the first sender so that "
        "nobody is cut off."
    )


class AssociationOutcome(StrEnum):
    """How an association ended; `open` until its end is known."""

    OPEN = "open"
    RELEASED = "released"
    ABORTED = "aborted"
    LOST = "lost"
    REJECTED = "rejected"


class Association(BaseModel):
    """Somebody who called: to send, or to be refused."""

    association_id: str
    receiver: str
    calling_ae_title: str = Field(description="Empty if it came to none: TLS failed before.")
    called_ae_title: str
    peer_address: str = Field(examples=["10.0.0.7"])
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    outcome: AssociationOutcome
    receipts: int | None = Field(description="Images answered with success; null while open.")
    refused: int | None = Field(description="Images answered with a failure; null while open.")
    reason: Words | None = Field(description="Why it was rejected.")
    refusal: RefusalKind | None = Field(description="The same as a word, if it was rejected.")
    fix: Words = Field(description="What to do about it; empty if it was not rejected.")
    help: str | None = Field(
        description="Its section of the troubleshooting guide, on this router, if it was rejected.",
        examples=["/help#unknown-caller"],
    )
