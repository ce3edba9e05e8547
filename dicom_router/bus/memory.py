"""The bus inside one process: the embedded default and the fake of tests alike.

Bounded, drops what is too much and forgets at exit; the services' sweeps restore what was lost.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from dicom_router.bus.handling import HandOver, Interrupted, announce, next_batch
from dicom_router.bus.protocol import (
    LINGER_SECONDS,
    Binding,
    BrokerUnavailable,
    Consumer,
    Handler,
    Queue,
    QueueDepth,
    Replacement,
)
from dicom_router.events import Message
from dicom_router.log import Log, get_logger

log = get_logger()

# Messages a queue holds; at 600 bytes each some 6 MB.
MAX_MESSAGES = 10_000


class MemoryBus:
    """A `Bus` whose queues live as long as this object.

    `clock` gives seconds that never go back; who passes one of their own calls `wake` after having
    moved it.
    """

    def __init__(
        self, *, max_messages: int = MAX_MESSAGES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queues = _Queues(max_messages, clock)
        self._consumers: list[_Consumer] = []
        self._started = 0
        self._closed = False

    def publish(self, message: Message) -> Future[None]:
        """See `Bus`; the future is done on return. What finds its queue full is dropped."""
        future: Future[None] = Future()
        if self._closed:
            future.set_exception(BrokerUnavailable("the bus is closed"))
        else:
            self._queues.route(message)
            future.set_result(None)
        return future

    def declare(self, queue: Queue) -> None:
        """See `Bus`."""
        if queue.private:
            raise ValueError(f"the private queue {queue.name!r} exists only while it is consumed")
        self._queues.declare(queue)

    def consume(
        self,
        queue: Queue,
        handler: Handler,
        *,
        batch: int = 100,
        linger: float = LINGER_SECONDS,  # noqa: ARG002 - nothing to wait for
        on_connected: Callable[[], None] = lambda: None,
    ) -> Consumer:
        """See `Bus`."""
        self._started += 1
        if queue.private:
            queue = replace(queue, name=f"{queue.name}.{self._started}")
        consumer = _Consumer(self._queues, queue, handler, batch, on_connected)
        self._consumers.append(consumer)
        consumer.start()
        return consumer

    def delete(self, queue: Queue) -> bool:
        """See `Bus`."""
        return self._queues.delete(queue)

    def depths(self, queues: Iterable[Queue] | None = None) -> list[QueueDepth]:
        """See `Bus`."""
        return self._queues.depths(queues)

    @contextmanager
    def dead_letters(self, queue: Queue) -> Iterator[Iterator[Message]]:
        """See `Bus`."""
        yield iter(self._queues.peek(queue.dead_letter_name))

    def replay(self, queue: Queue, become: Replacement) -> int:
        """See `Bus`."""
        letters = self._queues.peek(queue.dead_letter_name)
        taken = []
        for letter, messages in zip(letters, become(letters) if letters else (), strict=True):
            if messages is not None:
                for each in messages:
                    self._queues.route(each)
                taken.append(letter)
        return self._queues.remove(queue.dead_letter_name, taken)

    @property
    def dropped(self) -> int:
        """How many messages found their queue full."""
        return self._queues.dropped

    @property
    def connected(self) -> bool:
        """See `Bus`."""
        return not self._closed

    @property
    def server(self) -> str:
        """See `Bus`."""
        return ""

    def wake(self) -> None:
        """Make consumers look at the clock again."""
        self._queues.wake()

    def close(self, timeout: float) -> None:
        """See `Bus`."""
        deadline = time.monotonic() + timeout
        for consumer in self._consumers:
            consumer.ask_to_stop()
        for consumer in self._consumers:
            consumer.stop(max(0.0, deadline - time.monotonic()))
        self._closed = True


@dataclass(slots=True)
class _Box:
    """One queue's messages, each with the time from which it may be taken."""

    changed: threading.Condition
    messages: deque[tuple[float, Message]] = field(default_factory=deque)
    consumers: int = 0
    dropping: bool = False
    # Of a retry tier: for how many seconds it keeps a message, and from which queue.
    delay: float = 0.0
    belongs_to: str = ""


class _Queues:
    """All queues under one lock: what is done while holding it takes microseconds."""

    def __init__(self, max_messages: int, clock: Callable[[], float]) -> None:
        self._max_messages = max_messages
        self._clock = clock
        self._lock = threading.Lock()
        self._boxes: dict[str, _Box] = {}
        self._declared: dict[str, Queue] = {}
        self._bindings: dict[Binding, set[str]] = {}
        self.dropped = 0

    def route(self, message: Message) -> None:
        """Put the message where its exchange and key lead; nowhere is a place as well."""
        with self._lock:
            for name in self._targets(message):
                self._put(name, message)

    def declare(self, queue: Queue, *, consumers: int = 0) -> None:
        """Make the queue with its tiers and dead letters, or add bindings to it."""
        with self._lock:
            self._declared[queue.name] = queue
            for name in queue.names:
                self._boxes.setdefault(name, _Box(threading.Condition(self._lock)))
            for seconds in queue.tiers:
                tier = self._boxes[queue.retry_name(seconds)]
                tier.delay, tier.belongs_to = seconds, queue.name
            for binding in queue.bindings:
                self._bindings.setdefault(binding, set()).add(queue.name)
            self._boxes[queue.name].consumers += consumers

    def leave(self, queue: Queue) -> None:
        """One consumer less; a private queue goes with it."""
        with self._lock:
            self._boxes[queue.name].consumers -= 1
            if queue.private:
                self._forget(queue)

    def delete(self, queue: Queue) -> bool:
        """Remove the queue with all that belongs to it; False when one is in use."""
        with self._lock:
            boxes = [self._boxes[name] for name in queue.names if name in self._boxes]
            if any(box.messages or box.consumers for box in boxes):
                return False
            self._forget(queue)
            return True

    def take(self, queue: Queue, limit: int, stopping: threading.Event) -> list[Message]:
        """Wait for messages and take what is there; none once `stopping` is set."""
        with self._lock:
            box = self._boxes[queue.name]
            while not stopping.is_set():
                seconds = self._promote(queue)
                if box.messages:
                    batch = next_batch((message for _, message in box.messages), limit)
                    for _ in batch:
                        box.messages.popleft()
                    return batch
                box.dropping = False
                box.changed.wait(seconds)
            return []

    def put_back(self, queue: Queue, messages: Sequence[Message]) -> None:
        """Return what was taken and not settled, to the front and in order."""
        with self._lock:
            box = self._boxes[queue.name]
            now = self._clock()
            box.messages.extendleft(
                (now, replace(message, redelivered=True)) for message in reversed(messages)
            )
            box.changed.notify()

    def depths(self, queues: Iterable[Queue] | None) -> list[QueueDepth]:
        with self._lock:
            wanted = self._declared if queues is None else [each.name for each in queues]
            known = [self._declared[name] for name in wanted if name in self._declared]
            shared = [queue for queue in known if not queue.private]
            for queue in shared:
                self._promote(queue)
            return [
                QueueDepth(name, len(self._boxes[name].messages), self._boxes[name].consumers)
                for queue in shared
                for name in queue.names
            ]

    def peek(self, name: str) -> list[Message]:
        with self._lock:
            box = self._boxes.get(name)
            return [message for _, message in box.messages] if box else []

    def remove(self, name: str, messages: Sequence[Message]) -> int:
        """Remove these very messages; how many were still there."""
        gone = {id(message) for message in messages}
        with self._lock:
            box = self._boxes.get(name)
            if box is None:
                return 0
            before = len(box.messages)
            box.messages = deque(each for each in box.messages if id(each[1]) not in gone)
            return before - len(box.messages)

    def wake(self) -> None:
        with self._lock:
            for box in self._boxes.values():
                box.changed.notify_all()

    # What follows is called with the lock held.

    def _targets(self, message: Message) -> set[str]:
        if not message.exchange:
            return {message.routing_key} & self._boxes.keys()
        return {
            name
            for binding, names in self._bindings.items()
            if binding.exchange == message.exchange
            and topic_matches(binding.pattern, message.routing_key)
            for name in names
        }

    def _put(self, name: str, message: Message) -> None:
        box = self._boxes[name]
        if len(box.messages) >= self._max_messages:
            self.dropped += 1
            if not box.dropping:  # one line a flood, not one a message
                box.dropping = True
                log.warning(Log.MESSAGE_DROPPED, queue=name, holds=len(box.messages))
            return
        box.messages.append((self._clock() + box.delay, message))
        # Whoever waits for a tier's messages waits at the queue they come back to.
        (self._boxes[box.belongs_to] if box.belongs_to else box).changed.notify()

    def _promote(self, queue: Queue) -> float | None:
        """Move what has waited long enough; seconds until more is due, None if nothing waits."""
        now = self._clock()
        due = []
        for seconds in queue.tiers:
            waiting = self._boxes[queue.retry_name(seconds)].messages
            while waiting and waiting[0][0] <= now:
                self._put(queue.name, waiting.popleft()[1])
            if waiting:
                due.append(waiting[0][0])
        return max(0.0, min(due) - now) if due else None

    def _forget(self, queue: Queue) -> None:
        self._declared.pop(queue.name, None)
        for name in queue.names:
            self._boxes.pop(name, None)
        for names in self._bindings.values():
            names.discard(queue.name)


class _Consumer(threading.Thread):
    def __init__(
        self,
        queues: _Queues,
        queue: Queue,
        handler: Handler,
        batch: int,
        on_connected: Callable[[], None],
    ) -> None:
        super().__init__(name=f"consume {queue.name}", daemon=True)
        self._queues = queues
        self._queue = queue
        self._batch = batch
        self._on_connected = on_connected
        self._stopping = threading.Event()
        self._held: list[Message] = []
        self._hand_over = HandOver(
            queue, handler, wait=self._wait, send=queues.route, settle=self._settle
        )
        queues.declare(queue, consumers=1)

    def run(self) -> None:
        announce(self._on_connected, self._queue)
        try:
            while held := self._queues.take(self._queue, self._batch, self._stopping):
                self._held = held
                self._hand_over(tuple(held))
        except Interrupted:
            self._queues.put_back(self._queue, self._held)
        finally:
            self._queues.leave(self._queue)

    def ask_to_stop(self) -> None:
        self._stopping.set()
        self._queues.wake()

    def stop(self, timeout: float) -> bool:
        self.ask_to_stop()
        self.join(timeout)
        return not self.is_alive()

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Interrupted

    def _settle(self, count: int) -> None:
        del self._held[:count]


def topic_matches(pattern: str, key: str) -> bool:
    """Whether a routing key matches: `*` stands for one word, `#` for any number of them."""
    return _words_match(pattern.split("."), key.split(".") if key else [])


def _words_match(pattern: list[str], key: list[str]) -> bool:
    if not pattern:
        return not key
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_words_match(rest, key[skipped:]) for skipped in range(len(key) + 1))
    return bool(key) and first in ("*", key[0]) and _words_match(rest, key[1:])
