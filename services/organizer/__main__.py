"""Wires the organizer: what it consumes, and what it does from time to time."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from dicom_router import process
from dicom_router.archive import Archive, WrongFolder
from dicom_router.bus import Bus, Consumer
from dicom_router.data_folder import establish
from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.events import Message
from dicom_router.log import Log, get_logger
from dicom_router.outbox import OutboxRelay
from dicom_router.queues import INTAKE, ORGANIZER_COMMANDS
from dicom_router.settings import Settings
from dicom_router.tasks import Task
from services.organizer import deletion, folders
from services.organizer import sweep as sweeping
from services.organizer.completing import Completing
from services.organizer.handlers import Handlers
from services.organizer.intake import Intake
from services.organizer.loose import LooseFiles
from services.organizer.projection import HistoryFile
from services.organizer.quarantine import Quarantine
from services.organizer.refusals import Refusals
from services.organizer.retention import Retention
from services.organizer.takeover import Takeover

log = get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


class Organizer:
    """One organizer; any number of them may share the queue, the database and the folder."""

    def __init__(
        self, settings: Settings, database: Database, bus: Bus, clock: Callable[[], datetime]
    ) -> None:
        name = process.instance_name("organizer")
        source = f"/organizer/{name.partition('@')[2]}"
        self._archive = Archive(settings.data_dir)
        self._database, self._clock = database, clock
        self._opening = threading.Lock()
        self._is_open = False
        self._bus = bus
        self._relay = relay = OutboxRelay(database, bus, "organizer")
        hold = settings.identity_conflict == "hold"
        intake = Intake(self._archive, database, relay, source, clock, hold_conflicts=hold)
        loose = LooseFiles(self._archive, database, intake, relay, source, clock, settings.ae_title)
        self._sweep = sweeping.Sweep(self._archive, database, intake, loose, clock)
        self._takeover = Takeover(self._archive, database, clock, hold_conflicts=hold)
        completing = Completing(
            database,
            relay,
            source,
            clock,
            settle_seconds=settings.study_settle_seconds,
            idle_seconds=settings.study_idle_seconds,
            ready=self._sweep.swept,
        )
        retention = Retention(self._archive, database, relay, source, clock, settings)
        delete = deletion.Deletion(self._archive, database, relay, source, clock)
        history = HistoryFile(self._archive, database, name)
        self._write_history = self._on_folder(history.write_if_changed)

        self._relay_task = Task("outbox", relay.relay, every=1.0, wake=relay.woken)
        self._sweep_task = Task(
            "sweep", self._on_folder(self._sweep.run), every=sweeping.EVERY_SECONDS
        )
        self._completing_task = Task("completing", completing.complete_quiet_studies, every=0.5)
        self._history_task = Task("history", self._write_history, every=1.0)
        self._deletion_task = Task(
            "deletion", self._on_folder(delete.run), every=deletion.EVERY_SECONDS
        )
        self._others = (
            Task("retention", self._on_folder(retention.run), every=1.0),
            Task("loose-files", self._on_folder(loose.run), every=1.0),
            Task("folders", self._on_folder(self._sweep.folders.run), every=folders.EVERY_SECONDS),
            Task("refusals", Refusals(database, clock).forget, every=3600.0),
            self._deletion_task,
        )
        quarantine = Quarantine(self._archive, database, relay, source, clock)
        self._handlers = Handlers(
            intake, quarantine, database, self._completing_task, self._deletion_task, clock
        )
        self._consumers: list[Consumer] = []

    @property
    def swept(self) -> threading.Event:
        """Set once the first sweep after the start is done."""
        return self._sweep.swept

    def start(self) -> None:
        """Take over an earlier version's folder if there is one, then begin to work."""
        try:
            self._open()
        except WrongFolder as error:  # all that needs it waits, and is told apart in the log
            log.warning(Log.TASK_WAITING, task="organizer", why=str(error))
        for task in self._tasks():
            task.start()
        self._consumers = [
            self._bus.consume(INTAKE, self._on_intake, on_connected=self._sweep_all),
            self._bus.consume(ORGANIZER_COMMANDS, self._on_command),
        ]

    def stop(self, timeout: float) -> None:
        """Finish the batch in hand, publish what it led to, write the history once more."""
        deadline = time.monotonic() + timeout
        for consumer in self._consumers:
            consumer.stop(max(0.1, deadline - time.monotonic()))
        for task in self._tasks():
            task.stop(max(0.1, deadline - time.monotonic()))
        with suppress(Unavailable):  # else at the next start
            self._write_history()
            self._relay.relay()

    def _open(self) -> None:
        """Make sure of the data folder, and take over what is in it when it is first there."""
        establish(self._archive, self._database, self._clock)
        with self._opening:
            if not self._is_open:
                self._takeover.run()
                self._is_open = True

    def _on_folder(self, work: Callable[[], None]) -> Callable[[], None]:
        """Work that must not be done on another disk than the right one: it waits."""

        def guarded() -> None:
            self._open()
            work()

        return guarded

    def _on_intake(self, messages: Sequence[Message]) -> None:
        if (
            not self._is_open
        ):  # from then on tasks look every second; intake looks at the disk itself
            self._open()
        self._handlers.on_intake(messages)

    def _on_command(self, messages: Sequence[Message]) -> None:
        self._open()
        self._handlers.on_command(messages)

    def _tasks(self) -> tuple[Task, ...]:
        """In the order in which they are to stop: those that publish last."""
        return (
            self._sweep_task,
            self._completing_task,
            *self._others,
            self._history_task,
            self._relay_task,
        )

    def _sweep_all(self) -> None:
        self._sweep.everything_next()
        self._sweep_task.wake()


def build(
    settings: Settings,
    database: Database,
    bus: Bus,
    clock: Callable[[], datetime] = _now,
) -> Organizer:
    """An organizer that works with these."""
    return Organizer(settings, database, bus, clock)


def main() -> int:
    """Run the organizer; the exit code."""
    return process.run("organizer", build)


if __name__ == "__main__":
    sys.exit(main())
