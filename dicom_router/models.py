"""The tables. Who writes which is in `docs/architecture.md`; the truth about every study is here.

Times are UTC. Counts on a study are derived from its receipts in the transaction that changes them,
never incremented.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    literal_column,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column

from dicom_router.search import search_text


class StudyState(StrEnum):
    """Where a study is on its way; `contract` order: receiving → complete → forwarding → sent."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    FORWARDING = "forwarding"
    SENT = "sent"
    FAILED = "failed"
    UNROUTED = "unrouted"
    HELD = "held"
    DELETED = "deleted"


class ReceiptState(StrEnum):
    """`assigned` is on its way into its folder; each of the others is where a receipt ends."""

    ASSIGNED = "assigned"
    ORGANIZED = "organized"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"


class DeliveryState(StrEnum):
    """`waiting`, `sending` and `retrying` are open; the others are ends."""

    WAITING = "waiting"
    SENDING = "sending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


# In `Delivery.replaced_by`: no other delivery is, the study was deleted and owes nothing of it.
BY_DELETION = "deletion"

OPEN_DELIVERY_STATES = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.RETRYING)


class DeliveryInstanceState(StrEnum):
    """`superseded`: newer bytes took the place of this receipt before it was sent."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPERSEDED = "superseded"


def among(column: InstrumentedAttribute[str], states: Iterable[StrEnum]) -> ColumnElement[bool]:
    """Whether a state is one of these, which are written into the statement.

    So the database knows how many rows there are of them whenever it plans, and which of its
    partial indexes has them; of a parameter it knows neither.
    """
    return column.in_([literal_column(f"'{state}'") for state in states])


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, also on SQLite, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - as SQLAlchemy calls it
    ) -> datetime | None:
        """Store UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002 - as SQLAlchemy calls it
    ) -> datetime | None:
        """Give back an aware value."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables; names of constraints are fixed so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        list[dict[str, Any]]: JSON(),
    }


class Association(Base):
    """One association with a scanner, open until its end is known."""

    __tablename__ = "associations"

    association_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    receiver: Mapped[str] = mapped_column(String(128))
    calling_ae_title: Mapped[str] = mapped_column(String(64))
    called_ae_title: Mapped[str] = mapped_column(String(64))
    peer_address: Mapped[str] = mapped_column(String(64))
    # until its end is known: when its first image was received that became known
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    # released, aborted, lost, rejected; None while open or while its end is not known
    outcome: Mapped[str | None] = mapped_column(String(16))
    # instances answered with success, as the receiver counted them
    receipts: Mapped[int | None]
    refused: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Text)  # why it was rejected
    reason_said: Mapped[dict[str, Any] | None]  # what that was made of, for other languages
    refusal: Mapped[str | None] = mapped_column(String(32))  # why it was rejected: `RefusalKind`
    # by the organizer's clock: settling is counted from here, whatever the receivers' clocks say
    end_seen_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_associations_opened", "opened_at", "association_id"),
        Index("ix_associations_outcome", "outcome", "opened_at", "association_id"),
        Index("ix_associations_caller", "calling_ae_title", "opened_at", "association_id"),
    )


def _search(context: DefaultExecutionContext) -> str:
    row = context.current_parameters or {}
    others = (row["patient_id"], row["accession_number"], row["study_description"])
    return search_text(row["patient_name"], *others)


class Study(Base):
    """A study: its folder, what is known of it, and how far it is."""

    __tablename__ = "studies"

    study_uid: Mapped[str] = mapped_column(String(256), primary_key=True)
    folder: Mapped[str] = mapped_column(String(255), unique=True)
    patient_id: Mapped[str] = mapped_column(String(256))
    patient_name: Mapped[str] = mapped_column(String(256))
    study_date: Mapped[str] = mapped_column(String(256))
    study_time: Mapped[str] = mapped_column(String(256))
    modality: Mapped[str] = mapped_column(String(64))
    modalities: Mapped[list[str]]
    accession_number: Mapped[str] = mapped_column(String(256))
    study_description: Mapped[str] = mapped_column(String(256))
    # what it is found by, none of which ever changes; see `dicom_router.search`
    search: Mapped[str] = mapped_column(Text, default=_search)
    created_at: Mapped[datetime]
    created_stamp: Mapped[str] = mapped_column(String(15))  # local time, as in the folder's name

    state: Mapped[str] = mapped_column(String(16), default=StudyState.RECEIVING)
    receiving: Mapped[bool] = mapped_column(default=True)  # has instances of no revision yet
    held: Mapped[bool] = mapped_column(default=False)
    hold_reason: Mapped[str | None] = mapped_column(Text)
    deleted: Mapped[bool] = mapped_column(default=False)  # by a person; its files go, see on_disk
    deleted_by: Mapped[str | None] = mapped_column(String(128))
    # What a person should look at: `{kind, text, at}`, such as an identity conflict.
    attention: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    needs_attention: Mapped[bool] = mapped_column(default=False)  # attention is not empty
    other_patient_ids: Mapped[list[str]] = mapped_column(default=list)  # that its images carried
    revision: Mapped[int] = mapped_column(default=0)  # the last completed one
    routed_revision: Mapped[int] = mapped_column(default=0)  # the last with its deliveries made
    unrouted: Mapped[bool] = mapped_column(default=False)  # has instances owed to no destination
    sent_revision: Mapped[int] = mapped_column(default=0)  # the last that every destination had
    completeness: Mapped[dict[str, Any] | None]
    last_activity_at: Mapped[datetime]  # by the organizer's clock

    image_count: Mapped[int] = mapped_column(default=0)
    series_count: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    on_disk: Mapped[bool] = mapped_column(default=True)
    sent_at: Mapped[datetime | None]

    taken_over: Mapped[bool] = mapped_column(default=False)  # from an earlier version's folder
    taken_over_images: Mapped[int] = mapped_column(default=0)  # counted there, no longer on disk
    taken_over_sent: Mapped[bool] = mapped_column(default=False)  # revision 1 was sent by it

    projected: Mapped[bool] = mapped_column(default=False)  # .metadata.json says what is here
    history_month: Mapped[str | None] = mapped_column(String(7))  # in .metadata.d since it is old

    # On PostgreSQL also of what `search` and `modalities` hold: `dicom_router.migrations`.
    __table_args__ = (
        Index("ix_studies_created", "created_at", "study_uid"),
        Index("ix_studies_patient_name", "patient_name", "study_uid"),
        Index("ix_studies_patient_id", "patient_id", "study_uid"),
        Index("ix_studies_study_date", "study_date", "study_uid"),
        Index("ix_studies_image_count", "image_count", "study_uid"),
        Index("ix_studies_size_bytes", "size_bytes", "study_uid"),
        Index("ix_studies_state_created", "state", "created_at", "study_uid"),
        Index("ix_studies_on_disk", "on_disk", "state", "sent_at"),
        Index(
            "ix_studies_not_projected",
            "study_uid",
            sqlite_where=text("projected = 0"),
            postgresql_where=text("NOT projected"),
        ),
        Index(
            "ix_studies_receiving",
            "last_activity_at",
            sqlite_where=text("receiving = 1"),
            postgresql_where=text("receiving"),
        ),
        Index("ix_studies_history_month", "history_month", "created_at"),
        Index(
            "ix_studies_needs_attention",
            "created_at",
            "study_uid",
            sqlite_where=text("needs_attention = 1"),
            postgresql_where=text("needs_attention"),
        ),
        Index(
            "ix_studies_to_delete",
            "study_uid",
            sqlite_where=text("deleted = 1 AND on_disk = 1"),
            postgresql_where=text("deleted AND on_disk"),
        ),
        Index(
            "ix_studies_not_routed",
            "study_uid",
            sqlite_where=text("unrouted = 1 OR routed_revision < revision"),
            postgresql_where=text("unrouted OR routed_revision < revision"),
        ),
    )

    @property
    def sent(self) -> bool:
        """Whether every destination has everything it is owed."""
        return self.state == StudyState.SENT


class Series(Base):
    """A series of a study."""

    __tablename__ = "series"

    study_uid: Mapped[str] = mapped_column(String(256), primary_key=True)
    series_uid: Mapped[str] = mapped_column(String(256), primary_key=True)
    modality: Mapped[str] = mapped_column(String(64))
    series_number: Mapped[str] = mapped_column(String(64))
    series_description: Mapped[str] = mapped_column(String(256))


class Receipt(Base):
    """One C-STORE answered with success; a study's instances are its `organized` receipts."""

    __tablename__ = "receipts"

    receipt_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    association_id: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16))
    study_uid: Mapped[str | None] = mapped_column(String(256))  # None: it names no study
    series_uid: Mapped[str] = mapped_column(String(256))
    patient_id: Mapped[str] = mapped_column(String(256), default="")
    sop_class_uid: Mapped[str] = mapped_column(String(256))
    sop_instance_uid: Mapped[str] = mapped_column(String(256))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(256))
    instance_number: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)  # bytes of the file as it was spooled
    sha256: Mapped[str] = mapped_column(String(64))  # of the data set
    spool_path: Mapped[str] = mapped_column(String(1024))  # relative to the data folder
    # organized: its name in the study's folder; quarantined, superseded: its path in quarantine
    file_name: Mapped[str | None] = mapped_column(String(1024))
    on_disk: Mapped[bool] = mapped_column(default=True)
    reason: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int | None]  # of the study that froze it; None while the study is receiving
    received_at: Mapped[datetime]  # by the receiver's clock
    organized_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_receipts_study", "study_uid", "revision"),
        Index(
            "uq_receipts_instance",
            "study_uid",
            "sop_instance_uid",
            unique=True,
            sqlite_where=text("state = 'organized'"),
            postgresql_where=text("state = 'organized'"),
        ),
        Index(
            "ix_receipts_assigned",
            "receipt_id",
            sqlite_where=text("state = 'assigned'"),
            postgresql_where=text("state = 'assigned'"),
        ),
        Index(
            "ix_receipts_quarantined",
            "received_at",
            sqlite_where=text("state IN ('quarantined', 'superseded')"),
            postgresql_where=text("state IN ('quarantined', 'superseded')"),
        ),
    )

    def is_untouched(self, written_at: float) -> bool:
        """Whether nothing was written to its file, last at that time, since it was organized."""
        return self.organized_at is None or written_at <= self.organized_at.timestamp()


class TimelineEntry(Base):
    """Something that happened to a study; what receipts tell is not repeated here."""

    __tablename__ = "timeline"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    study_uid: Mapped[str] = mapped_column(String(256), index=True)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]


class Destination(Base):
    """Where studies go. `managed_by` names the variable that owns it, if one does."""

    __tablename__ = "destinations"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), default="dimse")
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int]
    ae_title: Mapped[str] = mapped_column(String(16))
    calling_ae_title: Mapped[str] = mapped_column(String(16))  # empty: the router's own
    enabled: Mapped[bool] = mapped_column(default=True)
    paused: Mapped[bool] = mapped_column(default=False)
    tls: Mapped[bool] = mapped_column(default=False)
    managed_by: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Route(Base):
    """Which studies go where; empty conditions are met by all. See `dicom_router.routing`."""

    __tablename__ = "routes"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    order: Mapped[int]
    last: Mapped[bool] = mapped_column(default=False)
    modalities: Mapped[list[str]]
    calling_ae_titles: Mapped[list[str]]
    called_ae_titles: Mapped[list[str]]
    patient_ids: Mapped[list[str]]
    study_descriptions: Mapped[list[str]]
    destinations: Mapped[list[str]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DestinationOutage(Base):
    """A destination that is down; the forwarders' own, and gone when it is up again."""

    __tablename__ = "destination_outages"

    destination: Mapped[str] = mapped_column(String(40), primary_key=True)
    since: Mapped[datetime]
    reason: Mapped[dict[str, Any]]
    probe: Mapped[str] = mapped_column(String(8))  # echo, or image: with one waiting image
    next_probe_at: Mapped[datetime]
    # receipts whose aborts counted against them in this outage
    blamed: Mapped[list[str]] = mapped_column(default=list)


class Sender(Base):
    """A known scanner."""

    __tablename__ = "senders"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    ae_title: Mapped[str] = mapped_column(String(16), index=True)
    addresses: Mapped[list[str]]  # CIDR; empty: any
    host: Mapped[str] = mapped_column(String(255))  # for echo; empty: not known
    port: Mapped[int | None]
    settle_seconds: Mapped[float | None]  # None: ROUTER_STUDY_SETTLE_SECONDS
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Delivery(Base):
    """What one destination is owed of one revision of a study; held by at most one forwarder.

    Routing makes one for each revision and destination; a person may ask for more. One that is
    replaced no longer decides the study's state: a later delivery is owed all that it was.
    """

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(256))
    revision: Mapped[int]
    destination: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16), default=DeliveryState.WAITING)
    attempt: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]  # None once it has ended
    reason: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    replaced_by: Mapped[str | None] = mapped_column(String(32))  # a delivery, or BY_DELETION
    # how many were owed, once all of them are delivered: a list need not count its instances
    images: Mapped[int | None]

    __table_args__ = (
        Index("ix_deliveries_study", "study_uid", "revision", "destination"),
        Index("ix_deliveries_due", "destination", "state", "next_attempt_at"),
        Index("ix_deliveries_created", "created_at", "id"),
        Index("ix_deliveries_state", "state", "created_at", "id"),
    )


class DeliveryInstance(Base):
    """One receipt within a delivery."""

    __tablename__ = "delivery_instances"

    delivery_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    receipt_id: Mapped[str] = mapped_column(String(128), primary_key=True, index=True)
    state: Mapped[str] = mapped_column(String(16), default=DeliveryInstanceState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)  # its own failures
    aborts: Mapped[int] = mapped_column(default=0)  # associations that ended while it was sent
    dicom_status: Mapped[int | None]
    detail: Mapped[str | None] = mapped_column(Text)
    delivered_at: Mapped[datetime | None]


class BulkForward(Base):
    """Many studies to be sent (again), asked for batch by batch; the API's own."""

    __tablename__ = "bulk_forwards"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    wanted: Mapped[dict[str, Any]]  # the filter, as the client gave it
    destination: Mapped[str | None] = mapped_column(String(40))
    only_missing: Mapped[bool]
    by: Mapped[str] = mapped_column(String(128))
    studies: Mapped[int]  # that fitted when it was asked for
    asked: Mapped[int] = mapped_column(default=0)  # so many of them until now
    after: Mapped[str] = mapped_column(String(256), default="")  # the last one's UID
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)  # why it ended before its time

    __table_args__ = (
        Index(
            "ix_bulk_forwards_unfinished",
            "created_at",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )


class IdempotentRequest(Base):
    """A POST with an Idempotency-Key of the last day, and what was answered; the API's own."""

    __tablename__ = "idempotent_requests"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)  # digest: who, where, which key
    fingerprint: Mapped[str] = mapped_column(String(64))  # digest of the request
    at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]  # None: it is being carried out
    media_type: Mapped[str] = mapped_column(String(128), default="")
    body: Mapped[str] = mapped_column(Text, default="")


class OutboxMessage(Base):
    """A message to be published, written in the transaction whose fact it tells."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    service: Mapped[str] = mapped_column(String(16), index=True)
    exchange: Mapped[str] = mapped_column(String(64))
    routing_key: Mapped[str] = mapped_column(String(255))
    message_id: Mapped[str] = mapped_column(String(128))
    type: Mapped[str] = mapped_column(String(64))
    time: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(128))
    correlation_id: Mapped[str] = mapped_column(String(64))
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)


class ToldAlert(Base):
    """A check that is not well, of which an alert went out; the API's own."""

    __tablename__ = "told_alerts"

    check_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(8))  # warn or fail


class RecordedEvent(Base):
    """An event of the last days, for clients that were away; the API's own."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    event_id: Mapped[str] = mapped_column(String(128), unique=True)
    name: Mapped[str] = mapped_column(String(32))
    time: Mapped[datetime] = mapped_column(index=True)
    body: Mapped[str] = mapped_column(Text)


class User(Base):
    """A person who signs in with a password; the API's own, as are the next four."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(255))  # argon2id, with its parameters
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    password_changed_at: Mapped[datetime]
    last_signed_in_at: Mapped[datetime | None]


class UserSession(Base):
    """A browser that is signed in; without its row the cookie is good for nothing."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # no secret: cookies are signed
    kind: Mapped[str] = mapped_column(String(16))  # of who signed in: user, token or bootstrap
    subject: Mapped[str] = mapped_column(String(64))  # the user's name or the token's id
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (Index("ix_sessions_subject", "kind", "subject"),)


class SigninLink(Base):
    """A link that signs the administrator in once; the row goes when it is used."""

    __tablename__ = "signin_links"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A token of another system; its text is shown once, when it is made."""

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of 256 random bits
    prefix: Mapped[str] = mapped_column(String(16))  # how the text begins, to recognize it
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]  # None: never
    last_used_at: Mapped[datetime | None]  # to the minute
    last_used_from: Mapped[str] = mapped_column(String(64), default="")


class AuditEntry(Base):
    """Somebody changed something, or looked at patients' data."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(128))  # empty: not known
    kind: Mapped[str] = mapped_column(String(16))  # services.api.actor.Kind
    role: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(48))
    study_uid: Mapped[str | None] = mapped_column(String(256))
    about: Mapped[str] = mapped_column(String(256))  # a destination's name, a delivery's id, …
    outcome: Mapped[str] = mapped_column(String(16))
    count: Mapped[int] = mapped_column(default=1)  # looks that this row stands for
    request_id: Mapped[str] = mapped_column(String(64))
    detail: Mapped[dict[str, Any]]

    __table_args__ = (
        Index("ix_audit_at", "at", "id"),
        Index("ix_audit_who", "who", "at", "id"),
        Index("ix_audit_action", "action", "at", "id"),
        Index("ix_audit_study", "study_uid", "at", "id"),
    )


class Projection(Base):
    """Which organizer wrote `.metadata.json` last; its row is the lock from read to rename."""

    __tablename__ = "projection"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(String(128))
    generation: Mapped[int]


class DataFolder(Base):
    """Which data folder this database belongs to: the text of the folder's `.router-id`."""

    __tablename__ = "data_folder"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, the only one
    router_id: Mapped[str] = mapped_column(String(64))
    adopted_at: Mapped[datetime]


class Milestone(Base):
    """Something done once for ever, such as the takeover of an earlier version's folder."""

    __tablename__ = "milestones"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
