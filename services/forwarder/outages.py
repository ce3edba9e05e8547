"""Destinations that are down: known to all forwarders, announced once, probed by one of them.

A destination is down until something got through: an echo, or one image after an association ended
in the middle of one or the destination ran out of resources. Nothing waiting uses up attempts.
"""

import uuid
from datetime import datetime
from typing import Literal

from dicom_router.dimse import PeerError
from dicom_router.events import DeliveryReason, DestinationDown, DestinationUp, message
from dicom_router.log import Log, get_logger
from dicom_router.models import DestinationOutage
from dicom_router.retry import PROBE_INTERVAL
from dicom_router.said import as_said
from services.forwarder import policy, queries
from services.forwarder.queries import Claim, Item, Transaction
from services.forwarder.writing import Writer

log = get_logger()

Probe = Literal["echo", "image"]


def reason_of(error: PeerError) -> DeliveryReason:
    """What went wrong between the peer and us."""
    return DeliveryReason(kind=error.kind, text=as_said(error))


class Outages:
    """What the forwarders know of destinations that are down.

    `probing`: what is told was seen by a probe, which goes on with an outage and begins none. Where
    it has ended meanwhile, another forwarder has got through, and what this one saw is old.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def went_down(self, destination: str, reason: DeliveryReason, *, probing: bool) -> None:
        """It can't be reached, or takes no association: an echo will tell when it does."""

        def record(session: Transaction, now: datetime) -> None:
            if queries.lock_destination(session, destination):
                self._down(session, destination, reason, "echo", now, probing=probing)

        self._writer.insist(record)

    def refused_for_now(
        self, claim: Claim, item: Item, reason: DeliveryReason, *, probing: bool
    ) -> None:
        """It was out of resources when it was sent this image: only an image tells it no longer is.

        The image is remembered: perhaps it is the only one that does not get through.
        """

        def record(session: Transaction, now: datetime) -> None:
            if not queries.lock_destination(session, claim.destination):
                return
            instance = queries.waiting_instance(session, claim.delivery_id, item.receipt_id)
            if instance is not None:
                instance.dicom_status, instance.detail = reason.dicom_status, reason.text
            self._down(session, claim.destination, reason, "image", now, probing=probing)

        self._writer.insist(record)

    def aborted(self, claim: Claim, item: Item, reason: DeliveryReason, *, probing: bool) -> bool:
        """An association ended while this image was sent; whether the image itself is to blame.

        If it is not, the destination is down.
        """

        def record(session: Transaction, now: datetime) -> bool:
            if not queries.lock_destination(session, claim.destination):
                return False
            outage = queries.outage_of(session, claim.destination)
            blamed = list(outage.blamed) if outage else []
            instance = queries.waiting_instance(session, claim.delivery_id, item.receipt_id)
            if instance is not None and policy.aborts_count(item.receipt_id, blamed):
                instance.aborts += 1
                instance.detail = reason.text
                blamed = sorted({*blamed, item.receipt_id})
                if instance.aborts >= policy.ABORTS_TO_BLAME:
                    if outage:
                        outage.blamed = blamed
                    return True
            self._down(
                session, claim.destination, reason, "image", now, probing=probing, blamed=blamed
            )
            return False

        return self._writer.insist(record)

    def came_up(self, destination: str) -> None:
        """Something got through: whatever waits is due at once."""

        def record(session: Transaction, now: datetime) -> None:
            if not queries.lock_destination(session, destination):
                return
            outage = queries.outage_of(session, destination)
            if outage is None:
                return
            queries.delete_outage(session, outage, now)
            waiting = queries.count_open(session, destination)
            self._announce(
                session,
                DestinationUp(destination=destination, since=outage.since, waiting=waiting),
                now,
            )
            log.info(Log.DESTINATION_UP, destination=destination, waiting=waiting)

        self._writer.insist(record)

    def take_probe(self, destination: str) -> bool:
        """Whether it is this forwarder's turn to probe, now."""
        return self._writer.write(
            lambda session, now: queries.take_probe(session, destination, now, now + PROBE_INTERVAL)
        )

    def probe_now(self, destination: str) -> None:
        """Don't wait for the next probe: the destination was changed, or a person asks for it."""
        self._writer.write(lambda session, now: queries.probe_now(session, destination, now))

    def _down(
        self,
        session: Transaction,
        destination: str,
        reason: DeliveryReason,
        probe: Probe,
        now: datetime,
        *,
        probing: bool,
        blamed: list[str] | None = None,
    ) -> None:
        outage = queries.outage_of(session, destination)
        if outage is not None:
            outage.reason = reason.as_row()
            outage.next_probe_at = now + PROBE_INTERVAL
            outage.probe = "image" if probe == "image" else outage.probe
            outage.blamed = outage.blamed if blamed is None else blamed
            return
        if probing:
            return
        outage = DestinationOutage(
            destination=destination,
            since=now,
            reason=reason.as_row(),
            probe=probe,
            next_probe_at=now + PROBE_INTERVAL,
            blamed=blamed or [],
        )
        queries.insert_outage(session, outage)
        waiting = queries.count_open(session, destination)
        down = DestinationDown(destination=destination, reason=reason, since=now, waiting=waiting)
        self._announce(session, down, now)
        log.warning(Log.DESTINATION_DOWN, destination=destination, why=reason.text, waiting=waiting)

    def _announce(
        self, session: Transaction, event: DestinationDown | DestinationUp, now: datetime
    ) -> None:
        source = self._writer.source
        self._writer.publish(session, message(event, id=uuid.uuid4().hex, source=source, time=now))
