"""C-ECHO to a peer, told as the stage it came to; what goes wrong there is no error here."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial

from dicom_router.dimse import (
    VERIFICATION,
    Association,
    ContextNotAccepted,
    PeerAddress,
    PeerError,
    RequestorTimeouts,
    Stopped,
    StopSignal,
)
from dicom_router.errors import ConfigurationError
from dicom_router.said import Said, as_said, said
from dicom_router.tls import TlsFiles, client_context
from services.api.checkup import Errands
from services.api.schemas import EchoResult, EchoStage

_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"  # which every peer must take (PS3.5 10.1)
# Somebody waits in front of a screen.
_TIMEOUTS = RequestorTimeouts(
    connect_seconds=5, negotiation_seconds=10, response_seconds=10, release_seconds=2
)
# All peers are asked, and somebody waits for all of them.
_QUICK = RequestorTimeouts(
    connect_seconds=1.5, negotiation_seconds=1.5, response_seconds=1.5, release_seconds=0.5
)
_WAIT_SECONDS = 4.0  # for all; a name server may take longer than that, and can't be hurried
_AT_ONCE = 32
_FORGET_AFTER_SECONDS = 3600.0


def echo(
    peer: PeerAddress,
    *,
    tls: TlsFiles | None,
    stopping: StopSignal,
    timeouts: RequestorTimeouts = _TIMEOUTS,
) -> EchoResult:
    """Open an association for Verification, over TLS if there is `tls`, send a C-ECHO, release."""
    contexts = [(VERIFICATION, _IMPLICIT_VR_LITTLE_ENDIAN)]
    began = time.perf_counter()
    try:
        security = client_context(tls) if tls else None
        with Association.open(peer, contexts, timeouts, security, stopping) as association:
            status = association.echo()
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            expires_at = association.certificate_expires_at
    except ConfigurationError as error:
        return _failed(EchoStage.TLS, as_said(error))
    except PeerError as error:
        return _failed(EchoStage(error.stage), as_said(error))
    except ContextNotAccepted:
        return _failed(
            EchoStage.NEGOTIATE,
            said("{peer} takes the association but does not do C-ECHO (Verification)", peer=peer),
        )
    except Stopped as error:
        return _failed(EchoStage.CONNECT, as_said(error))
    if status != 0:
        return _failed(
            EchoStage.ECHO,
            said("{peer} answered with the status 0x{status:04X}", peer=peer, status=status),
        )
    return EchoResult(
        ok=True,
        stage=EchoStage.ECHO,
        latency_ms=milliseconds,
        detail=said("{peer} answered", peer=peer),
        certificate_expires_at=expires_at,
    )


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to ask."""

    address: PeerAddress
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """For how many seconds an answer counts, and for how many that there was none."""

    ok_seconds: float
    failed_seconds: float


class Echoes:
    """Asks many peers side by side, and remembers their answers so as to ask seldom."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._errands: Errands[EchoResult] = Errands()
        self._known: dict[Peer, tuple[float, EchoResult]] = {}

    def of(
        self, peers: Mapping[str, Peer], good_for: Remembered, stopping: StopSignal
    ) -> dict[str, EchoResult | None]:
        """How each answers or lately did; None for one that has kept us waiting for 4 s."""
        found = {name: self._recent(peer, good_for) for name, peer in peers.items()}
        begun = {
            name: self._errands.begin(peer, partial(self._ask, peer, stopping))
            for name, peer in peers.items()
            if found[name] is None
        }
        wait(begun.values(), _WAIT_SECONDS)
        for name, future in begun.items():
            if future.done():
                found[name] = future.result()
        return found

    def _recent(self, peer: Peer, good_for: Remembered) -> EchoResult | None:
        with self._lock:
            at, result = self._known.get(peer, (0.0, None))
        if result is None:
            return None
        age = good_for.ok_seconds if result.ok else good_for.failed_seconds
        return result if self._clock() - at < age else None

    def _ask(self, peer: Peer, stopping: StopSignal) -> EchoResult:
        with self._places:
            result = echo(peer.address, tls=peer.tls, stopping=stopping, timeouts=_QUICK)
        now = self._clock()
        with self._lock:
            self._known[peer] = (now, result)
            old = [p for p, (at, _) in self._known.items() if now - at > _FORGET_AFTER_SECONDS]
            for each in old:
                del self._known[each]
        return result


def _failed(stage: EchoStage, detail: Said) -> EchoResult:
    return EchoResult(ok=False, stage=stage, latency_ms=None, detail=detail)
