"""Which presentation contexts are accepted, and with which transfer syntax. Pure.

Verification, and as storage: the Standard's storage classes, retired ones included, everything
under 1.2.840.10008.5.1.4.1.1 but the query and retrieve classes that live there, and every class
outside 1.2.840.10008. Of the transfer syntaxes that one context offers: explicit little endian,
implicit little endian, then lossless, then the rest, each in the order proposed.
"""

from collections.abc import Iterable
from enum import IntEnum

from dicom_router.dimse.associate import (
    APPLICATION_CONTEXT,
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    AssociateRequest,
    ContextResult,
    PresentationContext,
    Rejection,
)

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_STANDARD_ROOT = "1.2.840.10008"
_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."

#: The Standard's storage classes outside the storage root (PS3.6 Annex A).
_OTHER_STORAGE = frozenset(
    {
        "1.2.840.10008.5.1.1.27",  # Stored Print, retired
        "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale Image, retired
        "1.2.840.10008.5.1.1.30",  # Hardcopy Color Image, retired
        "1.2.840.10008.5.1.4.34.1",  # RT Beams Delivery Instruction, trial, retired
        "1.2.840.10008.5.1.4.34.7",  # RT Beams Delivery Instruction
        "1.2.840.10008.5.1.4.34.10",  # RT Brachy Application Setup Delivery Instruction
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
        "1.2.840.10008.5.1.4.39.1",  # Color Palette
        "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template
        "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template
        "1.2.840.10008.5.1.4.45.1",  # Implant Template Group
    }
)
#: Not storage although under the storage root.
_NO_STORAGE = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.200.4",  # Protocol Approval FIND
        "1.2.840.10008.5.1.4.1.1.200.5",  # Protocol Approval MOVE
        "1.2.840.10008.5.1.4.1.1.200.6",  # Protocol Approval GET
        "1.2.840.10008.5.1.4.1.1.201.2",  # Inventory FIND
        "1.2.840.10008.5.1.4.1.1.201.3",  # Inventory MOVE
        "1.2.840.10008.5.1.4.1.1.201.4",  # Inventory GET
        "1.2.840.10008.5.1.4.1.1.201.5",  # Inventory Creation
        "1.2.840.10008.5.1.4.1.1.201.6",  # Repository Query
    }
)
_LOSSLESS = frozenset(
    {
        "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed Explicit VR Little Endian
        "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
        "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
        "1.2.840.10008.1.2.4.57",  # JPEG Lossless, process 14
        "1.2.840.10008.1.2.4.58",  # JPEG Lossless, process 15
        "1.2.840.10008.1.2.4.65",  # JPEG Lossless, process 28
        "1.2.840.10008.1.2.4.66",  # JPEG Lossless, process 29
        "1.2.840.10008.1.2.4.70",  # JPEG Lossless, process 14, first-order prediction
        "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
        "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless
        "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2 Lossless
        "1.2.840.10008.1.2.4.110",  # JPEG XL Lossless
        "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 Lossless
        "1.2.840.10008.1.2.4.202",  # High-Throughput JPEG 2000 Lossless, RPCL
        "1.2.840.10008.1.2.5",  # RLE Lossless
        "1.2.840.10008.1.2.8.1",  # Deflated Image Frame
    }
)


class Result(IntEnum):
    """Result/Reason of a presentation context, PS3.8 9.3.3.2."""

    ACCEPTANCE = 0
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


def refusal(request: AssociateRequest) -> Rejection | None:
    """Why no association with this request is possible at all, if so (PS3.8 9.3.2, 7.1.1.2)."""
    if not request.protocol_version & 1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    return None


def is_storage(sop_class_uid: str) -> bool:
    """Whether instances of this SOP class are accepted with C-STORE."""
    if not f"{sop_class_uid}.".startswith(f"{_STANDARD_ROOT}."):
        return bool(sop_class_uid)
    if sop_class_uid.startswith(_STORAGE_ROOT):
        return sop_class_uid not in _NO_STORAGE
    return sop_class_uid in _OTHER_STORAGE


def negotiate(proposed: Iterable[PresentationContext]) -> tuple[ContextResult, ...]:
    """One result for each proposed context, in order.

    A context whose ID is even or was used before is refused: its data could not be told apart.
    """
    results: list[ContextResult] = []
    seen: set[int] = set()
    for context in proposed:
        usable = context.context_id % 2 == 1 and context.context_id not in seen
        seen.add(context.context_id)
        results.append(_result(context) if usable else _refused(context, Result.NO_REASON))
    return tuple(results)


def takes_any_of(proposed: Iterable[PresentationContext]) -> bool:
    """Whether one of these contexts at least is accepted."""
    return any(each.result == Result.ACCEPTANCE for each in negotiate(proposed))


def _result(context: PresentationContext) -> ContextResult:
    if context.abstract_syntax != VERIFICATION and not is_storage(context.abstract_syntax):
        return _refused(context, Result.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    offered = [uid for uid in context.transfer_syntaxes if uid]
    if not offered:
        return _refused(context, Result.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    return ContextResult(context.context_id, Result.ACCEPTANCE, min(offered, key=_preference))


def _refused(context: PresentationContext, result: Result) -> ContextResult:
    return ContextResult(context.context_id, result, IMPLICIT_VR_LITTLE_ENDIAN)


def _preference(transfer_syntax: str) -> int:
    if transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        return 0
    if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return 1
    return 2 if transfer_syntax in _LOSSLESS else 3
