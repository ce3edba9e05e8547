"""Wires the API: the record of events, the commands it sends, and the HTTP server."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from dicom_router import process
from dicom_router.archive import Archive, WrongFolder
from dicom_router.bus import Bus, Consumer
from dicom_router.data_folder import establish
from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.log import Log, get_logger
from dicom_router.outbox import OutboxRelay
from dicom_router.queues import LOGS
from dicom_router.settings import Settings
from dicom_router.tasks import Task
from services.api.access import Access, ensure_token, has_token
from services.api.alarms import BEAT_EVERY_SECONDS, LOOK_EVERY_SECONDS, Alarms, Heartbeat
from services.api.app import create_app
from services.api.audit import FLUSH_SECONDS, Trail
from services.api.bulk import BulkForwarding
from services.api.checks import not_ready, to_wake_for
from services.api.context import SERVICE, Clock, Context, ReadyCheck
from services.api.disk import DiskWatch
from services.api.feed import Feed
from services.api.handlers import EVENTS_QUEUE, Recorder
from services.api.idempotency import KEPT
from services.api.logbook import Logbook
from services.api.oldest import OldestLetters
from services.api.queries import idempotency
from services.api.queue_history import EVERY, QueueHistory
from services.api.server import Server, address_of, bind
from services.api.standing import note_depths
from services.api.targets import own_default, warn_without_destination

_RELAY_EVERY_SECONDS = 10.0
_BULK_EVERY_SECONDS = 1.0
_PRUNE_EVERY_SECONDS = 3600.0
_RECORD_BATCH = 200
_RECORD_LINGER = 0.05  # seconds: who follows events does not notice, and recording takes less

log = get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


class ApiService:
    """The API of one process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bus: Bus,
        clock: Clock,
        ready_checks: Sequence[ReadyCheck],
    ) -> None:
        self._settings, self._database, self._bus, self._clock = settings, database, bus, clock
        self._ready_checks = (*ready_checks, self._not_recording)
        self._archive = Archive(settings.data_dir)
        self._feed = Feed(database)
        self._logbook = Logbook(clock)
        self.trail = Trail(database, clock)
        self._relay = OutboxRelay(database, bus, SERVICE)
        self._recorder = Recorder(database, self._feed, clock)
        self._recording = False
        self._tasks: tuple[Task, ...] = ()
        self._context: Context | None = None
        self._consumers: tuple[Consumer, ...] = ()
        self._server: Server | None = None

    def start(self) -> None:
        """Take the port, make the token, own the destination of TARGET_*, answer."""
        listening = bind(self._settings)
        try:
            self._look_at_folder()
            token, is_new = ensure_token(self._settings, self._archive)
            context = self._context = self._with(token)
            self._server = Server(create_app(context), self._settings, listening)
            with context.change(None) as change:
                own_default(change, self._settings)
                warn_without_destination(change)
        except BaseException:
            listening.close()
            raise
        self._consumers = (
            self._bus.consume(LOGS, self._logbook.record, batch=_RECORD_BATCH),
            self._bus.consume(
                EVENTS_QUEUE,
                self._recorder.record,
                batch=_RECORD_BATCH,
                linger=_RECORD_LINGER,
                on_connected=self._on_connected,
            ),
        )
        relay, trail = self._relay, self.trail
        bulk = BulkForwarding(context)
        self._tasks = (
            Task("bulk", bulk.run, every=_BULK_EVERY_SECONDS).start(),
            Task("outbox", relay.relay, every=_RELAY_EVERY_SECONDS, wake=relay.woken).start(),
            Task("audit", trail.flush, every=FLUSH_SECONDS, wake=trail.wake).start(),
            Task("prune", self.prune, every=_PRUNE_EVERY_SECONDS).start(),
            Task(
                "queue-history", partial(note_depths, context), every=EVERY.total_seconds()
            ).start(),
            *(task.start() for task in self._alarms(context)),
        )
        self._server.start()
        if is_new:
            # For the person in front of it, once: never through the log, which others read.
            print(f"Open {address_of(self._settings)}/#token={token}", flush=True)

    def stop(self, timeout: float) -> None:
        """End streams and requests, then what goes on behind them; within `timeout` seconds."""
        if self._context is not None:
            self._context.stopping.set()
            self._context.thumbnails.close()
        self._feed.close()
        self._logbook.close()
        if self._server is not None:
            self._server.stop(timeout * 0.75)
        for consumer in self._consumers:
            consumer.stop(timeout * 0.05)
        for task in self._tasks:
            task.stop(timeout * 0.04)
        self._close_trail()

    def _alarms(self, context: Context) -> Iterator[Task]:
        """What tells others how the router is, as far as it is set."""
        alert_url = self._settings.alert_url.get_secret_value()
        if alert_url:
            secret = self._settings.alert_secret.get_secret_value()
            alarms = Alarms(
                alert_url, secret, partial(to_wake_for, context), self._clock, context.database
            )
            yield Task("alarms", alarms.run, every=LOOK_EVERY_SECONDS)
        heartbeat_url = self._settings.heartbeat_url.get_secret_value()
        if heartbeat_url:
            heartbeat = Heartbeat(heartbeat_url, partial(not_ready, context))
            yield Task("heartbeat", heartbeat.beat, every=BEAT_EVERY_SECONDS)

    def prune(self) -> None:
        """Forget what is older than is kept."""
        self._recorder.prune()
        self.trail.prune()
        with self._database.write() as session:
            idempotency.prune(session, self._clock() - KEPT)
        if self._context is not None:
            self._context.access.prune()

    def _close_trail(self) -> None:
        try:
            self.trail.close()
        except Unavailable as error:
            log.exception(Log.AUDIT_LOST, entries=self.trail.waiting, why=str(error))

    def _look_at_folder(self) -> None:
        """Go on without the right data folder: this is where a person learns of it, and decides."""
        try:
            establish(self._archive, self._database, self._clock)
        except WrongFolder as error:
            if not has_token(self._settings, self._archive):
                raise  # or the token would be made on a disk that is not ours
            log.warning(Log.TASK_WAITING, task="data-folder", why=str(error))

    def _with(self, token: str) -> Context:
        return Context(
            settings=self._settings,
            database=self._database,
            bus=self._bus,
            archive=self._archive,
            disk=DiskWatch(self._archive, self._database, self._clock),
            clock=self._clock,
            access=Access(token, self._database, self._clock),
            trail=self.trail,
            relay=self._relay,
            feed=self._feed,
            logbook=self._logbook,
            oldest_letters=OldestLetters(self._bus, self._clock),
            queue_history=QueueHistory(self._clock),
            source=process.instance_name(SERVICE),
            ready_checks=self._ready_checks,
        )

    def _on_connected(self) -> None:
        self._recording = True

    def _not_recording(self) -> str | None:
        return None if self._recording else "The queue api.events is not there yet"


def build(
    settings: Settings,
    database: Database,
    bus: Bus,
    *,
    clock: Clock = _now,
    ready_checks: Sequence[ReadyCheck] = (),
) -> ApiService:
    """The API; `ready_checks` are asked, besides its own, before `/readyz` says yes."""
    return ApiService(settings, database, bus, clock, ready_checks)


def main() -> int:
    """Run the API; the exit code."""
    return process.run(SERVICE, build)


if __name__ == "__main__":
    sys.exit(main())
