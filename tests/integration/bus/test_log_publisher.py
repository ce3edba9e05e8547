"""Log lines over the bus: they reach who listens, and harm nobody who does not."""

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import pytest
import structlog

from dicom_router.bus import BrokerUnavailable, Bus
from dicom_router.bus.memory import MemoryBus
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.events import LogLine, Message, expect
from dicom_router.log import Log, configure_logging, get_logger
from dicom_router.log_publisher import MOST_WAITING, publishing_logs
from dicom_router.queues import LOGS
from infra.ports import free_port
from tests.integration.bus.support import until

log = get_logger()


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging("organizer")
    # Or what is logged now would write to this test's standard output in every later test.
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


class Listener:
    """Whoever looks at the lines."""

    def __init__(self, bus: Bus) -> None:
        self.lines: list[LogLine] = []
        ready = threading.Event()
        bus.consume(LOGS, self._take, on_connected=ready.set)
        assert ready.wait(20)

    def _take(self, messages: Sequence[Message]) -> None:
        self.lines += [expect(each, LogLine) for each in messages]

    def has(self, event: str) -> bool:
        return bool(self.named(event))

    def named(self, event: str) -> list[LogLine]:
        return [line for line in self.lines if line.event == event]


def test_lines_reach_who_listens(bus: Bus) -> None:
    listener = Listener(bus)
    with publishing_logs(bus, "organizer"):
        log.info(Log.STUDY_COMPLETE, study_uid="1.2.3", images=[1, 2], nothing=None)
        until(lambda: listener.has("study.complete"))
    (line,) = listener.named("study.complete")
    assert (line.service, line.level) == ("organizer", "info")
    assert line.fields == {"study_uid": "1.2.3", "images": [1, 2]}


def test_of_an_error_its_kind_and_place_are_told_and_not_its_text(bus: Bus) -> None:
    listener = Listener(bus)
    with publishing_logs(bus, "organizer"):
        try:
            raise ValueError("DOE^JOHN")
        except ValueError:
            log.exception(Log.TASK_FAILED, task="sweep")
        logging.getLogger("a.library").warning("cannot read %s", "DOE^JOHN")
        until(lambda: listener.has("library.warned"))
    (failed,) = listener.named("task.failed")
    assert (failed.level, failed.fields["error_type"]) == ("error", "ValueError")
    assert "test_log_publisher.py" in failed.fields["error_at"][-1]
    assert listener.named("library.warned")[0].fields["text"] == "cannot read %s"
    assert "DOE" not in "".join(line.model_dump_json() for line in listener.lines)


def test_what_the_bus_says_of_itself_is_not_published(bus: Bus) -> None:
    listener = Listener(bus)
    with publishing_logs(bus, "organizer"):
        log.warning(Log.BUS_LOST, error="refused")
        log.warning(Log.MESSAGE_DROPPED, queue=f"{LOGS.name}.1")
        log.info(Log.SPOOL_SWEPT)
        until(lambda: listener.has("spool.swept"))
    assert not listener.named("bus.lost")
    assert not listener.named("message.dropped")


def test_where_all_run_in_one_process_a_line_is_its_services_own() -> None:
    bus = MemoryBus()
    listener = Listener(bus)
    with publishing_logs(bus, "router"):
        logger = logging.getLogger("services.receiver.reception")
        logger.info({"event": "association.accepted", "level": "info"})
        logging.getLogger("services.__main__").info({"event": "service.started", "level": "info"})
        until(lambda: len(listener.lines) == 2)
    bus.close(5)
    assert [line.service for line in listener.lines] == ["receiver", "router"]


def test_while_the_broker_is_away_nobody_waits_and_what_is_too_much_is_dropped() -> None:
    bus = RabbitBus(f"amqp://guest:guest@127.0.0.1:{free_port()}/", name="organizer@test:1")
    with publishing_logs(bus, "organizer"):
        for number in range(3 * MOST_WAITING):
            log.info(Log.SPOOL_SWEPT, number=number)
    assert bus._publisher._pending == 0  # real messages have all the room
    bus.close(0.1)


class Refusing(MemoryBus):
    """A bus that takes nothing for a while."""

    refuses = False
    refused = 0

    def publish(self, message: Message) -> Future[None]:
        if not self.refuses:
            return super().publish(message)
        future: Future[None] = Future()
        future.set_exception(BrokerUnavailable("not now"))
        self.refused += 1
        return future


def test_how_many_lines_were_dropped_is_told() -> None:
    bus = Refusing()
    listener = Listener(bus)
    with publishing_logs(bus, "organizer"):
        bus.refuses = True
        log.info(Log.SPOOL_SWEPT)
        until(lambda: bus.refused > 0)
        bus.refuses = False
        log.info(Log.SPOOL_SWEPT)
        until(lambda: listener.has("spool.swept"))
    bus.close(5)
    assert listener.lines[0].event == "logs.dropped"
    assert listener.lines[0].fields == {"count": 1}
