"""Wires the receiver: binds the DICOM ports, then one process, or several that share the ports."""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from dicom_router import process
from dicom_router.archive import Archive, WrongFolder
from dicom_router.bus import Binding, Bus, Queue
from dicom_router.data_folder import establish
from dicom_router.database import Database, DatabaseUnavailable
from dicom_router.errors import ConfigurationError
from dicom_router.events import COMMANDS_EXCHANGE, SenderChanged
from dicom_router.log import Log, configure_logging, get_logger
from dicom_router.settings import Settings, load_settings
from dicom_router.tasks import Task
from dicom_router.tls import Reloading, TlsFiles, server_context
from services.receiver.callers import KnownSender
from services.receiver.listener import Listener, Places, bind
from services.receiver.queries import known_senders
from services.receiver.reception import Place
from services.receiver.refusals import Refusals

_SENDERS_EVERY_SECONDS = 10.0
_FOLDER_EVERY_SECONDS = 10.0
_RESTART_PAUSE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP_SIGNALS, signal.SIGCHLD)

log = get_logger()


class Receiver:
    """A receiver: one process behind the ports, with an id and a spool folder of its own."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bus: Bus,
        sockets: Sequence[socket.socket],
        tls: Reloading | None,
        worker: int,
    ) -> None:
        receiver = f"{socket.gethostname()}-{worker}"
        self._archive = Archive(settings.data_dir)
        self._receiver = receiver
        self._bus, self._database = bus, database
        self._senders: tuple[KnownSender, ...] | None = None
        places = Places(settings.dicom_max_associations)
        self._listener = Listener(
            sockets,
            Place(
                receiver=receiver,
                settings=settings,
                archive=self._archive,
                bus=bus,
                senders=lambda: self._senders,
                enter=places.enter,
                leave=places.leave,
                refusals=Refusals(),
            ),
            tls,
        )
        self._watch = Task("known-senders", self.read_senders, every=_SENDERS_EVERY_SECONDS)
        self._folder_watch = Task("data-folder", self._look_at_folder, every=_FOLDER_EVERY_SECONDS)

    def start(self) -> None:
        """Make sure of the data folder, learn who is known, open the ports."""
        try:
            self._look_at_folder()
        except (DatabaseUnavailable, WrongFolder) as error:
            log.warning(Log.TASK_WAITING, task="data-folder", why=str(error))
        if self._archive.identity.is_right():
            self._archive.prepare()
            self._archive.open_spool(self._receiver)
            self._archive.drop_temporaries(self._receiver)
        self._folder_watch.start()
        self._watch.start()
        self._bus.consume(
            Queue(
                f"receiver.senders.{self._receiver}",
                (Binding(COMMANDS_EXCHANGE, SenderChanged.name),),
                private=True,
            ),
            lambda _messages: self._watch.wake(),
        )
        self._listener.start()

    def stop(self, timeout: float) -> None:
        """Close the ports, finish the instances in hand."""
        self._listener.stop(timeout)
        self._folder_watch.stop(0.5)
        self._watch.stop(0.5)

    def read_senders(self) -> None:
        """Learn from the database who is known."""
        self._senders = known_senders(self._database)

    def _look_at_folder(self) -> None:
        """Learn from the database which data folder is the right one, as it may be another now."""
        establish(self._archive, self._database)


def build(
    settings: Settings,
    database: Database,
    bus: Bus,
    sockets: Sequence[socket.socket] = (),
    worker: int = 1,
) -> Receiver:
    """A receiver on these listening sockets, or on ones of its own."""
    files = TlsFiles.of_dicom(settings)
    tls = Reloading(files, server_context) if settings.dicom_tls_ports else None
    return Receiver(settings, database, bus, sockets or bind(settings), tls, worker)


def main() -> int:
    """Run the receiver; the exit code."""
    try:
        settings = load_settings()
        sockets = bind(settings)
    except ConfigurationError as error:
        return process.refuse(error)
    if settings.dicom_workers == 1:
        return _run_worker(sockets, 1)
    configure_logging("receiver")
    return _Workers(sockets, settings.dicom_workers).run()


def _run_worker(sockets: Sequence[socket.socket], worker: int) -> int:
    return process.run(
        "receiver",
        lambda settings, database, bus: build(settings, database, bus, sockets, worker),
    )


class _Workers:
    """The parent of several workers: holds the ports, replaces a worker that dies."""

    def __init__(self, sockets: Sequence[socket.socket], count: int) -> None:
        self._sockets, self._count = sockets, count
        self._workers: dict[int, int] = {}  # pid → number
        self._stopping = False

    def run(self) -> int:
        """Until SIGTERM; the exit code, which is a worker's when its settings are bad.

        Signals are waited for, not handled: a handler that is due while the process is on its way
        into a system call runs when the call is over, and to wait for a child has no end.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for number in range(1, self._count + 1):
            self._fork(number)
        code = 0
        while self._workers:
            if signal.sigwait(_SIGNALS) in _STOP_SIGNALS:
                self._stop()
            for number, ended_with in self._ended():
                if ended_with == 2:  # a setting is bad: the others will say so too
                    code = 2
                    self._stop()
                elif not self._stopping:
                    log.error(Log.SERVICE_FAILED, worker=number, exit_code=ended_with)
                    # a pause, or a worker that can't start would spin
                    if signal.sigtimedwait(_STOP_SIGNALS, _RESTART_PAUSE_SECONDS):
                        self._stop()
                    else:
                        self._fork(number)
        return code

    def _ended(self) -> Iterator[tuple[int, int]]:
        """The workers that have ended since, by number, and how."""
        for pid, number in list(self._workers.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._workers[pid]
                yield number, os.waitstatus_to_exitcode(status)

    def _fork(self, number: int) -> None:
        pid = os.fork() or self._work(number)
        self._workers[pid] = number

    def _work(self, number: int) -> NoReturn:
        """What the worker does, in its own process."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = 1
        try:
            # A worker must not outlive its parent, or it would hold the ports of the next one.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            code = _run_worker(self._sockets, number)
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _stop(self) -> None:
        self._stopping = True
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
