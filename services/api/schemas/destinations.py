"""Where studies go."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from dicom_router.settings import Port
from services.api.schemas.bases import Given, Name
from services.api.schemas.deliveries import Reason
from services.api.schemas.peers import Host, Title, TitleOrNone


class DestinationSettings(Given):
    """Everything of a destination that may change."""

    name: Name | None = Field(None, description="If given, the one in the path.")
    kind: Literal["dimse"] = Field("dimse", description="How it is reached: C-STORE.")
    host: Host
    port: Port = Field(examples=[104])
    ae_title: Title = Field(examples=["PACS"])
    calling_ae_title: TitleOrNone = Field(
        "", description="What the router calls itself there; empty: ROUTER_AE_TITLE."
    )
    enabled: bool = Field(True, description="false: nothing new is owed to it.")
    paused: bool = Field(False, description="true: deliveries are made and wait.")
    tls: bool = Field(
        False, description="DICOM over TLS; its certificate has to name `host` (docs/install.md)."
    )


class NewDestination(DestinationSettings):
    """A destination to be created."""

    name: Name


class Down(BaseModel):
    """A destination does not take images: since when, why, and when it is tried next."""

    since: AwareDatetime
    reason: Reason
    next_probe_at: AwareDatetime


class Destination(BaseModel):
    """Where studies go, and whether it takes them."""

    name: str = Field(examples=["default"])
    kind: str = Field(examples=["dimse"])
    host: str
    port: int
    ae_title: str
    calling_ae_title: str
    enabled: bool
    paused: bool
    tls: bool
    managed_by: str | None = Field(
        description="The variable that sets it, if one does: it can't be changed here then.",
        examples=["TARGET_HOST"],
    )
    down: Down | None = Field(description="null while it takes images.")
    waiting: int = Field(description="Deliveries that have not ended.")
    created_at: AwareDatetime
    updated_at: AwareDatetime
