"""Keeps the account of deliveries: who sends what, what arrived, what follows from what did not.

A forwarder sends only what it holds the lease of. That an image has arrived is recorded whoever
holds the lease by then; all else is left to the holder.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_router.errors import Unavailable
from dicom_router.events import (
    DeliveryFailed,
    DeliveryReason,
    Message,
    Payload,
    StudyForwarded,
    message,
)
from dicom_router.ledger import lock_study, note, refresh_state
from dicom_router.log import Log, get_logger
from dicom_router.models import (
    OPEN_DELIVERY_STATES,
    Delivery,
    DeliveryInstanceState,
    DeliveryState,
    Study,
)
from dicom_router.retry import RETRY_DELAYS_SECONDS, retry_delay
from dicom_router.said import Said, joined, said
from services.forwarder import policy, queries
from services.forwarder.messages import Due, dead_letter, wake_up, wake_up_later
from services.forwarder.policy import Failure, Tally, TryLater
from services.forwarder.queries import Claim, Delivered, Item, Transaction
from services.forwarder.writing import Writer

LEASE = timedelta(seconds=30)  # renewed every 10 s

_CANDIDATES = 8  # other forwarders may be faster at some of them

Change = Callable[[Transaction, Study, Delivery, datetime], bool]

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Held:
    """A delivery whose lease is ours, and its study locked, until the transaction ends."""

    session: Transaction
    now: datetime
    claim: Claim
    delivery: Delivery
    tally: Tally

    @property
    def progress(self) -> Said:
        if self.tally.total == 1:
            return said(
                "{destination}: {sent} of 1 image",
                destination=self.claim.destination,
                sent=self.tally.delivered,
            )
        return said(
            "{destination}: {sent} of {total} images",
            destination=self.claim.destination,
            sent=self.tally.delivered,
            total=self.tally.total,
        )

    @property
    def about(self) -> dict[str, object]:
        return {
            "destination": self.claim.destination,
            "revision": self.claim.revision,
            "delivered": self.tally.delivered,
            "total": self.tally.total,
        }


class Deliveries:
    """The deliveries, as one forwarder called `owner` works on them. Thread-safe."""

    def __init__(self, writer: Writer, owner: str) -> None:
        self._writer, self._owner = writer, owner
        self._lock = threading.Lock()
        self._in_hand: set[str] = set()

    # -- claiming ------------------------------------------------------------------------------

    def claim(self, delivery_id: str, study_uid: str, *, probing: bool = False) -> Claim | None:
        """Take the lease on a delivery that is due; None if it is not, or another was faster."""
        claim = self._writer.write(
            lambda session, now: self._claim(session, delivery_id, study_uid, probing, now)
        )
        if claim is not None:
            with self._lock:
                self._in_hand.add(claim.delivery_id)
        return claim

    def claim_next(self, destination: str, *, probing: bool = False) -> Claim | None:
        """Take the lease on what has been due at a destination for longest."""
        with self._writer.database.read() as session:
            due = queries.due_deliveries(session, destination, self._writer.clock(), _CANDIDATES)
        claims = (self.claim(*each, probing=probing) for each in due)
        return next((claim for claim in claims if claim is not None), None)

    def claim_woken(self, delivery_id: str) -> Claim | None:
        """Take the lease on the delivery that a message is about."""
        with self._writer.database.read() as session:
            found = queries.whose(session, delivery_id)
        return self.claim(delivery_id, found[0]) if found else None

    def renew(self) -> None:
        """Keep the leases on all that is in hand."""
        with self._lock:
            in_hand = set(self._in_hand)
        if in_hand:
            self._writer.write(
                lambda session, now: queries.renew(session, in_hand, self._owner, now + LEASE)
            )

    def take_over(self) -> None:
        """No other forwarder is there: what an earlier life of this one held is due at once."""
        self._writer.write(queries.end_all_leases)

    def put_down(self, claim: Claim) -> None:
        """Renew the lease no longer."""
        with self._lock:
            self._in_hand.discard(claim.delivery_id)

    def _claim(
        self,
        session: Transaction,
        delivery_id: str,
        study_uid: str,
        probing: bool,
        now: datetime,
    ) -> Claim | None:
        study = lock_study(session, study_uid)
        if study is None or study.held or study.deleted:
            return None
        delivery = queries.lease(session, delivery_id, self._owner, now, now + LEASE)
        if delivery is None:
            return None
        queries.drop_superseded(session, delivery_id)
        items = tuple(queries.waiting_items(session, delivery_id))
        tally = queries.tally(session, delivery_id)
        refresh_state(session, study, now)
        claim = Claim(
            delivery_id=delivery_id,
            study_uid=study_uid,
            revision=delivery.revision,
            destination=delivery.destination,
            folder=study.folder,
            modality=study.modality,
            total=tally.total,
            items=items,
        )
        if not probing:
            _note_start(session, claim, now)
        return claim

    # -- while sending -------------------------------------------------------------------------

    def started(self, claim: Claim) -> None:
        """A probe got through, and the delivery goes on from there."""
        self._writer.insist(lambda session, now: _note_start(session, claim, now))

    def record(self, claim: Claim, delivered: Sequence[Delivered]) -> bool:
        """Record what has arrived; whether the next image may be sent."""

        def work(session: Transaction, now: datetime) -> bool:
            queries.record_delivered(session, claim.delivery_id, delivered, now)
            return queries.may_go_on(session, claim.delivery_id, self._owner)

        return self._writer.insist(work)

    def may_go_on(self, claim: Claim) -> bool:
        """Whether the next image may be sent; when that can't be told, the next record tells."""
        try:
            with self._writer.database.read() as session:
                return queries.may_go_on(session, claim.delivery_id, self._owner)
        except Unavailable as error:
            log.warning(Log.TASK_WAITING, task="delivery", why=str(error))
            return True

    def fail(self, claim: Claim, item: Item, failure: Failure) -> None:
        """Record an instance's own failure: it waits for its next attempt, or has failed."""

        def work(session: Transaction, _now: datetime) -> None:
            instance = queries.waiting_instance(session, claim.delivery_id, item.receipt_id)
            if instance is None:
                return
            if not queries.is_current(session, item.receipt_id):
                instance.state = DeliveryInstanceState.SUPERSEDED
                return
            instance.attempts = item.attempts + 1
            instance.dicom_status = failure.reason.dicom_status
            instance.detail = failure.detail
            if retry_delay(instance.attempts) is None:
                instance.state = DeliveryInstanceState.FAILED

        self._writer.insist(work)

    # -- when an attempt is over ---------------------------------------------------------------

    def conclude(self, claim: Claim, failure: Failure | None) -> None:
        """Every instance was tried: the delivery has ended, or is tried again later.

        `failure` is the last one of this attempt.
        """

        def work(held: _Held) -> None:
            ending = policy.ending(held.tally, held.now)
            if ending is policy.Ended.DELIVERED:
                self._delivered(held)
                return
            reason = failure.reason if failure else _earlier_reason(held)
            detail = failure.detail if failure else reason.text
            if isinstance(ending, TryLater):
                self._try_later(held, ending, reason, detail)
            else:
                self._failed(held, reason, detail)

        self._with_lease(claim, work)

    def interrupt(self, claim: Claim, reason: DeliveryReason, *, probing: bool) -> None:
        """The destination went down: the delivery waits until it is up, and uses up no attempt.

        `probing`: it was down before; the timeline has been told so, and a message waits already.
        """

        def work(held: _Held) -> None:
            _let_go(held)
            held.delivery.reason = queries.reason_row(reason)
            if not probing:
                _note_failure(held, reason.text, reason)
                self._publish(held, wake_up_later(_due(claim), self._writer.source, held.now))

        self._with_lease(claim, work)

    def give_back(self, claim: Claim) -> None:
        """Stop in the middle: whoever is free goes on as soon as it may be."""

        def work(held: _Held) -> None:
            _let_go(held)
            held.delivery.reason = _reason_to_wait(held.session, held.delivery)
            self._publish(held, wake_up(_due(claim), self._writer.source, held.now))

        self._with_lease(claim, work)

    def _with_lease(self, claim: Claim, work: Callable[[_Held], None]) -> None:
        """Do work under the study's lock if the lease is still ours, which ends with it."""

        def locked(session: Transaction, now: datetime) -> None:
            study = lock_study(session, claim.study_uid)
            if study is None or not queries.holds(session, claim.delivery_id, self._owner):
                return
            queries.hold_outage(session, claim.destination)  # before its delivery is locked
            delivery = queries.get_delivery(session, claim.delivery_id)
            if delivery is None:
                return
            queries.drop_superseded(session, claim.delivery_id)
            tally = queries.tally(session, claim.delivery_id)
            delivery.lease_owner = delivery.lease_until = None
            work(_Held(session, now, claim, delivery, tally))
            refresh_state(session, study, now)

        self._writer.insist(locked)

    def _delivered(self, held: _Held) -> None:
        claim, tally = held.claim, held.tally
        seconds = max(0.0, (held.now - (held.delivery.started_at or held.now)).total_seconds())
        _end(held.delivery, DeliveryState.DELIVERED, None, held.now)
        held.delivery.images = tally.total
        text = said(
            "{progress} in {duration}", progress=held.progress, duration=policy.spoken(seconds)
        )
        note(held.session, claim.study_uid, held.now, "delivered", text, **held.about)
        event = StudyForwarded(
            study_uid=claim.study_uid,
            revision=claim.revision,
            destination=claim.destination,
            delivered=tally.delivered,
            total=tally.total,
            duration_seconds=seconds,
        )
        self._announce(held, event, modality=claim.modality)
        log.info(Log.DELIVERY_ENDED, **claim.named, images=tally.delivered)

    def _try_later(self, held: _Held, later: TryLater, reason: DeliveryReason, detail: str) -> None:
        delivery = held.delivery
        delivery.state, delivery.attempt = DeliveryState.RETRYING, later.attempt
        delivery.next_attempt_at = later.at
        delivery.reason = queries.reason_row(reason)
        self._tell_failure(held, reason, detail, final=False)
        wake = wake_up_later(
            _due(held.claim),
            self._writer.source,
            held.now,
            seconds=round((later.at - held.now).total_seconds()),
            attempt=later.attempt,
        )
        self._publish(held, wake)
        log.warning(
            Log.DELIVERY_RETRYING, **held.claim.named, why=reason.text, attempt=later.attempt
        )

    def _failed(self, held: _Held, reason: DeliveryReason, detail: str) -> None:
        delivery = held.delivery
        delivery.attempt = len(RETRY_DELAYS_SECONDS) + 1
        _end(delivery, DeliveryState.FAILED, reason, held.now)
        self._tell_failure(held, reason, detail, final=True)
        letter = dead_letter(
            _due(held.claim),
            self._writer.source,
            held.now,
            reason,
            attempt=delivery.attempt,
            first_failed_at=delivery.started_at or held.now,
        )
        self._publish(held, letter)
        log.error(
            Log.DELIVERY_FAILED, **held.claim.named, why=reason.text, images=held.tally.failed
        )

    def _tell_failure(
        self, held: _Held, reason: DeliveryReason, detail: str, *, final: bool
    ) -> None:
        _note_failure(held, detail, reason)
        event = DeliveryFailed(
            study_uid=held.claim.study_uid,
            revision=held.claim.revision,
            destination=held.claim.destination,
            reason=reason,
            attempt=held.delivery.attempt,
            final=final,
            next_attempt_at=held.delivery.next_attempt_at,
        )
        self._announce(held, event)

    def _announce(self, held: _Held, event: Payload, modality: str = "") -> None:
        made = message(
            event,
            id=uuid.uuid4().hex,
            source=self._writer.source,
            time=held.now,
            modality=modality,
            correlation_id=held.claim.delivery_id,
        )
        self._publish(held, made)

    def _publish(self, held: _Held, made: Message) -> None:
        self._writer.publish(held.session, made)

    # -- what a person asks for ----------------------------------------------------------------

    def retry(self, delivery_id: str, asked_at: datetime) -> str | None:
        """Try a delivery again now, with all its attempts; its destination, if that can be.

        Who cancelled it after that was asked for has decided otherwise.
        """

        def again(session: Transaction, study: Study, delivery: Delivery, now: datetime) -> bool:
            cancelled_at = (
                delivery.finished_at if delivery.state == DeliveryState.CANCELLED else None
            )
            if cancelled_at is not None and asked_at < cancelled_at:
                return False
            return self.try_again(session, study, delivery, now)

        return self._change(delivery_id, again)

    def cancel(self, delivery_id: str, why: Said) -> str | None:
        """Stop trying a delivery that has nowhere to go; its destination if it was open."""

        def cancel(session: Transaction, _study: Study, delivery: Delivery, now: datetime) -> bool:
            if delivery.state not in OPEN_DELIVERY_STATES:
                return False
            reason = DeliveryReason(kind="cancelled", text=why)
            _end(delivery, DeliveryState.CANCELLED, reason, now)
            note(
                session,
                delivery.study_uid,
                now,
                "delivery-cancelled",
                why,
                destination=delivery.destination,
                revision=delivery.revision,
            )
            return True

        return self._change(delivery_id, cancel)

    def replace(self, session: Transaction, delivery: Delivery, by: str, now: datetime) -> None:
        """Another delivery is owed all that this one is; lock the study before.

        Who sends it stops after the image in hand. What has ended keeps its state.
        """
        if delivery.state in OPEN_DELIVERY_STATES:
            reason = DeliveryReason(kind="cancelled", text=said("Everything is sent again instead"))
            _end(delivery, DeliveryState.CANCELLED, reason, now)
        delivery.replaced_by = by
        session.flush()

    def try_again(
        self, session: Transaction, study: Study, delivery: Delivery, now: datetime
    ) -> bool:
        """As `retry`, where the study is locked and the destination's outage is held already."""
        ongoing_or_done = (DeliveryState.DELIVERED, DeliveryState.SENDING)
        if study.deleted or delivery.replaced_by or delivery.state in ongoing_or_done:
            return False
        queries.reset_failed(session, delivery.id)
        delivery.state, delivery.attempt = DeliveryState.WAITING, 0
        delivery.reason = _reason_to_wait(session, delivery)
        delivery.next_attempt_at, delivery.finished_at = now, None
        due = Due(delivery.id, delivery.study_uid, delivery.destination)
        self._writer.publish(session, wake_up(due, self._writer.source, now))
        return True

    def _change(self, delivery_id: str, change: Change) -> str | None:
        def work(session: Transaction, now: datetime) -> str | None:
            found = queries.whose(session, delivery_id)
            if found is None:
                return None
            study_uid, destination = found
            study = lock_study(session, study_uid)
            queries.hold_outage(session, destination)
            delivery = queries.get_delivery(session, delivery_id)
            if study is None or delivery is None or not change(session, study, delivery, now):
                return None
            refresh_state(session, study, now)
            return destination

        return self._writer.write(work)


def _end(
    delivery: Delivery, state: DeliveryState, reason: DeliveryReason | None, now: datetime
) -> None:
    delivery.state, delivery.reason = state, queries.reason_row(reason)
    delivery.next_attempt_at, delivery.finished_at = None, now
    delivery.lease_owner = delivery.lease_until = None


def _due(claim: Claim) -> Due:
    return Due(claim.delivery_id, claim.study_uid, claim.destination)


def _note_start(session: Transaction, claim: Claim, now: datetime) -> None:
    text = said(
        "{destination}: {count} of {total} images to send",
        destination=claim.destination,
        count=len(claim.items),
        total=claim.total,
    )
    about = {"destination": claim.destination, "revision": claim.revision}
    note(session, claim.study_uid, now, "delivery-started", text, **about)


def _note_failure(held: _Held, why: str, reason: DeliveryReason) -> None:
    retry_at = held.delivery.next_attempt_at
    note(
        held.session,
        held.claim.study_uid,
        held.now,
        "delivery-failed",
        joined(". ", [held.progress, why]),
        **held.about,
        reason=reason.as_row(),
        attempt=held.delivery.attempt,
        next_attempt_at=retry_at.isoformat() if retry_at else None,
    )


def _let_go(held: _Held) -> None:
    """Open to all again, due at once; `retrying` once something of it was sent or tried."""
    begun = held.tally.delivered or held.tally.failed or held.tally.attempts
    held.delivery.state = DeliveryState.RETRYING if begun else DeliveryState.WAITING
    held.delivery.next_attempt_at = held.now


def _reason_to_wait(session: Transaction, delivery: Delivery) -> dict[str, object] | None:
    """Why a delivery that is due has to wait: its destination is down. Hold the outage before."""
    outage = queries.outage_of(session, delivery.destination)
    return outage.reason if outage is not None else None


def _earlier_reason(held: _Held) -> DeliveryReason:
    """Why images are missing when none failed in this attempt: one that did before says it."""
    status = queries.status_of_failed(held.session, held.claim.delivery_id)
    return policy.failed_before(held.claim.destination, status).reason
