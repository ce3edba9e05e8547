"""The life of a service's process: read settings, build, start, wait for SIGTERM, stop in order."""

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from dicom_router.bus import Bus
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.database import Database
from dicom_router.errors import ConfigurationError, RouterError, Unavailable
from dicom_router.log import Log, configure_logging, get_logger
from dicom_router.log_publisher import publishing_logs
from dicom_router.migrations import require_current
from dicom_router.retry import backoff
from dicom_router.settings import Settings, ignored_variables, load_settings

STOP_SECONDS = 9.0  # an orchestrator sends SIGKILL 10 s after SIGTERM

log = get_logger()


class Service(Protocol):
    """What the wiring of every service gives back."""

    def start(self) -> None:
        """Begin to work; `ConfigurationError` when it can't, such as a port in use.

        `Unavailable`, raised before anything has begun, has it called again in a while.
        """

    def stop(self, timeout: float) -> None:
        """Take no more, finish what is in hand, close; within `timeout` seconds."""


def instance_name(service: str) -> str:
    """`organizer@host:pid`: how a process is called in consoles, logs and leases."""
    return f"{service}@{socket.gethostname()}:{os.getpid()}"


def run(name: str, build: Callable[[Settings, Database, Bus], Service]) -> int:
    """Run one service of the production shape until SIGTERM or SIGINT; the exit code."""
    stopping = stop_signal()
    try:
        settings = start_up(name)
        if not settings.broker:
            raise ConfigurationError(
                f"ROUTER_AMQP_URL is not set: `python -m services.{name}` needs a broker; "
                "`python -m services` runs everything in one process without"
            )
        if not settings.database.startswith("postgresql"):
            raise ConfigurationError(
                "ROUTER_DATABASE_URL must be postgresql+psycopg://… when services run as "
                "processes of their own: SQLite is for one process"
            )
        database = Database(settings.database, plans_for_values=name == "api")  # as people ask
        if name != "receiver":  # which goes on receiving without a database
            wait_for_schema(database, stopping)
        bus = RabbitBus(settings.broker, name=instance_name(name))
        try:
            with publishing_logs(bus, name):
                service = build(settings, database, bus)
                if when_available(name, service.start, stopping):
                    _until_stopped(name, service, stopping)
        finally:
            bus.close(timeout=2.0)
            database.close()
    except ConfigurationError as error:
        return refuse(error)
    return 0


def start_up(name: str) -> Settings:
    """Settings and logging, the first things of every process."""
    settings = load_settings()
    os.umask(0o027)  # what is written are patients' data: nothing of it is for everyone
    configure_logging(name)
    for variable in ignored_variables():
        log.warning(Log.SETTING_IGNORED, variable=variable, why="injected by Kubernetes")
    return settings


def serve(name: str, service: Service, stopping: threading.Event) -> None:
    """Start a service, wait for the signal, stop it."""
    service.start()
    _until_stopped(name, service, stopping)


def _until_stopped(name: str, service: Service, stopping: threading.Event) -> None:
    # All that is there by now stays. Each full collection would look at it again, and everything in
    # this process would wait a tenth of a second for that.
    gc.collect()
    gc.freeze()
    log.info(Log.SERVICE_STARTED, name=name)
    stopping.wait()
    log.info(Log.SERVICE_STOPPING, name=name)
    service.stop(STOP_SECONDS - 2.0)
    log.info(Log.SERVICE_STOPPED, name=name)


def stop_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set.

    By a thread that the interpreter wakes as the signal comes. A handler would run in the main
    thread, between any two of its steps: too early, when it is in the middle of `wait` and holds
    the lock that `set` wants, or never, when it was just about to wait without end.
    """
    stopping = threading.Event()
    told, teller = os.pipe()
    os.set_blocking(teller, False)
    signal.set_wakeup_fd(teller, warn_on_full_buffer=False)

    def tell() -> None:
        os.read(told, 1)
        stopping.set()

    threading.Thread(target=tell, name="stop-signal", daemon=True).start()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda _number, _frame: None)
    return stopping


def wait_for_schema(database: Database, stopping: threading.Event) -> None:
    """Wait until the database answers; `ConfigurationError` if its schema is another version's."""
    when_available("database", lambda: require_current(database), stopping)


def when_available(task: str, work: Callable[[], object], stopping: threading.Event) -> bool:
    """Do it, again and again while what it needs is away; False if it is to stop before."""
    failures = 0
    while not stopping.is_set():
        try:
            work()
        except Unavailable as error:
            failures += 1
            log.warning(Log.TASK_WAITING, task=task, why=str(error))
            stopping.wait(backoff(failures))
        else:
            return True
    return False


def refuse(error: RouterError) -> int:
    """Say in one line why the start ends here; the exit code for it."""
    sys.stderr.write(f"{error}\n")
    return 2
