"""The API's shapes, as clients see them in the OpenAPI document."""

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    computed_field,
    model_validator,
)

from dicom_router.events import RefusalKind
from dicom_router.log import Log
from dicom_router.models import DeliveryState, StudyState
from dicom_router.quarantine import Kind
from dicom_router.said import restored
from dicom_router.settings import Port
from services.api.languages import Words, WordsByName

_Item = TypeVar("_Item")

MOST_ITEMS = 500
DEFAULT_ITEMS = 50


class FieldError(BaseModel):
    """One value that is not allowed."""

    field: str = Field(examples=["port"])
    message: Words = Field(examples=["Input should be less than or equal to 65535"])


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:dicomrouter:problem:404"])
    title: Words = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: Words = Field(
        description="What is wrong, and what to do about it.",
        examples=["There is no destination 'pacs'; GET /api/v1/destinations lists them."],
    )
    errors: list[FieldError] = Field([], description="The values that are not allowed, if any.")
    request_id: str = Field(
        description="The X-Request-ID of the answer; it is in the router's log lines, too.",
        examples=["4b1c6a0fd0f14a6f9f3a6d6f2f8b0f7e"],
    )


class Holder(BaseModel):
    """A destination that has a study which is no longer on this disk."""

    destination: str = Field(examples=["default"])
    images: int = Field(description="That it confirmed.", examples=[245])
    since: AwareDatetime


class NotSendable(ProblemDetails):
    """Why a study can't be sent."""

    have: list[Holder] = Field(
        [], description="Who has it, if it is no longer on this disk: it can be sent from there."
    )


class NotReadyDetails(ProblemDetails):
    """Why no work can be done now."""

    reasons: list[Words] = Field(
        description="Each thing that is away.", examples=[["The message broker can't be reached"]]
    )


class Page(BaseModel, Generic[_Item]):
    """A part of a list. What arrives meanwhile neither repeats nor hides what was there."""

    items: list[_Item]
    next: str | None = Field(description="`cursor` for the next page; null on the last one.")


# -- what clients send ------------------------------------------------------------------------

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9-]{1,40}$",
        description="1 to 40 lower-case letters, digits and hyphens; never changed.",
        examples=["pacs"],
    ),
]


class _Given(BaseModel):
    """What a client may send: unknown properties are an error, those only shown are left aside.

    Types are JSON's own: `"104"` is no number, `0` is not false.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_only_shown(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if k in cls.model_fields or k not in _ONLY_SHOWN}


_ONLY_SHOWN = {
    "managed_by",
    "down",
    "waiting",
    "missing",
    "last_heard_at",
    "created_at",
    "updated_at",
}


# -- studies -----------------------------------------------------------------------------------


class _Told(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _of_row(cls, value: Any) -> Any:
        return restored(value)


class Reason(_Told):
    """Why a delivery waits or has failed."""

    kind: str = Field(
        examples=["unreachable"],
        json_schema_extra={
            "enum": [
                "unreachable",
                "rejected",
                "aborted",
                "timeout",
                "refused",
                "not-accepted",
                "missing",
                "cancelled",
            ]
        },
    )
    dicom_status: int | None = Field(None, description="The C-STORE status, if there was one.")
    text: Words = Field(examples=["PACS at 10.0.0.5:104 refused the connection"])


class Delivery(BaseModel):
    """What one destination is owed of one revision of a study, and how far that is."""

    id: str
    study_uid: str
    revision: int
    destination: str = Field(examples=["default"])
    state: DeliveryState
    sent: int = Field(description="Instances the destination has.")
    total: int = Field(description="Instances it is owed.")
    attempt: int
    next_attempt_at: AwareDatetime | None
    reason: Reason | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    replaced_by: str | None = Field(
        description="The later delivery that is owed all that this one was, or `deletion`: its "
        "study was deleted. It does not decide the study's state any more."
    )


class ListedDelivery(Delivery):
    """A delivery by itself, with whose study it is of."""

    patient_name: str = Field(examples=["DOE_JOHN"])


class Attention(_Told):
    """Something that a person should look at."""

    kind: str = Field(
        description="identity-conflict: images of two patients; missing, files-missing: files are "
        "no longer in the folder; nowhere: an image is nowhere.",
        examples=["identity-conflict"],
        json_schema_extra={"enum": ["identity-conflict", "missing", "files-missing", "nowhere"]},
    )
    text: Words
    at: AwareDatetime


class Study(BaseModel):
    """A study. The keys up to `sent_at` are those of `.metadata.json`, with the same values."""

    folder: str = Field(examples=["20260122_141530_P001_DOE_JOHN"])
    patient_id: str = Field(examples=["P001"])
    patient_name: str = Field(examples=["DOE_JOHN"])
    study_uid: str = Field(examples=["1.2.840.113704.1.111.5396.1769089135"])
    study_date: str = Field(examples=["20260122"])
    study_time: str = Field(examples=["141530"])
    modality: str = Field(examples=["CT"])
    created_at: str = Field(
        description="Local time, as in the folder's name.", examples=["20260122_141530"]
    )
    image_count: int = Field(examples=[245])
    study_description: str = Field(examples=["CHEST CT WITH CONTRAST"])
    sent: bool = Field(description="Whether every destination has all it is owed.")
    sent_at: str | None = Field(description="Local time.", examples=["20260122_141845"])
    state: StudyState
    accession_number: str
    modalities: list[str] = Field(examples=[["CT", "SR"]])
    series_count: int
    size_bytes: int
    on_disk: bool
    revision: int = Field(description="0 until the study was complete for the first time.")
    completeness: dict[str, Any] | None = Field(
        description="The evidence by which the study was taken for complete: `rule` is settled "
        "(all associations released, every image accounted for, then quiet) or idle (quiet for "
        "longer), `text` says it in a sentence."
    )
    held: bool = Field(description="Whether a person, or the router, holds it back.")
    hold_reason: Words | None = Field(examples=["The wrong patient was chosen at the scanner"])
    needs_attention: bool = Field(description="Whether `attention` says something.")
    attention: list[Attention] = Field(
        description="What a person should look at; POST …/release says that one has."
    )
    deliveries: list[Delivery] = Field(description="All of them, newest last.")


class StudyForward(_Given):
    """A study to be sent (again)."""

    destination: Name | None = Field(
        None, description="null: where the routes say; without routes to every enabled one."
    )
    only_missing: bool = Field(
        True,
        description="false: everything once more, also what the destination has.",
    )


_NO_NUL = r"^[^\x00]*$"


class StudyQuery(_Given):
    """Which studies, as the parameters of GET /studies say it; empty: all."""

    q: str = Field("", pattern=_NO_NUL)
    patient_id: str = Field("", pattern=_NO_NUL)
    patient_name: str = Field("", pattern=_NO_NUL)
    modality: str = Field("", pattern=r"^[A-Za-z0-9_]{0,16}$", examples=["CT"])
    state: list[Annotated[StudyState, Strict(False)]] = []
    sent: bool | None = None
    needs_attention: bool | None = None
    received_from: str | None = Field(None, examples=["2026-01-22"])
    received_to: str | None = Field(None, examples=["2026-01-23"])


class BulkForward(StudyForward):
    """Many studies to be sent (again)."""

    filter: StudyQuery
    dry_run: bool = Field(False, description="true: count only, send nothing.")


class BulkCounts(BaseModel):
    """What a filter comes to."""

    studies: int = Field(description="That can be sent: complete and on disk.", examples=[1200])
    instances: int = Field(
        description="That they have; with `only_missing` at most so many go out.",
        examples=[240000],
    )
    not_on_disk: int = Field(description="Studies that would have to come from elsewhere.")


class BulkAccepted(BulkCounts):
    """The studies are asked for one after the other; GET /deliveries/bulk/{id} tells how far."""

    id: str
    command: str = Field(examples=["forward-requested"])


class BulkProgress(BaseModel):
    """How far a bulk is: what came of each study is in its timeline."""

    id: str
    destination: str | None
    only_missing: bool
    by: str
    studies: int = Field(description="That could be sent when it was asked for.")
    asked: int = Field(description="Studies that the forwarders have been asked to send.")
    created_at: AwareDatetime
    finished_at: AwareDatetime | None
    reason: str | None = Field(description="Why it ended before all its studies were asked for.")


class StudyDecision(_Given):
    """Why somebody decides so; it is kept in the study's timeline."""

    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            pattern=_NO_NUL,
            examples=["The wrong patient was chosen at the scanner"],
        ),
    ]


class Series(BaseModel):
    """A series of a study."""

    series_uid: str
    modality: str
    series_number: str
    series_description: str
    image_count: int


class Instance(BaseModel):
    """An instance of a study: the newest bytes received under its SOP Instance UID."""

    sop_instance_uid: str
    sop_class_uid: str
    series_uid: str
    instance_number: str
    transfer_syntax_uid: str
    size_bytes: int
    sha256: str = Field(description="Of the data set, without the file meta.")
    file_name: str | None
    on_disk: bool
    revision: int | None = Field(description="The revision it belongs to; null until complete.")
    received_at: AwareDatetime
    receipt_id: str


class TimelineEntry(BaseModel):
    """Something that happened to a study; further keys depend on the event."""

    model_config = ConfigDict(extra="allow")
    at: AwareDatetime
    event: str = Field(
        description="received, organized, completed, delivery-started, delivered, "
        "delivery-failed, …",
        examples=["received"],
    )
    detail: Words = Field(examples=["CT_ROOM_1 at 10.0.0.7 sent 245 images"])


class StudySort(StrEnum):
    """Orders of a list of studies; with `-` descending."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    PATIENT_NAME = "patient_name"
    PATIENT_NAME_DESCENDING = "-patient_name"
    PATIENT_ID = "patient_id"
    PATIENT_ID_DESCENDING = "-patient_id"
    STUDY_DATE = "study_date"
    STUDY_DATE_DESCENDING = "-study_date"
    IMAGE_COUNT = "image_count"
    IMAGE_COUNT_DESCENDING = "-image_count"
    SIZE = "size_bytes"
    SIZE_DESCENDING = "-size_bytes"


# -- destinations and senders ------------------------------------------------------------------

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


def _a_network(text: str) -> str:
    return str(ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_a_network), Field(examples=["10.0.0.0/24"])]


class DestinationSettings(_Given):
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


class SenderSettings(_Given):
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


class EchoTarget(_Given):
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


# -- routes ------------------------------------------------------------------------------------

Glob = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=_NO_NUL,
        description="`*` stands for any characters, `?` for one; case does not matter.",
        examples=["CT_ROOM_*"],
    ),
]
Globs = Annotated[list[Glob], Field(max_length=100)]
Modality = Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,16}$", examples=["CT"])]


class RouteSettings(_Given):
    """Which studies go to which destinations.

    A study fits when it meets every condition that is not empty; a condition is met by any of its
    values. Of several routes that fit, each counts.
    """

    name: Name | None = Field(None, description="If given, the one in the path.")
    enabled: bool = Field(
        True,
        description="false: it is left aside. With no enabled route every study goes to every "
        "enabled destination.",
    )
    order: int = Field(100, ge=0, le=9999, description="Routes are looked at in this order.")
    last: bool = Field(False, description="true: where it applies, no later route is looked at.")
    modalities: list[Modality] = Field([], max_length=100, description="The study has one of them.")
    calling_ae_titles: Globs = Field([], description="One of its associations was called by such.")
    called_ae_titles: Globs = Field([], description="One of its associations called such.")
    patient_ids: Globs = []
    study_descriptions: Globs = []
    destinations: list[Name] = Field(
        min_length=1, max_length=100, description="All of them get the study."
    )


class NewRoute(RouteSettings):
    """A route to be added."""

    name: Name


class Route(BaseModel):
    """A route."""

    name: str = Field(examples=["ct-to-pacs"])
    enabled: bool
    order: int
    last: bool
    modalities: list[str]
    calling_ae_titles: list[str]
    called_ae_titles: list[str]
    patient_ids: list[str]
    study_descriptions: list[str]
    destinations: list[str] = Field(examples=[["pacs"]])
    missing: list[str] = Field(
        description="Those of its destinations that are disabled or not there: nothing goes there."
    )
    created_at: AwareDatetime
    updated_at: AwareDatetime


class RouteTest(_Given):
    """A study, or what one might be, to be tried on the routes."""

    study_uid: str | None = Field(
        None,
        max_length=256,
        pattern=_NO_NUL,
        description="Of a study here; or give the values below.",
    )
    modalities: list[Modality] = []
    calling_ae_titles: list[str] = []
    called_ae_titles: list[str] = []
    patient_id: str = ""
    study_description: str = ""
    draft: NewRoute | None = Field(
        None, description="Try it as if this route were there, in place of one of the same name."
    )


class RouteVerdict(BaseModel):
    """What one route says to a study."""

    name: str
    applies: bool
    why_not: list[Words] = Field(
        description="The conditions that are not met.", examples=[["modality: CT, not MR or US"]]
    )
    destinations: list[str]


class RouteTestResult(BaseModel):
    """Where a study would go."""

    destinations: list[str] = Field(description="Empty: it would be `unrouted`.")
    missing: list[str] = Field(description="Destinations that are disabled or not there.")
    detail: Words = Field(examples=["route ct-to-pacs: pacs"])
    routes: list[RouteVerdict] = Field(description="Every enabled route, in order.")


# -- queues ------------------------------------------------------------------------------------


class RetryTier(BaseModel):
    """Where messages wait that could not be handled."""

    name: str = Field(examples=["organizer.intake.retry.10s"])
    messages: int


class QueueStatus(BaseModel):
    """A queue, and what it means when it grows."""

    name: str = Field(examples=["organizer.intake"])
    ready: int = Field(description="Messages that wait to be handled.")
    consumers: int
    retry: list[RetryTier]
    dead_letters: int
    oldest_waiting_at: AwareDatetime | None = Field(
        description="Of `forwarder.deliver.…`: when the oldest delivery that has not ended was "
        "made. null if there is none, and of other queues: to look at their messages is to take "
        "them away from who works on them."
    )
    oldest_dead_letter_at: AwareDatetime | None = Field(
        description="When it failed first, at most a minute old; null without dead letters, or "
        "with more than 5,000."
    )
    grows_when: Words = Field(examples=["the organizers are away"])


class QueueSample(BaseModel):
    """How many messages the queues held at a moment, by name; none is left out as 0."""

    at: AwareDatetime
    waiting: dict[str, int] = Field(
        description="That wait to be handled, or to be tried again.",
        examples=[{"organizer.intake": 12}],
    )
    dead: dict[str, int] = Field(description="Dead letters.", examples=[{}])


class QueueHistory(BaseModel):
    """How deep the queues were."""

    every_seconds: float = Field(description="How far samples are apart.", examples=[30.0])
    samples: list[QueueSample] = Field(
        description="The oldest first: of the last six hours, or since this api was started."
    )


class DeadLetter(BaseModel):
    """A message that could not be handled."""

    message_id: str
    type: str = Field(examples=["dicomrouter.delivery-due.v1"])
    sent_at: AwareDatetime
    reason: str = Field(examples=["PACS refused an image with status A900"])
    attempt: int
    first_failed_at: AwareDatetime
    study_uid: str | None = Field(description="null where it is not known.")
    delivery_id: str | None = Field(description="Of a delivery that failed.")
    of_use: bool = Field(
        description="false: the delivery has not failed any more, was replaced, or its study or "
        "destination is gone; a replay drops the letter."
    )


class WhatToReplay(_Given):
    """Which dead letters: one message, those of a study, or all."""

    message_id: str | None = Field(None, max_length=256)
    study_uid: str | None = Field(None, max_length=256)


class Replayed(BaseModel):
    """How many dead letters were taken away."""

    replayed: int = Field(description="Work again.")
    dropped: int = Field(description="Of no use any more.")


class Quarantined(BaseModel):
    """An image that is set aside, with what is known of it."""

    id: str = Field(description="Its receipt.")
    kind: Kind = Field(
        description="unreadable, no-study, superseded (by newer bytes), loose (put into the data "
        "folder by somebody), or stray (a file that came by no association)."
    )
    reason: Words = Field(examples=["it has no Study Instance UID"])
    received_at: AwareDatetime
    calling_ae_title: str = Field(description="Empty where it is not known.")
    peer_address: str
    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str | None
    size_bytes: int
    path: str | None = Field(description="In the data folder.")
    on_disk: bool = Field(description="Whether the file is still there.")


# -- the rest ----------------------------------------------------------------------------------


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


class Accepted(BaseModel):
    """A command was accepted; a service carries it out."""

    id: str
    command: str = Field(examples=["delivery-retry"])


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


class Disk(BaseModel):
    """The data folder's disk: how full, with what, and until when there is room."""

    total_bytes: int
    used_bytes: int = Field(description="By whatever is on this disk, not by the router alone.")
    free_bytes: int
    minimum_free_bytes: int = Field(
        description="Below it images are refused: ROUTER_DISK_MIN_FREE_PERCENT, or 2 GiB."
    )
    refusing: bool = Field(description="Whether images are refused now (A700).")
    studies_bytes: dict[str, int] = Field(
        description="Of the studies on disk, by state: those `sent` go when room is needed.",
        examples=[{"sent": 73400320, "forwarding": 12582912}],
    )
    spool_bytes: int = Field(description="Received and not yet organized.")
    quarantine_bytes: int = Field(description="Set aside with a reason.")
    growth_bytes_per_hour: int = Field(
        description="What was received in the last hours, less what was deleted; negative while "
        "it shrinks."
    )
    growth_window_hours: float = Field(
        description="Over so many hours: 24, or as many as there are."
    )
    hours_to_full: float | None = Field(
        description="Until images are refused, at that rate; null while it does not grow.",
        examples=[312.5],
    )


class DataFolderStatus(StrEnum):
    """`missing`: there is no `.router-id`; `other`: it is not the one that the database has."""

    OK = "ok"
    MISSING = "missing"
    OTHER = "other"


class DataFolder(BaseModel):
    """The data folder, and which one the database belongs to."""

    path: str
    status: DataFolderStatus
    expected_id: str | None = Field(description="The database's; null before the first start.")
    found_id: str | None = Field(description="What the folder's `.router-id` says.")
    adopted_at: AwareDatetime | None = Field(description="When the database's was recorded.")
    missing: int = Field(
        description="Studies on disk whose folder is not in it; 0 where it is the right one."
    )
    studies: list["MissingStudy"] = Field(
        description="The first 500 of them: what would be given up by adopting it."
    )


class Adoption(BaseModel):
    """A person's decision to go on with the folder that is there."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    reason: str = Field(min_length=3, max_length=500, pattern=_NO_NUL)
    instead_of: str | None = Field(
        description="`expected_id` of the folder that is given up, so that none is by accident."
    )


class MissingStudy(BaseModel):
    """A study whose files are not in the adopted folder."""

    study_uid: str
    folder: str


class Adopted(BaseModel):
    """What adopting the folder came to."""

    router_id: str
    adopted_at: AwareDatetime
    missing: int = Field(description="Studies whose folder is not in it.")
    studies: list[MissingStudy] = Field(
        description="The first 500 of them; GET /api/v1/studies?needs_attention=true has all."
    )


class Health(BaseModel):
    """The state of this process."""

    status: Literal["alive", "ready"]
