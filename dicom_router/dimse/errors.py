"""What can go wrong between two DICOM peers.

Unavailable
├── PeerError              the peer is unreachable, rejected us, aborted, or stayed silent
│   └── ProtocolError      the peer broke PS3.7 or PS3.8; it is answered with an A-ABORT
└── Stopped                we are stopping ourselves; says nothing about the peer
Unprocessable
├── ContextNotAccepted     the peer does not take this SOP class in this transfer syntax
└── EmptyDataSet           the file has no data set to send
"""

from typing import Literal

from dicom_router.errors import Unavailable, Unprocessable

PeerErrorKind = Literal["unreachable", "rejected", "aborted", "timeout"]
Stage = Literal["dns", "connect", "tls", "negotiate", "echo", "store"]


class PeerError(Unavailable):
    """The association with a peer could not be opened or broke; its text names the peer.

    `kind` says what happened: `unreachable` (no transport connection), `rejected` (A-ASSOCIATE-RJ),
    `aborted` (A-ABORT, connection closed, protocol broken) or `timeout`. `stage` says when.
    """

    def __init__(self, text: str, kind: PeerErrorKind, stage: Stage) -> None:
        super().__init__(text)
        self.kind = kind
        self.stage = stage


class ProtocolError(PeerError):
    """The peer sent what PS3.7 or PS3.8 does not allow here.

    `abort_reason` is the Reason/Diag. for the A-ABORT (PS3.8 9.3.8, `pdu.AbortReason`).
    """

    def __init__(self, text: str, abort_reason: int = 0, stage: Stage = "negotiate") -> None:
        super().__init__(text, "aborted", stage)
        self.abort_reason = abort_reason


class Stopped(Unavailable):
    """The router is stopping; the work in hand was given up and can be done again."""


class ContextNotAccepted(Unprocessable):
    """No presentation context was accepted for this SOP class and transfer syntax."""


class EmptyDataSet(Unprocessable):
    """The file ends where its data set should begin."""
