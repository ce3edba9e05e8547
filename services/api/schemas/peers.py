"""Where peers are, and whether they answer."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from dicom_router.settings import Port
from services.api.languages import Words
from services.api.schemas.bases import Given

_HOST = r"[A-Za-z0-9:._%][A-Za-z0-9:._%-]{0,254}"
_TITLE = r"[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]{0,15}"  # PS3.5 6.2, AE
Host = Annotated[
    str,
    Field(pattern=f"^{_HOST}$", description="A host name or IP address.", examples=["10.0.0.5"]),
]
HostOrNone = Annotated[str, Field(pattern=f"^({_HOST})?$")]
Title = Annotated[
    str, Field(pattern=f"^{_TITLE}$", description="1 to 16 characters, no backslash.")
]
TitleOrNone = Annotated[str, Field(pattern=f"^({_TITLE})?$")]


class EchoTarget(Given):
    """A peer to be asked whether it is there."""

    host: Host
    port: Port = Field(examples=[104])
    ae_title: Title = Field(examples=["PACS"])
    tls: bool = Field(False, description="DICOM over TLS.")


class EchoStage(StrEnum):
    """How far a C-ECHO came."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    NEGOTIATE = "negotiate"
    ECHO = "echo"


class EchoResult(BaseModel):
    """What came of a C-ECHO."""

    ok: bool
    stage: EchoStage = Field(description="The last stage that was reached; it failed if not ok.")
    latency_ms: float | None = Field(description="From connecting to the answer; null if not ok.")
    detail: Words = Field(examples=["PACS at 10.0.0.5:104 answered"])
    certificate_expires_at: AwareDatetime | None = Field(
        None, description="When the peer's certificate does; null without TLS, or if not ok."
    )
