"""Messages written in the transaction whose fact they tell, and published after it is committed."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicom_router.bus import BrokerUnavailable, Bus
from dicom_router.database import Database
from dicom_router.errors import Unprocessable
from dicom_router.events import Message
from dicom_router.log import Log, get_logger
from dicom_router.models import OutboxMessage

_BATCH = 200
_CONFIRM_SECONDS = 10.0

log = get_logger()


def enqueue(session: Session, service: str, messages: Sequence[Message]) -> None:
    """Add messages to a service's outbox, within the caller's transaction."""
    session.add_all(
        OutboxMessage(
            service=service,
            exchange=each.exchange,
            routing_key=each.routing_key,
            message_id=each.id,
            type=each.type,
            time=each.time,
            source=each.source,
            correlation_id=each.correlation_id,
            headers=dict(each.headers),
            body=each.body,
        )
        for each in messages
    )


class OutboxRelay:
    """Publishes a service's outbox; what was not confirmed is published again (at least once)."""

    def __init__(self, database: Database, bus: Bus, service: str) -> None:
        self._database, self._bus, self._service = database, bus, service
        self._wake = threading.Event()

    def wake(self) -> None:
        """Say that there is something to publish; call after the commit."""
        self._wake.set()

    @property
    def woken(self) -> threading.Event:
        """Set by `wake`; for the task that runs `relay`."""
        return self._wake

    def relay(self) -> None:
        """Publish what there is; raises `Unavailable` when database or broker are away."""
        self._wake.clear()
        while self._relay_batch() == _BATCH:
            pass

    def _relay_batch(self) -> int:
        with self._database.write() as session:
            rows = session.scalars(
                select(OutboxMessage)
                .where(OutboxMessage.service == self._service)
                .order_by(OutboxMessage.id)
                .limit(_BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            if not rows:
                return 0
            futures = [self._bus.publish(_message(row)) for row in rows]
            _done, pending = wait(futures, _CONFIRM_SECONDS)
            if pending:
                raise BrokerUnavailable(
                    f"The broker did not confirm {len(pending)} messages in {_CONFIRM_SECONDS} s"
                )
            for row, future in zip(rows, futures, strict=True):
                _settle(row, future)
            session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_([r.id for r in rows])))
            return len(rows)


def _settle(row: OutboxMessage, published: Future[None]) -> None:
    """Raise what waiting helps against; a message that no broker takes must not hold up the rest.

    What it tells is in the database, where the sweeps and the API find it.
    """
    try:
        published.result()
    except Unprocessable as error:
        log.error(Log.MESSAGE_DROPPED, message_id=row.message_id, type=row.type, why=str(error))  # noqa: TRY400


def _message(row: OutboxMessage) -> Message:
    return Message(
        exchange=row.exchange,
        routing_key=row.routing_key,
        id=row.message_id,
        type=row.type,
        time=row.time,
        body=row.body,
        source=row.source,
        correlation_id=row.correlation_id,
        headers=dict(row.headers),
    )
