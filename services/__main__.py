"""All four services in one process: the embedded default, with SQLite and the in-process bus."""

import sys
import threading
from collections.abc import Callable

from dicom_router import process
from dicom_router.archive import Archive
from dicom_router.bus import Bus
from dicom_router.bus.memory import MemoryBus
from dicom_router.bus.rabbitmq import RabbitBus
from dicom_router.database import Database
from dicom_router.errors import ConfigurationError, RouterError
from dicom_router.log import get_logger
from dicom_router.log_publisher import publishing_logs
from dicom_router.migrations import migrate
from dicom_router.settings import Settings
from services.api.__main__ import build as build_api
from services.forwarder.__main__ import build as build_forwarder
from services.organizer.__main__ import Organizer
from services.organizer.__main__ import build as build_organizer
from services.receiver.__main__ import build as build_receiver

log = get_logger()


class Router:
    """Everything, started from the PACS's side to the scanners' and stopped the other way round."""

    def __init__(self, settings: Settings, database: Database, bus: Bus) -> None:
        receiver = build_receiver(settings, database, bus)
        organizer = build_organizer(settings, database, bus)
        forwarder = build_forwarder(settings, database, bus, alone=database.is_sqlite)
        api = build_api(settings, database, bus, ready_checks=(_swept(organizer),))
        self._services: tuple[process.Service, ...] = (receiver, organizer, forwarder, api)

    def start(self) -> None:
        """Start the four; what had begun is stopped again if one of them can't."""
        started: list[process.Service] = []
        try:
            for service in reversed(self._services):
                service.start()
                started.append(service)
        except RouterError:
            for service in reversed(started):
                service.stop(2.0)
            raise

    def stop(self, timeout: float) -> None:
        """Stop accepting first, serving the API last; each gets its share of the time."""
        shares = (0.35, 0.25, 0.3, 0.1)
        for service, share in zip(self._services, shares, strict=True):
            service.stop(timeout * share)


def _swept(organizer: Organizer) -> Callable[[], str | None]:
    def check() -> str | None:
        return None if organizer.swept.is_set() else "the first look through the spool is not done"

    return check


def main() -> int:
    """Run everything until SIGTERM or SIGINT; the exit code."""
    stopping = process.stop_signal()
    try:
        settings = process.start_up("router")
        if settings.dicom_workers > 1:
            raise ConfigurationError(
                f"ROUTER_DICOM_WORKERS={settings.dicom_workers}: this is one process; for several "
                "receivers run the services as processes of their own, as `make cluster` does"
            )
        _run(settings, stopping)
    except RouterError as error:
        return process.refuse(error)
    return 0


def _run(settings: Settings, stopping: threading.Event) -> None:
    if settings.database.startswith("sqlite"):
        Archive(settings.data_dir).make_root()  # where SQLite's file is, unless it is elsewhere
    database = Database(settings.database, plans_for_values=True)  # as people ask for them
    remark = migrate(database)
    if remark:
        print(f"{remark}.", file=sys.stderr, flush=True)
    bus: Bus = (
        RabbitBus(settings.broker, name=process.instance_name("router"))
        if settings.broker
        else MemoryBus()
    )
    try:
        with publishing_logs(bus, "router"):
            process.serve("router", Router(settings, database, bus), stopping)
    finally:
        bus.close(timeout=1.0)
        database.close()


if __name__ == "__main__":
    sys.exit(main())
