"""The events services publish, and the envelope they travel in: CloudEvents 1.0, structured JSON.

An event is a fact in the past tense. Within `v1` fields are only ever added; a breaking change is a
`v2` published beside it. Events carry no patient name, patient ID or folder name: who may see those
asks the API. JSON Schemas generated from these types are kept in `docs/schemas/`.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from dicom_router.errors import Unprocessable
from dicom_router.said import Said, as_said, packed, restored

EVENTS_EXCHANGE = "dicom.events"
COMMANDS_EXCHANGE = "dicom.commands"
LOGS_EXCHANGE = "dicom.logs"
CONTENT_TYPE = "application/cloudevents+json"
_TYPE_PREFIX = "dicomrouter."
_ROUTABLE = re.compile(
    r"[^A-Z0-9_]"
)  # the rest of a modality, a code string (PS3.5 6.2), is dropped


@dataclass(frozen=True, slots=True)
class Message:
    """What the bus carries: an envelope's bytes and the properties that mirror it.

    `exchange` may be "" to reach one queue by its name, given as `routing_key`.
    """

    exchange: str
    routing_key: str
    id: str
    type: str
    time: datetime
    body: bytes
    source: str = ""
    correlation_id: str = ""
    headers: dict[str, str | int] = field(default_factory=dict)
    redelivered: bool = False

    @property
    def attempt(self) -> int:
        """How many attempts this message has used up (header `x-attempt`), from 0."""
        value = self.headers.get("x-attempt", 0)
        return value if isinstance(value, int) else 0


class Payload(BaseModel):
    """The data of an event or a command; `name` is its routing key and the core of its type."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents type, e.g. `dicomrouter.instance-stored.v1`."""
        return f"{_TYPE_PREFIX}{cls.name}.v{cls.version}"

    def subject(self) -> str:
        """What the event is about; empty when there is nothing shorter than the data itself."""
        return ""


class Envelope(BaseModel):
    """CloudEvents 1.0 in structured JSON (`application/cloudevents+json`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    subject: str | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    data: dict[str, Any]


class InstanceStored(Payload):
    """A receiver has made one instance durable in the spool and answered success.

    The receipt id is also the event's `id`, the same whenever it is announced again.
    """

    name: ClassVar[str] = "instance-stored"
    receipt_id: str
    receiver: str
    association_id: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    spool_path: str  # relative to the data folder
    size: int  # bytes of the whole file
    sha256: str  # of the data set as it came, without the file meta

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.sop_instance_uid[:256]


class AssociationReleased(Payload):
    """An association with a scanner has ended, in whichever way."""

    name: ClassVar[str] = "association-released"
    receiver: str
    association_id: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    outcome: Literal["released", "aborted", "lost"]
    receipts: int  # instances answered with success
    refused: int  # instances answered with another status
    opened_at: datetime
    closed_at: datetime

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.association_id


class StudyComplete(Payload):
    """A study has come to rest; `evidence` says why the organizer thinks so."""

    name: ClassVar[str] = "study-complete"
    study_uid: str
    accession_number: str
    modalities: list[str]
    calling_ae_titles: list[str]
    revision: int
    image_count: int
    new_instances: int
    evidence: dict[str, Any]

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.study_uid


_TEXT = {"type": "string"}


class DeliveryReason(BaseModel):
    """Why a delivery waits or failed."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: str  # unreachable, rejected, aborted, timeout, refused, not-accepted, missing, cancelled
    dicom_status: int | None = None
    text: Annotated[Said, PlainValidator(as_said), PlainSerializer(str), WithJsonSchema(_TEXT)]

    @model_validator(mode="before")
    @classmethod
    def _of_row(cls, value: Any) -> Any:
        return restored(value)

    def as_row(self) -> dict[str, Any]:
        """As the database keeps it: with what its text was made of, for other languages."""
        return {**self.model_dump(mode="json"), "said": packed(self.text)}


class StudyForwarded(Payload):
    """A destination has every instance of a study's revision that it was owed."""

    name: ClassVar[str] = "study-forwarded"
    study_uid: str
    revision: int
    destination: str
    delivered: int
    total: int
    duration_seconds: float

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.study_uid


class DeliveryFailed(Payload):
    """A delivery did not succeed; `final` when nothing more is tried by itself."""

    name: ClassVar[str] = "delivery-failed"
    study_uid: str
    revision: int
    destination: str
    reason: DeliveryReason
    attempt: int
    final: bool
    next_attempt_at: datetime | None = None

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.study_uid


class DestinationDown(Payload):
    """A destination stopped taking images; its deliveries wait and use up no attempts."""

    name: ClassVar[str] = "destination-down"
    destination: str
    reason: DeliveryReason
    since: datetime
    waiting: int

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.destination


class DestinationUp(Payload):
    """A destination takes images again."""

    name: ClassVar[str] = "destination-up"
    destination: str
    since: datetime  # when it had gone down
    waiting: int

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.destination


class StudyDeleted(Payload):
    """A study's files are gone from the router's disk; its history stays."""

    name: ClassVar[str] = "study-deleted"
    study_uid: str
    why: Literal["retention", "disk", "user"]
    by: str = ""

    def subject(self) -> str:  # noqa: D102 - see Payload
        return self.study_uid


class InstanceRejected(Payload):
    """An instance could not be organized, or was not stored at all; `path` is where it is now."""

    name: ClassVar[str] = "instance-rejected"
    receipt_id: str
    association_id: str
    calling_ae_title: str
    sop_instance_uid: str
    why: str
    path: str | None = None  # relative to the data folder; None when nothing was kept


EVENT_TYPES: tuple[type[Payload], ...] = (
    InstanceStored,
    AssociationReleased,
    StudyComplete,
    StudyForwarded,
    DeliveryFailed,
    DestinationDown,
    DestinationUp,
    StudyDeleted,
    InstanceRejected,
)


class RefusalKind(StrEnum):
    """Why nothing could come of an association; each has its section in docs/troubleshooting.md."""

    UNKNOWN_CALLER = "unknown-caller"
    RENAMED_CALLER = "renamed-caller"  # the address is that of a known sender
    WRONG_ADDRESS = "wrong-address"  # the AE title is that of a known sender
    SENDERS_NOT_READ = "senders-not-read"
    CALLED_AE_TITLE = "called-ae-title"
    TOO_MANY_ASSOCIATIONS = "too-many-associations"
    NOTHING_ACCEPTED = "nothing-accepted"  # of its presentation contexts
    PROTOCOL = "protocol"  # not that of PS3.8, or another application context
    TLS_FAILED = "tls-failed"
    PLAIN_ON_TLS_PORT = "plain-on-tls-port"


class AssociationRejected(Payload):
    """Command: a caller was refused; the organizer records who, from where and why."""

    name: ClassVar[str] = "association-rejected"
    receiver: str
    association_id: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    at: datetime
    why: str
    kind: RefusalKind | None = None  # None from a receiver of an earlier version
    said: dict[str, Any] | None = None  # what `why` was made of, for other languages


class DestinationChanged(Payload):
    """Command: a destination was created, changed or deleted; forwarders look at it again."""

    name: ClassVar[str] = "destination-changed"
    destination: str


class RouteChanged(Payload):
    """Command: a route was created, changed or deleted; unrouted studies are looked at again."""

    name: ClassVar[str] = "route-changed"
    route: str


class SenderChanged(Payload):
    """Command: a known sender was created, changed or deleted; receivers read the list again."""

    name: ClassVar[str] = "sender-changed"
    sender: str


class DeliveryRetry(Payload):
    """Command: try a delivery again now, whatever it waits for.

    `at`: when it was asked for. A delivery that was cancelled after that stays cancelled.
    """

    name: ClassVar[str] = "delivery-retry"
    delivery_id: str
    by: str
    at: datetime


class ForwardRequested(Payload):
    """Command: send a study (again), to one destination or, without a name, where the routes say.

    `only_missing`: what a destination has, or is being sent, is not sent to it again.
    """

    name: ClassVar[str] = "forward-requested"
    study_uid: str
    destination: str | None
    only_missing: bool
    by: str


class StudyRelease(Payload):
    """Command: a study is no longer held; forwarders look at what it owes."""

    name: ClassVar[str] = "study-release"
    study_uid: str
    by: str


class StudyDelete(Payload):
    """Command: a person had a study deleted; the organizer removes its files."""

    name: ClassVar[str] = "study-delete"
    study_uid: str
    by: str


class QuarantineRetry(Payload):
    """Command: try to organize a file that is in quarantine once more."""

    name: ClassVar[str] = "quarantine-retry"
    receipt_id: str
    by: str


class QuarantineDelete(Payload):
    """Command: remove a file from quarantine; its row stays and says who did."""

    name: ClassVar[str] = "quarantine-delete"
    receipt_id: str
    by: str


class DeliveryDue(Payload):
    """Wake-up: there is work on a delivery; travels on `forwarder.deliver.<destination>`."""

    name: ClassVar[str] = "delivery-due"
    delivery_id: str
    study_uid: str


class LogLine(Payload):
    """A line of a service's log, for whoever looks now; travels on `dicom.logs`, transient."""

    name: ClassVar[str] = "log"
    service: str
    host: str
    pid: int
    level: Literal["debug", "info", "warning", "error", "critical"]
    event: str  # a name of `dicom_router.log.Log`
    fields: dict[str, Any]
    said: dict[str, dict[str, Any]] = {}  # what fields that are sentences were made of


COMMAND_TYPES: tuple[type[Payload], ...] = (
    AssociationRejected,
    DestinationChanged,
    RouteChanged,
    SenderChanged,
    DeliveryRetry,
    ForwardRequested,
    StudyRelease,
    StudyDelete,
    QuarantineRetry,
    QuarantineDelete,
    DeliveryDue,
)

_TYPES: tuple[type[Payload], ...] = (*EVENT_TYPES, *COMMAND_TYPES, LogLine)
_BY_TYPE = {each.type_name(): each for each in _TYPES}
_P = TypeVar("_P", bound=Payload)


def message(
    payload: Payload,
    *,
    id: str,  # noqa: A002 - the CloudEvents attribute's name
    source: str,
    time: datetime | None = None,
    modality: str = "",
    exchange: str = "",
    routing_key: str = "",
    correlation_id: str = "",
) -> Message:
    """Wrap a payload for the bus.

    Without `exchange` and `routing_key` it goes where its kind belongs: an event to
    `dicom.events` under `<name>` or `<name>.<MODALITY>`, a command to `dicom.commands`.
    """
    at = time or datetime.now(UTC)
    is_event = isinstance(payload, EVENT_TYPES)
    word = _ROUTABLE.sub("", modality.upper())[:16]
    key = f"{payload.name}.{word}" if word else payload.name
    envelope = Envelope(
        id=id,
        source=source,
        type=payload.type_name(),
        time=at,
        subject=payload.subject() or None,
        dataschema=f"urn:dicomrouter:schema:{payload.name}:v{payload.version}",
        data=payload.model_dump(mode="json"),
    )
    return Message(
        exchange=exchange or ("" if routing_key else _exchange_of(is_event)),
        routing_key=routing_key or key,
        id=id,
        type=envelope.type,
        time=at,
        body=envelope.model_dump_json(exclude_none=True).encode(),
        source=source,
        correlation_id=correlation_id,
    )


def _exchange_of(is_event: bool) -> str:
    return EVENTS_EXCHANGE if is_event else COMMANDS_EXCHANGE


def payload_of(received: Message) -> Payload:
    """The payload of a message; `Unprocessable` when it is none that this version knows."""
    try:
        envelope = Envelope.model_validate_json(received.body)
    except ValidationError as error:
        raise Unprocessable(f"message {received.id!r} is no CloudEvent: {_first(error)}") from error
    kind = _BY_TYPE.get(envelope.type)
    if kind is None:
        raise Unprocessable(f"message {received.id!r} has the unknown type {envelope.type!r}")
    try:
        return kind.model_validate(envelope.data)
    except ValidationError as error:
        raise Unprocessable(
            f"message {received.id!r} ({envelope.type}) is malformed: {_first(error)}"
        ) from error


def study_of(received: Message) -> str:
    """The study that a message is about, if it says so; else empty."""
    try:
        return str(getattr(payload_of(received), "study_uid", ""))
    except Unprocessable:
        return ""


def expect(received: Message, kind: type[_P]) -> _P:
    """The payload of a message that must be of one kind; `Unprocessable` otherwise."""
    payload = payload_of(received)
    if not isinstance(payload, kind):
        raise Unprocessable(f"message {received.id!r} is a {payload.name}, not a {kind.name}")
    return payload


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else str(detail["msg"])
