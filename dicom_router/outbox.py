"""Messages written in the transaction whose fact they tell, and published after it is committed."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from dicom_router.bus import BrokerUnavailable, Bus
from dicom_router.database import Database
from dicom_router.errors import Unprocessable
from dicom_router.events import EVENTS_EXCHANGE, Message
from dicom_router.log import Log, get_logger
from dicom_router.models import OutboxMessage

_BATCH = 200
_CONFIRM_SECONDS = 10.0
# After so long a wake-up is given up: the sweeps have seen to what it was about by then, or will.
_GIVE_UP_SECONDS = 30.0
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


@dataclass(frozen=True, slots=True)
class _InHand:
    """A message that was given to the bus, and when, by `time.monotonic`."""

    future: Future[None]
    since: float


class OutboxRelay:
    """Publishes a service's outbox; what was not confirmed is published again (at least once)."""

    def __init__(self, database: Database, bus: Bus, service: str) -> None:
        self._database, self._bus, self._service = database, bus, service
        self._wake = threading.Event()
        self._in_hand: dict[tuple[int, str], _InHand] = {}  # published, the row still there

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
                rows, ended = self._relay_unlocked()
        else:
            with self._database.write() as session:
                rows = session.scalars(self._oldest().with_for_update(skip_locked=True)).all()
                ended = self._publish(rows)
                _remove(session, ended)
        for row in ended:
            self._in_hand.pop(_key(row), None)
        return len(rows)

    def _relay_unlocked(self) -> tuple[Sequence[OutboxMessage], list[OutboxMessage]]:
        with self._database.read() as session:
            rows = session.scalars(self._oldest()).all()
        ended = self._publish(rows)
        if ended:
            with self._database.write() as session:
                _remove(session, ended)
        return rows, ended

    def _oldest(self) -> Select[OutboxMessage]:
        return (
            select(OutboxMessage)
            .where(OutboxMessage.service == self._service)
            .order_by(OutboxMessage.id)
            .limit(_BATCH)
        )

    def _publish(self, rows: Sequence[OutboxMessage]) -> list[OutboxMessage]:
        """Have the broker confirm them; those that are done with.

        What goes to a queue that takes nothing must not hold up the rest: a broker that is killed
        while it makes a queue can leave it like that.
        """
        if not rows:
            return []
        if not self._bus.connected:
            raise BrokerUnavailable(f"{len(rows)} messages wait for the broker")
        # What the bus still has in hand from an earlier round it sends by itself: no second copy.
        before = self._in_hand
        in_hand = {_key(row): before.get(_key(row)) or self._send(row) for row in rows}
        new = [each.future for key, each in in_hand.items() if key not in before]
        wait(new or [each.future for each in in_hand.values()], _CONFIRM_SECONDS)
        self._in_hand = {key: each for key, each in in_hand.items() if not _failed(each.future)}
        ended = [row for row in rows if _has_ended(row, in_hand[_key(row)])]
        if not ended:
            raise BrokerUnavailable(
                f"The broker did not confirm {len(rows)} messages in {_CONFIRM_SECONDS} s"
            )
        return ended

    def _send(self, row: OutboxMessage) -> _InHand:
        return _InHand(self._bus.publish(_message(row)), time.monotonic())


def _key(row: OutboxMessage) -> tuple[int, str]:
    """SQLite gives the number of a row that is gone to a later one; with its message's id."""
    return row.id, row.message_id


def _failed(published: Future[None]) -> bool:
    return published.done() and published.exception() is not None


def _has_ended(row: OutboxMessage, in_hand: _InHand) -> bool:
    """Whether nothing is left to do for a message; raises what waiting helps against.

    One that no broker takes, or a wake-up that goes to a queue that takes nothing, ends as well:
    what it tells is in the database, where the sweeps and the API find it.
    """
    waited = time.monotonic() - in_hand.since
    if in_hand.future.done():
        try:
            in_hand.future.result()
        except Unprocessable as error:
            _tell_dropped(row, str(error))
        return True
    if row.exchange == EVENTS_EXCHANGE or waited < _GIVE_UP_SECONDS:
        return False
    _tell_dropped(row, f"the broker did not confirm it in {waited:.0f} s")
    return True


def _tell_dropped(row: OutboxMessage, why: str) -> None:
    log.error(Log.MESSAGE_DROPPED, message_id=row.message_id, type=row.type, why=why)


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
