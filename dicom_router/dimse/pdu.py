"""The Protocol Data Units of the DICOM upper layer (PS3.8 9.3): types, codes, the short ones whole.

A-ASSOCIATE has its own module, `associate`. Every PDU opens with its type, a reserved byte and the
length of the rest, big endian; a P-DATA-TF holds presentation data values (PDV), each with a
length, a presentation context ID and a message control header (PS3.8 9.3.5.1 and Annex E).
"""

import struct
from enum import IntEnum

from dicom_router.said import Said, said

PDU_HEADER = struct.Struct(">BxI")  # type, length of what follows
PDV_HEADER = struct.Struct(">IBB")  # length of what follows, context ID, message control header
PDV_OVERHEAD = 6  # bytes of PDV_HEADER, which the peer's maximum length includes (PS3.8 D.1)

COMMAND = 0x01  # message control header: the fragment belongs to a command set
LAST = 0x02  # message control header: the last fragment of the command or data set

LARGEST_FRAGMENT = 1 << 20  # bytes that we put into one PDV, whatever the peer would take
SMALLEST_MAX_PDU = 16  # below this an announced maximum cannot be meant
USUAL_MAX_PDU = 4096  # taken instead: every implementation takes that much


class PduType(IntEnum):
    """PDU-type, PS3.8 9.3.2 to 9.3.8."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """Who aborts, PS3.8 9.3.8."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Reason/Diag. of an abort by the service-provider, PS3.8 9.3.8."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER_VALUE = 6


def pdu(kind: PduType, body: bytes) -> bytes:
    """One whole PDU."""
    return PDU_HEADER.pack(kind, len(body)) + body


RELEASE_RQ = pdu(PduType.RELEASE_RQ, bytes(4))  # PS3.8 9.3.6
RELEASE_RP = pdu(PduType.RELEASE_RP, bytes(4))  # PS3.8 9.3.7


def abort(source: AbortSource, reason: int = AbortReason.NOT_SPECIFIED) -> bytes:
    """An A-ABORT PDU (PS3.8 9.3.8)."""
    return pdu(PduType.ABORT, bytes((0, 0, source, reason)))


def describe_abort(body: bytes) -> Said:
    """Source and reason of a received A-ABORT in words, from the four bytes after its header."""
    source, reason = body.ljust(4, b"\0")[2:4]
    if source == AbortSource.SERVICE_USER:
        return said("by its application")
    known = {each.value: each.name.replace("_", " ").lower() for each in AbortReason}
    return said("by its protocol layer, reason: {reason}", reason=known.get(reason, reason))


def fragment_size(max_pdu: int) -> int:
    """The most bytes of a message for one PDV, given the peer's maximum PDU length in bytes.

    0 means no maximum (PS3.8 D.1.1).
    """
    if max_pdu == 0:
        return LARGEST_FRAGMENT
    if max_pdu < SMALLEST_MAX_PDU:
        max_pdu = USUAL_MAX_PDU
    return min(max_pdu - PDV_OVERHEAD, LARGEST_FRAGMENT)


def fragment_header(context_id: int, control: int, size: int) -> bytes:
    """What precedes `size` bytes of a message that travel as one PDV in one P-DATA-TF."""
    head = PDU_HEADER.pack(PduType.P_DATA_TF, size + PDV_OVERHEAD)
    return head + PDV_HEADER.pack(size + 2, context_id, control)


def command_pdus(context_id: int, command_set: bytes, max_pdu: int) -> bytes:
    """A whole command set as P-DATA-TF PDUs that a peer with that maximum length takes."""
    step = fragment_size(max_pdu)
    pdus = []
    for start in range(0, len(command_set), step):
        piece = command_set[start : start + step]
        control = COMMAND | (LAST if start + step >= len(command_set) else 0)
        pdus.append(fragment_header(context_id, control, len(piece)) + piece)
    return b"".join(pdus)
