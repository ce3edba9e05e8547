"""A transport connection with deadlines, and the buffer that PDUs are read from.

The socket never blocks; a wait ends when it is ready, when time is up or when the router stops,
whatever comes first. So a stop wakes every association at once, and nothing polls for it.
"""

import mmap
import os
import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self

from dicom_router.dimse.errors import ProtocolError
from dicom_router.dimse.pdu import PDU_HEADER, PDV_HEADER, AbortReason
from dicom_router.said import Said, cause_of, said

Bytes = bytes | bytearray | memoryview

_LINGER_SECONDS = 1.0  # PS3.8 9.1.5's ARTIM: how long the peer may take to close after our last PDU
_MAX_VECTOR = 1024  # buffers for one sendmsg, IOV_MAX of Linux
_TLS_WRITE = 1 << 18  # bytes joined for one write where sendmsg does not exist


class ConnectionLost(Exception):
    """The transport connection is gone; says how."""


class DeadlineExpired(Exception):
    """Nothing could be read or written for as long as allowed."""


class HandshakeFailed(Exception):
    """TLS could not be agreed on; says why."""


class Stopping(Exception):
    """The router stops, and the work in hand has used up its grace."""


class StopSignal:
    """Tells any number of associations, asleep or not, to come to an end.

    Shared by all threads of a process. `set` may be called from a signal handler.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._is_set = False

    def set(self) -> None:
        """Stop, for good."""
        if not self._is_set:
            self._is_set = True
            os.write(self._writer, b"\0")  # never read, so every poller sees it

    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._is_set

    def fileno(self) -> int:
        """Readable once the signal is set."""
        return self._reader

    def close(self) -> None:
        """Give back the two file descriptors, once no association is left."""
        os.close(self._reader)
        os.close(self._writer)


class Connection:
    """A socket, plain or TLS, that is owned from now on: waits are limited, errors are few.

    `timeout` limits each wait, `deadline` (of time.monotonic) all of them, `grace` is how many
    seconds may pass once `stopping` is set. All may be changed at any time.
    """

    def __init__(
        self, sock: socket.socket, timeout: float, stopping: StopSignal | None = None
    ) -> None:
        self._socket = sock
        self._stopping = stopping
        self._stopped_at = inf
        self._wanted = select.POLLIN
        self.timeout = timeout
        self.deadline = inf
        self.grace = 0.0
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; over TLS the peer is told first, and not waited for."""
        if isinstance(self._socket, ssl.SSLSocket):
            with suppress(OSError, ValueError):
                self._socket.unwrap()
        self._socket.close()

    def peer_name(self) -> tuple[str, int]:
        """Address and port of the peer; empty and 0 for a Unix socket."""
        try:
            return _address(self._socket.getpeername())
        except OSError as error:
            raise ConnectionLost(_describe(error)) from error

    def local_name(self) -> tuple[str, int]:
        """Address and port on this side; empty and 0 for a Unix socket."""
        return _address(self._socket.getsockname())

    def peek(self) -> int:
        """The next byte of a plain connection, waiting for it; it stays to be read."""
        while True:
            self._require_time()
            try:
                found = self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                self.wait(select.POLLIN)
                continue
            except OSError as error:
                raise ConnectionLost(_describe(error)) from error
            if not found:
                raise ConnectionLost(said("the connection was closed"))
            return found[0]

    def secure(self, context: ssl.SSLContext, host: str | None = None) -> None:
        """The TLS handshake: as the client of `host`, or without one as the server.

        Raises HandshakeFailed; the connection is of no use then.
        """
        try:
            secured = context.wrap_socket(
                self._socket,
                server_side=host is None,
                server_hostname=host,
                do_handshake_on_connect=False,
            )
        except (OSError, ValueError) as error:  # the peer is gone; no name that TLS knows
            raise HandshakeFailed(str(error)) from error
        self._socket = secured
        try:
            self._shake_hands(secured)
        except HandshakeFailed:
            self._socket = socket.socket(fileno=secured.detach())
            with suppress(OSError):  # the peer may be gone
                self._socket.shutdown(socket.SHUT_WR)
            self._linger()  # or TCP might discard the alert that tells the peer why
            raise

    @property
    def certificate_expires_at(self) -> datetime | None:
        """When the peer's certificate, which was verified, does; None without TLS."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        end = (self._socket.getpeercert() or {}).get("notAfter")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(end)), UTC) if end else None

    def _shake_hands(self, secured: ssl.SSLSocket) -> None:
        while True:
            self._require_time()
            try:
                return secured.do_handshake()
            except ssl.SSLWantReadError:
                self.wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self.wait(select.POLLOUT)
            except OSError as error:
                if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
                    raise HandshakeFailed(_tls_trouble(error)) from error
                raise HandshakeFailed(said("the peer broke off in the middle of it")) from error

    def receive_into(self, view: memoryview) -> int:
        """Read at least one byte into `view`, waiting for it; how many."""
        while True:
            self._require_time()
            if count := self.receive_now(view):
                return count
            self.wait(self._wanted)

    def receive_now(self, view: memoryview) -> int:
        """Read what is there into `view`; how many bytes. Raises ConnectionLost at the end too."""
        try:
            count = self._socket.recv_into(view)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._wanted = select.POLLIN
            return 0
        except ssl.SSLWantWriteError:
            self._wanted = select.POLLOUT
            return 0
        except OSError as error:
            raise ConnectionLost(_describe(error)) from error
        if not count:
            raise ConnectionLost(said("the connection was closed"))
        return count

    def send(self, buffers: list[Bytes], overhear: Callable[[], bool] | None = None) -> None:
        """Write all of `buffers`, which is used up.

        While that has to wait, `overhear` is called whenever there is something to read, until it
        returns False.
        """
        write = self._write_tls if isinstance(self._socket, ssl.SSLSocket) else self._write
        while buffers:
            self._require_time()
            try:
                _drop(buffers, write(buffers))
            except (BlockingIOError, ssl.SSLWantWriteError):
                watched = select.POLLOUT | (select.POLLIN if overhear else 0)
                if self.wait(watched) & select.POLLIN and overhear and not overhear():
                    overhear = None
            except ssl.SSLWantReadError:
                self.wait(select.POLLIN)
            except OSError as error:
                raise ConnectionLost(_describe(error)) from error

    def farewell(self, last_pdu: bytes) -> None:
        """Send the last PDU and wait a moment for the peer to close, which is its part then.

        Closing at once, with bytes of the peer unread, would make TCP discard that PDU.
        """
        self._linger([last_pdu])

    def _linger(self, last_words: Sequence[Bytes] = ()) -> None:
        self._stopping, self._stopped_at = None, inf
        self.deadline = monotonic() + _LINGER_SECONDS
        scratch = memoryview(bytearray(1 << 16))
        try:
            self.send(list(last_words))
            while True:
                self.receive_into(scratch)
        except (ConnectionLost, DeadlineExpired):
            return  # either way there is nobody left to talk to

    def wait(self, events: int) -> int:
        """Wait until the socket is ready for one of the poll `events`; for which."""
        if events & select.POLLIN and self._has_decrypted():
            return select.POLLIN
        limit = min(self.timeout, self._require_time())
        poller = select.poll()
        poller.register(self._socket, events)
        if self._stopping and self._stopped_at == inf:
            poller.register(self._stopping, select.POLLIN)
        ready = dict(poller.poll(limit * 1000))
        if not ready:
            self._require_time()
            if limit == self.timeout:
                raise DeadlineExpired
        return ready.get(self._socket.fileno(), 0)

    def _require_time(self) -> float:
        """Seconds left until the deadline or the end of the grace; raises when there are none."""
        if self._stopping and self._stopped_at == inf and self._stopping.is_set():
            self._stopped_at = monotonic()
        stop = self._stopped_at + self.grace
        limit = min(self.deadline, stop)
        if limit == inf:
            return inf
        left = limit - monotonic()
        if left > 0:
            return left
        raise Stopping if limit == stop else DeadlineExpired

    def _has_decrypted(self) -> bool:
        """Whether TLS holds bytes that the socket, which is polled, has already given it."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _write(self, buffers: list[Bytes]) -> int:
        return self._socket.sendmsg(buffers[:_MAX_VECTOR])

    def _write_tls(self, buffers: list[Bytes]) -> int:
        """As `_write`, for a socket without sendmsg; a write that waits is repeated unchanged."""
        joined, size = [], 0
        for each in buffers:
            joined.append(each)
            size += len(each)
            if size >= _TLS_WRITE:
                break
        return self._socket.send(b"".join(joined))


class Inbound:
    """The buffer in front of a connection: one, of fixed size, however long the peer's PDUs are.

    `before_refill` is called before the buffer is overwritten, the last moment for whoever keeps
    views of it.
    """

    def __init__(
        self, connection: Connection, size: int, before_refill: Callable[[], None] = lambda: None
    ) -> None:
        self._connection = connection
        self._buffer = memoryview(mmap.mmap(-1, size))  # which the system gets back at the end
        self._before_refill = before_refill
        self._start = self._end = 0

    def header(self) -> tuple[int, int]:
        """The next PDU's type and the length of the rest of it (PS3.8 9.3.1)."""
        kind, length = self._unpack(PDU_HEADER)
        return kind, length

    def fragments(self, length: int) -> Iterator[tuple[int, int, int]]:
        """Walk the PDVs of a P-DATA-TF: context ID, message control header, bytes of the message.

        Those bytes have to be taken before the next step. Raises ProtocolError.
        """
        while length:
            if length < PDV_HEADER.size:
                raise _invalid("a P-DATA-TF PDU ends within a PDV's header")
            size, context_id, control = self._unpack(PDV_HEADER)
            length -= 4 + size
            if size < 2 or length < 0:
                raise _invalid(f"a PDV of {size} bytes does not fit into its PDU")
            yield context_id, control, size - 2

    def take(self, most: int) -> memoryview:
        """A view of the next bytes, at least one and at most that many, until the next refill."""
        if self._start == self._end:
            self._fill(1)
        start = self._start
        self._start = min(start + most, self._end)
        return self._buffer[start : self._start]

    def read(self, count: int) -> bytes:
        """Exactly the next `count` bytes, of which only what has come takes memory."""
        data = bytearray()
        while len(data) < count:
            data += self.take(count - len(data))
        return bytes(data)

    def skip(self, count: int) -> None:
        """Read past the next `count` bytes."""
        while count:
            count -= len(self.take(count))

    def overhear(self) -> int | None:
        """Take in what is there without waiting; the type of the PDU it opens, if it is there."""
        if self._end < len(self._buffer):
            self._end += self._connection.receive_now(self._buffer[self._end :])
        return self._buffer[self._start] if self._start < self._end else None

    def _unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        if self._end - self._start < layout.size:
            self._fill(layout.size)
        values = layout.unpack_from(self._buffer, self._start)
        self._start += layout.size
        return values

    def _fill(self, needed: int) -> None:
        """Move the few bytes that are left to the front and read until there are `needed`."""
        self._before_refill()
        left = self._end - self._start
        self._buffer[:left] = self._buffer[self._start : self._end]
        self._start, self._end = 0, left
        while self._end < needed:
            self._end += self._connection.receive_into(self._buffer[self._end :])


def _drop(buffers: list[Bytes], count: int) -> None:
    """Take the first `count` bytes off `buffers`."""
    whole = 0
    while whole < len(buffers) and count >= len(buffers[whole]):
        count -= len(buffers[whole])
        whole += 1
    del buffers[:whole]
    if count:
        buffers[0] = memoryview(buffers[0])[count:]


def _address(name: object) -> tuple[str, int]:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else ("", 0)


def _describe(error: OSError) -> Said:
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return _tls_trouble(error)  # TLS 1.3 may refuse a certificate after the handshake
    return said("the connection broke: {why}", why=cause_of(error))


_TLS_TROUBLES = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": said(
        "the peer presents no certificate, and one is demanded"
    ),
    "NO_SHARED_CIPHER": said("the peer offers no cipher suite that is allowed"),
    "UNSUPPORTED_PROTOCOL": said("the peer offers only TLS versions older than 1.2"),
    "WRONG_VERSION_NUMBER": said("what the peer speaks is not TLS"),
    "HTTP_REQUEST": said("what the peer speaks is HTTP"),
}


def _tls_trouble(error: ssl.SSLError) -> Said:
    if isinstance(error, ssl.SSLCertVerificationError):
        return said(
            "the peer's certificate is not accepted: {why}", why=error.verify_message.rstrip(".")
        )
    reason = error.reason or "no reason given"
    if "_ALERT_" in reason:
        why = reason.partition("_ALERT_")[2].replace("_", " ").lower()
        return said("the peer does not agree to TLS: {why}", why=why)
    return _TLS_TROUBLES.get(reason, said("TLS: {why}", why=reason.replace("_", " ").lower()))


def _invalid(text: str) -> ProtocolError:
    return ProtocolError(text, AbortReason.INVALID_PDU_PARAMETER_VALUE)
