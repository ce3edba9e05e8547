"""Listens on the DICOM ports and gives every connection a thread of its own."""

import selectors
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dicom_router.dimse import AcceptorLimits, AssociationEnd, StopSignal, serve_association
from dicom_router.errors import ConfigurationError
from dicom_router.log import Log, get_logger
from dicom_router.settings import Settings
from dicom_router.tls import Reloading
from services.receiver.reception import Place, Reception

_BACKLOG = 128
MOST_IDLE_CONNECTIONS = 200  # those that have no association; each has a thread
_ACCEPT_PAUSE_SECONDS = 0.2  # when the process is out of descriptors or threads

log = get_logger()


def bind(settings: Settings) -> list[socket.socket]:
    """Listening sockets for all ports; `ConfigurationError` names the one that can't be had.

    Without SO_REUSEPORT: a second router started by mistake must fail, not steal images.
    """
    bound: list[socket.socket] = []
    ports = [("ROUTER_DICOM_PORTS", port) for port in settings.dicom_ports]
    ports += [("ROUTER_DICOM_TLS_PORTS", port) for port in settings.dicom_tls_ports]
    for variable, port in ports:
        family = socket.AF_INET6 if ":" in settings.dicom_host else socket.AF_INET
        try:
            listening = socket.create_server(
                (settings.dicom_host, port), family=family, backlog=_BACKLOG
            )
        except OSError as error:
            for each in bound:
                each.close()
            raise ConfigurationError(
                f"{variable}: port {port} on {settings.dicom_host} can't be used "
                f"({error.strerror or error}): is another program listening there?"
            ) from error
        listening.setblocking(False)
        bound.append(listening)
    return bound


class Places:
    """How many associations may be open at a time; sockets without one do not count."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place; False when all are taken."""
        with self._lock:
            if self._taken >= self._most:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1


@dataclass(slots=True)
class _Connected:
    """A connection that has been accepted."""

    socket: socket.socket
    reception: Reception
    is_closed: bool = False  # by us, to make room

    @property
    def is_idle(self) -> bool:
        """Whether it has no association (yet)."""
        return not self.is_closed and not self.reception.is_accepted


class Listener:
    """Accepts connections until it is stopped; sockets may be shared with other workers."""

    def __init__(
        self, sockets: Sequence[socket.socket], place: Place, tls: Reloading | None
    ) -> None:
        settings = place.settings
        self._sockets, self._place, self._tls = sockets, place, tls
        self._tls_ports = frozenset(settings.dicom_tls_ports)
        self._limits = AcceptorLimits(
            negotiation_timeout_seconds=settings.dicom_negotiation_timeout_seconds,
            idle_timeout_seconds=settings.dicom_idle_timeout_seconds,
        )
        self._stopping = StopSignal()
        self._thread = threading.Thread(target=self._accept_until_stopped, name="listener")
        self._connections: dict[threading.Thread, _Connected] = {}  # the oldest first
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Accept no more, let the messages in hand finish, abort what is open."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._thread.join(timeout)
        with self._lock:
            open_now = dict(self._connections)
        for thread in open_now:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in open_now):
            self._stopping.close()

    def _accept_until_stopped(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopping, selectors.EVENT_READ)
            for listening in self._sockets:
                selector.register(listening, selectors.EVENT_READ, listening)
            while not self._stopping.is_set():
                for key, _events in selector.select():
                    if key.data is not None:
                        self._accept(key.data)
        for listening in self._sockets:
            listening.close()

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, address = listening.accept()
        except BlockingIOError:  # another worker was quicker
            return
        except OSError as error:  # the peer is gone already, or there are no descriptors left
            log.warning(Log.ASSOCIATION_REJECTED, why=str(error))
            time.sleep(_ACCEPT_PAUSE_SECONDS)  # or a process out of descriptors would spin
            return
        connection.setblocking(True)
        is_tls = listening.getsockname()[1] in self._tls_ports
        self._hand_over(connection, str(address[0]), self._tls if is_tls else None)

    def _hand_over(self, connection: socket.socket, address: str, tls: Reloading | None) -> None:
        """Give a connection a thread of its own, or close it when there is none to be had."""
        self._make_room()
        # The handshake takes the socket for itself: what it shares with it can still be shut down.
        ours = connection.dup() if tls else connection
        connected = _Connected(ours, Reception(self._place, address))
        thread = threading.Thread(
            target=self._serve, args=(connection, connected, tls), name="association"
        )
        with self._lock:
            self._connections[thread] = connected
        try:
            thread.start()
        except RuntimeError as error:  # the process may have no more threads, for now
            with self._lock:
                self._connections.pop(thread, None)
            connection.close()
            ours.close()
            log.error(Log.ASSOCIATION_REJECTED, why=str(error))  # noqa: TRY400 - says it all
            time.sleep(_ACCEPT_PAUSE_SECONDS)  # or it would spin until one is to be had

    def _make_room(self) -> None:
        """Close the oldest connection without an association if there are too many of them.

        Half-open and idle ones must not use up the threads and descriptors that scanners need.
        """
        with self._lock:
            idle = [each for each in self._connections.values() if each.is_idle]
        if len(idle) < MOST_IDLE_CONNECTIONS:
            return
        idle[0].is_closed = True
        with suppress(OSError):  # it has just ended
            idle[0].socket.shutdown(socket.SHUT_RDWR)
        why = f"{len(idle)} connections are open without an association: the oldest was closed"
        log.warning(Log.ASSOCIATION_REJECTED, why=why)

    def _serve(
        self, connection: socket.socket, connected: _Connected, tls: Reloading | None
    ) -> None:
        """One association, at the boundary of its thread: it must not end the others."""
        reception = connected.reception
        end = AssociationEnd("lost", "the receiver failed")
        try:
            context = tls.current() if tls else None
            end = serve_association(connection, reception, self._limits, self._stopping, context)
        except Exception:  # a bug of ours, told; the peer has had its A-ABORT
            log.exception(Log.SERVICE_FAILED, association_id=reception.association_id)
        try:
            reception.end(end)  # in every case, or its place would be taken for ever
        except Exception:  # the association is over either way
            log.exception(Log.SERVICE_FAILED, association_id=reception.association_id)
        finally:
            connection.close()
            connected.socket.close()
            with self._lock:
                self._connections.pop(threading.current_thread(), None)
