"""All that the forwarder reads from and writes to the database.

Who takes several locks takes them in this order: the study, the destination, its deliveries, their
instances. An outage begins and ends under the lock of its destination's row. Who makes a delivery
there shares that lock: an outage either is seen by the delivery or sees it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from dicom_router.database import one_of
from dicom_router.events import DeliveryReason
from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Base,
    Delivery,
    DeliveryInstance,
    DeliveryInstanceState,
    DeliveryState,
    Destination,
    DestinationOutage,
    Receipt,
    ReceiptState,
    Study,
    TimelineEntry,
    among,
)
from dicom_router.retry import NEVER_PUT_OFF_FOR
from services.forwarder.missing import Entry
from services.forwarder.policy import Tally
from services.forwarder.routing import Frozen, Owed

# How the rest of the forwarder, which knows no SQLAlchemy, calls what these functions work in.
Transaction: TypeAlias = Session


def _table(model: type[Base]) -> Table:
    found = model.__table__
    assert isinstance(found, Table)  # noqa: S101 - for the type checker
    return found


# -- what a study owes -------------------------------------------------------------------------


def not_routed(session: Session, after: str, limit: int, *, unrouted: bool) -> list[str]:
    """Studies with a revision that has no deliveries; with `unrouted` also those with instances
    that no destination is owed.

    In the order of their UIDs, from the one that comes after `after`.
    """
    is_new = Study.routed_revision < Study.revision
    wanted = or_(Study.unrouted, is_new) if unrouted else is_new
    return list(
        session.scalars(
            select(Study.study_uid)
            .where(wanted, ~Study.deleted, Study.study_uid > after)
            .order_by(Study.study_uid)
            .limit(limit)
        )
    )


def destinations_owed(session: Session, study_uid: str) -> set[str]:
    """The destinations that a study has or had deliveries to."""
    query = select(Delivery.destination).where(Delivery.study_uid == study_uid).distinct()
    return set(session.scalars(query))


def unowed(session: Session, study: Study) -> list[Frozen]:
    """The study's instances in complete revisions that are in no delivery, oldest first.

    What an earlier version of the router has sent is owed to nobody.
    """
    sent_before = 1 if study.taken_over_sent else 0
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.revision)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.on_disk,
            Receipt.revision > sent_before,
            Receipt.revision <= study.revision,
            ~exists().where(DeliveryInstance.receipt_id == Receipt.receipt_id),
        )
        .order_by(Receipt.receipt_id)
    )
    return [Frozen(receipt_id, revision or 0) for receipt_id, revision in rows]


def insert_delivery(
    session: Session,
    delivery_id: str,
    study_uid: str,
    owed: Owed,
    outage: DestinationOutage | None,
    now: datetime,
) -> None:
    """Make a delivery that is due at once; it waits for the reason its destination is down for."""
    session.add(
        Delivery(
            id=delivery_id,
            study_uid=study_uid,
            revision=owed.revision,
            destination=owed.destination,
            state=DeliveryState.WAITING,
            next_attempt_at=now,
            reason=outage.reason if outage else None,
            created_at=now,
        )
    )
    session.flush()
    session.execute(
        insert(_table(DeliveryInstance)),
        [{"delivery_id": delivery_id, "receipt_id": each} for each in owed.receipt_ids],
    )


# -- sending again -----------------------------------------------------------------------------


def was_requested(session: Session, study_uid: str, request: str) -> bool:
    """Whether a study was sent (again) for this request already."""
    done = session.scalars(
        select(TimelineEntry.data).where(
            TimelineEntry.study_uid == study_uid, TimelineEntry.event == "forward-requested"
        )
    )
    return any(data.get("request") == request for data in done)


def files_at_hand(session: Session, study: Study) -> dict[str, str]:
    """The study's instances in complete revisions that are on disk, oldest first: their files."""
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.file_name)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.on_disk,
            Receipt.revision <= study.revision,
        )
        .order_by(Receipt.receipt_id)
    )
    return {receipt_id: name or "" for receipt_id, name in rows}


def out_of_reach(session: Session, study: Study, destination: str) -> int:
    """How many of the study's instances are on disk no more and were not delivered there."""
    has_it = (
        exists()
        .where(
            DeliveryInstance.receipt_id == Receipt.receipt_id,
            DeliveryInstance.state == DeliveryInstanceState.DELIVERED,
            Delivery.id == DeliveryInstance.delivery_id,
            Delivery.destination == destination,
        )
        .correlate(Receipt)
    )
    lacks = (
        select(func.count())
        .select_from(Receipt)
        .where(
            Receipt.study_uid == study.study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.revision <= study.revision,
            ~Receipt.on_disk,
            ~has_it,
        )
    )
    return session.scalar(lacks) or 0


def entries(session: Session, study_uid: str, destination: str) -> list[Entry]:
    """All that is in a study's deliveries to a destination."""
    rows = session.execute(
        select(
            Delivery.id,
            Delivery.state,
            Delivery.replaced_by.is_not(None),
            DeliveryInstance.receipt_id,
            DeliveryInstance.state == DeliveryInstanceState.DELIVERED,
            Receipt.state == ReceiptState.ORGANIZED,
        )
        .join(DeliveryInstance, DeliveryInstance.delivery_id == Delivery.id)
        .join(Receipt, Receipt.receipt_id == DeliveryInstance.receipt_id)
        .where(Delivery.study_uid == study_uid, Delivery.destination == destination)
        .order_by(Delivery.created_at, Delivery.id, DeliveryInstance.receipt_id)
    )
    return [Entry(*row) for row in rows]


# -- destinations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outage:
    """A destination that is down."""

    since: datetime
    probe: str  # echo, or image
    next_probe_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A destination as it is configured now, and whether it is down."""

    name: str
    host: str
    port: int
    ae_title: str
    calling_ae_title: str  # empty: the router's own
    paused: bool
    tls: bool
    outage: Outage | None


def destination_names(session: Session) -> set[str]:
    """All destinations."""
    return set(session.scalars(select(Destination.name)))


def standing(session: Session, name: str) -> Standing | None:
    """A destination; None once it was deleted."""
    row = session.execute(
        select(Destination, DestinationOutage)
        .outerjoin(DestinationOutage, DestinationOutage.destination == Destination.name)
        .where(Destination.name == name)
    ).one_or_none()
    if row is None:
        return None
    found: Destination = row[0]
    outage: DestinationOutage | None = row[1]
    return Standing(
        name=found.name,
        host=found.host,
        port=found.port,
        ae_title=found.ae_title,
        calling_ae_title=found.calling_ae_title,
        paused=found.paused,
        tls=found.tls,
        outage=Outage(outage.since, outage.probe, outage.next_probe_at) if outage else None,
    )


def lock_destination(session: Session, name: str) -> bool:
    """Lock a destination's row until the transaction ends; False if it was deleted."""
    return session.get(Destination, name, with_for_update=True) is not None


def outage_of(session: Session, name: str) -> DestinationOutage | None:
    """The outage of a destination; lock the destination before changing it."""
    return session.get(DestinationOutage, name, populate_existing=True)


def hold_outage(session: Session, name: str) -> DestinationOutage | None:
    """The outage of a destination: until the transaction ends none begins there, and none ends."""
    session.execute(
        select(Destination.name)
        .where(Destination.name == name)
        .with_for_update(read=True, key_share=True)  # many may hold it at once
    )
    return outage_of(session, name)


def insert_outage(session: Session, outage: DestinationOutage) -> None:
    """A destination went down: what waits for it says why."""
    session.add(outage)
    session.execute(
        update(Delivery)
        .where(Delivery.destination == outage.destination, Delivery.state == DeliveryState.WAITING)
        .values(reason=outage.reason)
    )


def delete_outage(session: Session, outage: DestinationOutage, now: datetime) -> None:
    """A destination is up again: whatever is open there is due at once."""
    session.delete(outage)
    mine = Delivery.destination == outage.destination
    session.execute(
        update(Delivery).where(mine, Delivery.state == DeliveryState.WAITING).values(reason=None)
    )
    open_states = among(Delivery.state, (DeliveryState.WAITING, DeliveryState.RETRYING))
    session.execute(
        update(Delivery)
        .where(mine, open_states, Delivery.next_attempt_at > now)
        .values(next_attempt_at=now)
    )


def take_probe(session: Session, name: str, now: datetime, next_at: datetime) -> bool:
    """Be the one who probes now; of several forwarders only one gets True."""
    taken = session.execute(
        update(DestinationOutage)
        .where(
            DestinationOutage.destination == name,
            or_(
                DestinationOutage.next_probe_at <= now,
                DestinationOutage.next_probe_at > now + NEVER_PUT_OFF_FOR,
            ),
        )
        .values(next_probe_at=next_at)
        .returning(DestinationOutage.destination)
    )
    return taken.first() is not None


def probe_now(session: Session, name: str, now: datetime) -> None:
    """Have a destination probed at once, if it is down."""
    session.execute(
        update(DestinationOutage)
        .where(DestinationOutage.destination == name)
        .values(next_probe_at=now)
    )


def count_open(session: Session, name: str) -> int:
    """How many deliveries to a destination have not ended."""
    mine = Delivery.destination == name, among(Delivery.state, OPEN_DELIVERY_STATES)
    return session.scalar(select(func.count()).select_from(Delivery).where(*mine)) or 0


def orphans(session: Session) -> list[str]:
    """Open deliveries to destinations that were deleted."""
    is_there = exists().where(Destination.name == Delivery.destination)
    return list(
        session.scalars(
            select(Delivery.id).where(among(Delivery.state, OPEN_DELIVERY_STATES), ~is_there)
        )
    )


def delete_orphan_outages(session: Session) -> None:
    """Forget the outages of destinations that were deleted."""
    is_there = exists().where(Destination.name == DestinationOutage.destination)
    session.execute(delete(DestinationOutage).where(~is_there))


# -- claiming ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """An instance to send. `file_name` is its name in the study's folder."""

    receipt_id: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    file_name: str
    size: int  # bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this forwarder, and nobody else, sends now: `items` are what is missing."""

    delivery_id: str
    study_uid: str
    revision: int
    destination: str
    folder: str
    modality: str
    total: int
    items: tuple[Item, ...]

    @property
    def named(self) -> dict[str, str]:
        """As log lines name it."""
        return {
            "delivery": self.delivery_id,
            "destination": self.destination,
            "study_uid": self.study_uid,
        }


def _is_due(now: datetime) -> ColumnElement[bool]:
    waits = among(Delivery.state, (DeliveryState.WAITING, DeliveryState.RETRYING))
    abandoned = and_(Delivery.state == DeliveryState.SENDING, Delivery.lease_until < now)
    is_time = or_(
        Delivery.next_attempt_at <= now, Delivery.next_attempt_at > now + NEVER_PUT_OFF_FOR
    )
    is_its_turn = or_(and_(waits, is_time), abandoned)
    # said by the rest already, but not so that a database finds these few among all that ended
    is_open = among(Delivery.state, OPEN_DELIVERY_STATES)
    return and_(is_open, is_its_turn, ~_another_is_in_hand(now))


def _another_is_in_hand(now: datetime) -> ColumnElement[bool]:
    """Whether another delivery of the study is on its way to the same destination.

    One after the other: where an instance came again with other bytes, the newest arrive last.
    """
    other = aliased(Delivery)
    return exists().where(
        other.study_uid == Delivery.study_uid,
        other.destination == Delivery.destination,
        other.id != Delivery.id,
        other.state == DeliveryState.SENDING,
        other.lease_until >= now,
    )


def _is_suspect() -> ColumnElement[bool]:
    """Whether the destination went down over an instance, by an abort or for want of resources."""
    status = func.coalesce(DeliveryInstance.dicom_status, 0)  # NULL would be neither in nor out
    return or_(DeliveryInstance.aborts > 0, status.between(0xA700, 0xA7FF))


def due_deliveries(session: Session, name: str, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Deliveries (id, study) that may be claimed, oldest first.

    Those come last of which nothing waits but instances that the destination went down over: the
    others tell better whether it is well again, and don't wait behind one that may be to blame.
    """
    innocent = exists().where(
        DeliveryInstance.delivery_id == Delivery.id,
        DeliveryInstance.state == DeliveryInstanceState.WAITING,
        ~_is_suspect(),
    )
    rows = session.execute(
        select(Delivery.id, Delivery.study_uid)
        .join(Study, Study.study_uid == Delivery.study_uid)
        .where(Delivery.destination == name, _is_due(now), ~Study.held, ~Study.deleted)
        .order_by(case((innocent, 0), else_=1), Delivery.created_at, Delivery.id)
        .limit(limit)
    )
    return [(delivery_id, study_uid) for delivery_id, study_uid in rows]


def get_delivery(session: Session, delivery_id: str) -> Delivery | None:
    """A delivery, its row locked; lock the study and hold the destination's outage before."""
    return session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)


def whose(session: Session, delivery_id: str) -> tuple[str, str] | None:
    """Whose images a delivery sends, and where to: the study's UID and the destination."""
    query = select(Delivery.study_uid, Delivery.destination).where(Delivery.id == delivery_id)
    return session.execute(query).one_or_none()


def unclaimed(session: Session, delivery_ids: Collection[str], now: datetime) -> set[str]:
    """Which of these deliveries are open and in nobody's hand."""
    return set(
        session.scalars(
            select(Delivery.id).where(
                Delivery.id.in_(delivery_ids),
                among(Delivery.state, OPEN_DELIVERY_STATES),
                or_(Delivery.state != DeliveryState.SENDING, Delivery.lease_until < now),
            )
        )
    )


def lease(
    session: Session, delivery_id: str, owner: str, now: datetime, until: datetime
) -> Delivery | None:
    """Take a delivery that is due; None if it is not (any more)."""
    taken = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, _is_due(now))
        .values(
            state=DeliveryState.SENDING,
            started_at=func.coalesce(Delivery.started_at, now),
            lease_owner=owner,
            lease_until=until,
            reason=None,
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return get_delivery(session, delivery_id) if taken.first() else None


def renew(session: Session, delivery_ids: Iterable[str], owner: str, until: datetime) -> None:
    """Keep the leases on deliveries that are in hand."""
    session.execute(
        update(Delivery)
        .where(
            Delivery.id.in_(sorted(delivery_ids)),
            Delivery.state == DeliveryState.SENDING,
            Delivery.lease_owner == owner,
        )
        .values(lease_until=until)
    )


def end_all_leases(session: Session, now: datetime) -> None:
    """Let go of every delivery: whoever held one is no more."""
    session.execute(
        update(Delivery).where(Delivery.state == DeliveryState.SENDING).values(lease_until=now)
    )


def drop_superseded(session: Session, delivery_id: str) -> None:
    """Instances whose bytes were replaced before they were sent are no longer owed."""
    current = exists().where(
        Receipt.receipt_id == DeliveryInstance.receipt_id, Receipt.state == ReceiptState.ORGANIZED
    )
    session.execute(
        update(DeliveryInstance)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state == DeliveryInstanceState.WAITING,
            ~current,
        )
        .values(state=DeliveryInstanceState.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )


def waiting_items(session: Session, delivery_id: str) -> list[Item]:
    """What is still to be sent, in the order it was received, the suspects last."""
    rows = session.execute(
        select(Receipt, DeliveryInstance.attempts)
        .join(DeliveryInstance, DeliveryInstance.receipt_id == Receipt.receipt_id)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state == DeliveryInstanceState.WAITING,
        )
        .order_by(case((_is_suspect(), 1), else_=0), Receipt.receipt_id)
    )
    return [
        Item(
            receipt_id=receipt.receipt_id,
            sop_class_uid=receipt.sop_class_uid,
            sop_instance_uid=receipt.sop_instance_uid,
            transfer_syntax_uid=receipt.transfer_syntax_uid,
            file_name=receipt.file_name or "",
            size=receipt.size,
            attempts=attempts,
        )
        for receipt, attempts in rows
    ]


# -- recording ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has an instance; `dicom_status` may be a warning."""

    receipt_id: str
    dicom_status: int


def record_delivered(
    session: Session, delivery_id: str, results: Sequence[Delivered], now: datetime
) -> None:
    """The destination has these instances, whoever holds the lease by now."""
    arrived = defaultdict[int, list[str]](list)
    for each in results:
        arrived[each.dicom_status].append(each.receipt_id)
    for dicom_status, receipt_ids in arrived.items():
        session.execute(
            update(DeliveryInstance)
            .where(
                DeliveryInstance.delivery_id == delivery_id,
                one_of(session, DeliveryInstance.receipt_id, receipt_ids),
            )
            .values(
                state=DeliveryInstanceState.DELIVERED,
                dicom_status=dicom_status,
                detail=None,
                delivered_at=now,
            )
            .execution_options(synchronize_session=False)
        )


def waiting_instance(
    session: Session, delivery_id: str, receipt_id: str
) -> DeliveryInstance | None:
    """An instance of a delivery that is still to be sent; None once it has ended."""
    found = session.get(DeliveryInstance, (delivery_id, receipt_id), with_for_update=True)
    return found if found and found.state == DeliveryInstanceState.WAITING else None


def is_current(session: Session, receipt_id: str) -> bool:
    """Whether a receipt's bytes are still those of its instance."""
    state = session.scalar(select(Receipt.state).where(Receipt.receipt_id == receipt_id))
    return state == ReceiptState.ORGANIZED


def holds(session: Session, delivery_id: str, owner: str) -> bool:
    """Whether this forwarder still has the lease on a delivery."""
    found = session.execute(
        select(Delivery.id).where(
            Delivery.id == delivery_id,
            Delivery.state == DeliveryState.SENDING,
            Delivery.lease_owner == owner,
        )
    )
    return found.first() is not None


# Asked for every few images, and made here once: to make it takes longer than to ask.
_MAY_GO_ON = (
    select(Delivery.id)
    .join(Study, Study.study_uid == Delivery.study_uid)
    .join(Destination, Destination.name == Delivery.destination)
    .where(
        Delivery.id == bindparam("delivery_id"),
        Delivery.state == DeliveryState.SENDING,
        Delivery.lease_owner == bindparam("owner"),
        ~Study.held,
        ~Study.deleted,
        ~Destination.paused,
    )
)


def may_go_on(session: Session, delivery_id: str, owner: str) -> bool:
    """Whether the next image may be sent: the lease is ours, nobody has said stop."""
    found = session.execute(_MAY_GO_ON, {"delivery_id": delivery_id, "owner": owner})
    return found.first() is not None


def tally(session: Session, delivery_id: str) -> Tally:
    """Count how the instances of a delivery stand."""
    rows = session.execute(
        select(DeliveryInstance.state, func.count(), func.max(DeliveryInstance.attempts))
        .where(DeliveryInstance.delivery_id == delivery_id)
        .group_by(DeliveryInstance.state)
    )
    counts, attempts = dict[str, int](), dict[str, int]()
    for state, count, most in rows:
        counts[state], attempts[state] = count, most
    counts.pop(DeliveryInstanceState.SUPERSEDED, None)
    return Tally(
        total=sum(counts.values()),
        delivered=counts.get(DeliveryInstanceState.DELIVERED, 0),
        failed=counts.get(DeliveryInstanceState.FAILED, 0),
        waiting=counts.get(DeliveryInstanceState.WAITING, 0),
        attempts=attempts.get(DeliveryInstanceState.WAITING, 0),
    )


def status_of_failed(session: Session, delivery_id: str) -> int | None:
    """The status that an instance was refused with; None if the peer gave none."""
    return session.scalar(
        select(DeliveryInstance.dicom_status)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state != DeliveryInstanceState.DELIVERED,
            DeliveryInstance.attempts > 0,
        )
        .order_by(DeliveryInstance.dicom_status.is_(None), DeliveryInstance.receipt_id)
        .limit(1)
    )


def reset_failed(session: Session, delivery_id: str) -> None:
    """Give the instances that are not delivered all their attempts again."""
    session.execute(
        update(DeliveryInstance)
        .where(
            DeliveryInstance.delivery_id == delivery_id,
            DeliveryInstance.state.in_(
                (DeliveryInstanceState.WAITING, DeliveryInstanceState.FAILED)
            ),
        )
        .values(
            state=DeliveryInstanceState.WAITING,
            attempts=0,
            aborts=0,
            dicom_status=None,
            detail=None,
        )
        .execution_options(synchronize_session=False)
    )


def reason_row(reason: DeliveryReason | None) -> dict[str, Any] | None:
    """A reason as its column holds it."""
    return reason.as_row() if reason else None
