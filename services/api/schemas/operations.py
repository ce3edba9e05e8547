"""How the router is: figures, events, log, checks."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, computed_field

from dicom_router.log import Log
from dicom_router.models import StudyState
from services.api.languages import Words, WordsByName


class Overview(BaseModel):
    """Whether all is well, in figures."""

    studies_today: int = Field(description="That began to arrive since midnight at the site.")
    images_last_minute: int = Field(description="Answered with success and taken in.")
    waiting: int = Field(description="Deliveries that have not ended.")
    studies: dict[StudyState, int] = Field(
        description="How many are in each state; those without a study are left out.",
        examples=[{"sent": 1200, "failed": 2}],
    )
    needs_attention: int = Field(description="Studies that a person should look at.")
    quarantine: int = Field(description="Files that are set aside.")


class Site(BaseModel):
    """What a scanner has to be told of the router, and where both are."""

    ae_title: str = Field(examples=["DICOMROUTER"])
    dicom_ports: list[int] = Field(
        description="As scanners reach them: where containers publish others than are listened "
        "on, those (ROUTER_DICOM_PUBLISHED_PORTS).",
        examples=[[11112]],
    )
    dicom_tls_ports: list[int] = Field(description="For DICOM over TLS.", examples=[[2762]])
    time_zone: str = Field(
        description="An IANA name, or an offset where there is none: that of local times.",
        examples=["America/Sao_Paulo", "Etc/GMT+3"],
    )


class RecordedEvent(BaseModel):
    """An event, with its place in the record: `after` and `Last-Event-ID` continue from there."""

    id: int
    name: str = Field(examples=["study-complete"])
    event: dict[str, Any] = Field(description="The CloudEvents 1.0 envelope.")


class LogLevel(StrEnum):
    """How much a log line matters, in ascending order."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogEntry(BaseModel):
    """A line of a service's log. It carries no patient's name or ID."""

    id: str = Field(description="`Last-Event-ID` continues from there.")
    time: AwareDatetime
    level: LogLevel
    service: str = Field(
        description="receiver, organizer, forwarder or api; `router` for what they share when all "
        "run in one process.",
        examples=["receiver"],
    )
    host: str
    pid: int
    event: Log | str = Field(
        description="Its name; docs/operations.md has all of them. Those of a later version's "
        "services are told as well.",
        examples=["association.accepted"],
    )
    fields: WordsByName = Field(examples=[{"calling_ae_title": "CT_ROOM_1"}])


class CheckStatus(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(BaseModel):
    """Something that was looked at, and what to do about it unless it is ok."""

    id: str = Field(
        description="What was looked at; behind a colon which one, where there are several.",
        examples=["database", "destination:pacs", "dicom-port:11112"],
    )
    title: Words = Field(examples=["Database"])
    status: CheckStatus
    detail: Words
    fix: Words = Field(description="Empty when there is nothing to do.")

    @computed_field(  # type: ignore[prop-decorator]
        description="Its section of the troubleshooting guide, on this router; /help/en and "
        "/help/pt-BR in front of the # choose the language.",
        examples=["/help#database"],
    )
    @property
    def help(self) -> str:
        """Where the guide tells more."""
        return f"/help#{self.id.partition(':')[0]}"


class Health(BaseModel):
    """The state of this process."""

    status: Literal["alive", "ready"]
