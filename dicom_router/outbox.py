"""Messages written in the transaction whose fact they tell, and published after it is committed."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from dicom_router.bus import BrokerUnavailable, Bus
from dicom_router.database import Database
from dicom_router.errors import Unprocessable
from dicom_router.events import Message
from dicom_router.log import Log, get_logger
from dicom_router.models import OutboxMessage

_BATCH = 200
_CONFIRM_SECONDS = 10.0
_ENQUEUED = "enqueued"
_on_sqlite = threading.Lock()

log = get_logger()


def enqueue(session: Session, service: str, messages: Sequence[Message]) -> None:
    """Add messages to a service's outbox, within the caller's transaction."""
    if messages:
        session.info[_ENQUEUED] = True
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


def has_enqueued(session: Session) -> bool:
    """Whether the transaction of this session has added messages, for the relay to publish."""
    return bool(session.info.get(_ENQUEUED))


class OutboxRelay:
    """Publishes a service's outbox; what was not confirmed is published again (at least once)."""

    def __init__(self, database: Database, bus: Bus, service: str) -> None:
        self._database, self._bus, self._service = database, bus, service
        self._wake = threading.Event()
        self._in_hand: dict[tuple[int, str], Future[None]] = {}  # published, the row still there

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
        """Publish the oldest; how many there were.

        On SQLite outside any transaction, since nobody else may write during one; its relays are
        in one process and take turns. Elsewhere another relay passes over the rows locked here.
        """
        if self._database.is_sqlite:
            with _on_sqlite:
                rows = self._relay_unlocked()
        else:
            with self._database.write() as session:
                rows = session.scalars(self._oldest().with_for_update(skip_locked=True)).all()
                self._publish(rows)
                _remove(session, rows)
        self._in_hand = {}
        return len(rows)

    def _relay_unlocked(self) -> Sequence[OutboxMessage]:
        with self._database.read() as session:
            rows = session.scalars(self._oldest()).all()
        if rows:
            self._publish(rows)
            with self._database.write() as session:
                _remove(session, rows)
        return rows

    def _oldest(self) -> Select[OutboxMessage]:
        return (
            select(OutboxMessage)
            .where(OutboxMessage.service == self._service)
            .order_by(OutboxMessage.id)
            .limit(_BATCH)
        )

    def _publish(self, rows: Sequence[OutboxMessage]) -> None:
        """Have the broker confirm all of them."""
        if not rows:
            return
        if not self._bus.connected:
            raise BrokerUnavailable(f"{len(rows)} messages wait for the broker")
        # What the bus still has in hand from an earlier round it sends by itself: no second copy.
        futures = {_key(row): self._in_hand.get(_key(row)) or self._send(row) for row in rows}
        _done, pending = wait(futures.values(), _CONFIRM_SECONDS)
        self._in_hand = {key: each for key, each in futures.items() if not _failed(each)}
        if pending:
            raise BrokerUnavailable(
                f"The broker did not confirm {len(pending)} messages in {_CONFIRM_SECONDS} s"
            )
        for row in rows:
            _settle(row, futures[_key(row)])

    def _send(self, row: OutboxMessage) -> Future[None]:
        return self._bus.publish(_message(row))


def _key(row: OutboxMessage) -> tuple[int, str]:
    """SQLite gives the number of a row that is gone to a later one; with its message's id."""
    return row.id, row.message_id


def _failed(published: Future[None]) -> bool:
    return published.done() and published.exception() is not None


def _settle(row: OutboxMessage, published: Future[None]) -> None:
    """Raise what waiting helps against; a message that no broker takes must not hold up the rest.

    What it tells is in the database, where the sweeps and the API find it.
    """
    try:
        published.result()
    except Unprocessable as error:
        log.error(Log.MESSAGE_DROPPED, message_id=row.message_id, type=row.type, why=str(error))  # noqa: TRY400


def _remove(session: Session, rows: Sequence[OutboxMessage]) -> None:
    session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_([row.id for row in rows])))


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
