"""Open a connection to a peer, over TLS if need be; every error names the peer."""

import socket
import ssl
from dataclasses import dataclass
from time import monotonic

from dicom_router.dimse.connection import (
    Connection,
    DeadlineExpired,
    HandshakeFailed,
    Stopping,
    StopSignal,
)
from dicom_router.dimse.errors import PeerError, Stopped
from dicom_router.said import cause_of, said


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer is, what it is called, and what we call ourselves there."""

    host: str
    port: int
    ae_title: str
    calling_ae_title: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return said("{title} at {host}:{port}", title=self.ae_title, host=host, port=self.port)


@dataclass(frozen=True, slots=True)
class RequestorTimeouts:
    """`response` runs from the last byte of the request, `stall` is for each write.

    `stop_grace` is what the message in hand has left once the router stops.
    """

    connect_seconds: float = 10.0
    negotiation_seconds: float = 30.0
    response_seconds: float = 60.0
    stall_seconds: float = 60.0
    release_seconds: float = 5.0
    stop_grace_seconds: float = 4.0


def connect(
    peer: PeerAddress,
    timeouts: RequestorTimeouts,
    tls: ssl.SSLContext | None,
    stopping: StopSignal | None,
) -> Connection:
    """An open connection, its TLS handshake over; raises PeerError and Stopped."""
    connection = Connection(_reach(peer, timeouts), timeouts.stall_seconds, stopping)
    if tls:
        _secure(connection, peer, timeouts, tls)
    return connection


def _reach(peer: PeerAddress, timeouts: RequestorTimeouts) -> socket.socket:
    try:
        return socket.create_connection((peer.host, peer.port), timeouts.connect_seconds)
    except (socket.gaierror, UnicodeError) as error:
        text = said(
            "the host name of {peer} is not known: is it right, and does DNS work here?", peer=peer
        )
        raise PeerError(text, "unreachable", "dns") from error
    except ConnectionRefusedError as error:
        text = said(
            "{peer} refused the connection: is it running, and is the port right?", peer=peer
        )
        raise PeerError(text, "unreachable", "connect") from error
    except TimeoutError as error:
        text = said(
            "{peer} did not answer within {seconds:g} s: is it switched on, and does a firewall "
            "let us through?",
            peer=peer,
            seconds=timeouts.connect_seconds,
        )
        raise PeerError(text, "timeout", "connect") from error
    except OSError as error:
        text = said("{peer} cannot be reached: {why}", peer=peer, why=cause_of(error))
        raise PeerError(text, "unreachable", "connect") from error


def _secure(
    connection: Connection, peer: PeerAddress, timeouts: RequestorTimeouts, tls: ssl.SSLContext
) -> None:
    connection.deadline = monotonic() + timeouts.negotiation_seconds
    try:
        connection.secure(tls, peer.host)
    except HandshakeFailed as error:
        connection.close()
        text = said("no TLS connection with {peer}: {why}", peer=peer, why=error)
        raise PeerError(text, "unreachable", "tls") from error
    except DeadlineExpired as error:
        connection.close()
        text = said(
            "{peer} did not finish the TLS handshake: does it speak TLS on this port?", peer=peer
        )
        raise PeerError(text, "timeout", "tls") from error
    except Stopping as error:
        connection.close()
        raise Stopped(
            said("stopped before the TLS handshake with {peer} was over", peer=peer)
        ) from error
