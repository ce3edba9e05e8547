"""C-ECHO to a peer, told as the stage it came to; what goes wrong there is no error here."""

import time

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
from services.api.schemas import EchoResult, EchoStage

_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"  # which every peer must take (PS3.5 10.1)
# Somebody waits in front of a screen.
_TIMEOUTS = RequestorTimeouts(
    connect_seconds=5, negotiation_seconds=10, response_seconds=10, release_seconds=2
)


def echo(peer: PeerAddress, *, tls: TlsFiles | None, stopping: StopSignal) -> EchoResult:
    """Open an association for Verification, over TLS if there is `tls`, send a C-ECHO, release."""
    contexts = [(VERIFICATION, _IMPLICIT_VR_LITTLE_ENDIAN)]
    began = time.perf_counter()
    try:
        security = client_context(tls) if tls else None
        with Association.open(peer, contexts, _TIMEOUTS, security, stopping) as association:
            status = association.echo()
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
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
    )


def _failed(stage: EchoStage, detail: Said) -> EchoResult:
    return EchoResult(ok=False, stage=stage, latency_ms=None, detail=detail)
