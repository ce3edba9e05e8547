"""A-ASSOCIATE-RQ, -AC and -RJ as bytes and as values (PS3.8 9.3.2 to 9.3.4, Annex D; PS3.7 D.3.3).

Decoding takes what the Standard says to ignore and what real peers send: items of an unknown type
are skipped (PS3.8 9.3.1), AE titles may be blank, padded with NUL or not ASCII, UIDs may be too
long. pynetdicom's classes refuse all of these, hence this codec. Role selection, extended
negotiation, asynchronous operations and user identity are skipped as well, so their defaults hold.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dicom_router.dimse.errors import ProtocolError
from dicom_router.dimse.pdu import AbortReason, PduType, pdu
from dicom_router.said import Said, said

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 Annex A
IMPLEMENTATION_CLASS_UID = "2.25.120269831045976839974323889509335578911"
IMPLEMENTATION_VERSION_NAME = "DICOMROUTER"

_FIXED = struct.Struct(">H2x16s16s32s")  # protocol version, called, calling, reserved
_ITEM = struct.Struct(">BxH")  # type, length of what follows
_PROTOCOL_VERSION = 1  # bit 0: version 1

_APPLICATION_CONTEXT, _CONTEXT_RQ, _CONTEXT_AC, _USER_INFORMATION = 0x10, 0x20, 0x21, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _CLASS_UID, _VERSION_NAME = 0x51, 0x52, 0x55


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """A presentation context as proposed: an ID, one abstract syntax, its transfer syntaxes."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """The answer to one proposed context; `result` as in PS3.8 9.3.3.2, 0 is acceptance."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information both sides send; `max_pdu` in bytes, 0 without a maximum."""

    max_pdu: int = 0
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version: str = IMPLEMENTATION_VERSION_NAME


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ. `echo` is what an A-ASSOCIATE-AC has to repeat of it, unchanged."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[PresentationContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = _PROTOCOL_VERSION
    echo: bytes = field(default=bytes(64), repr=False)


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """An A-ASSOCIATE-AC."""

    results: tuple[ContextResult, ...]
    user: UserInformation


_REJECT_RESULTS = {1: said("permanent"), 2: said("transient")}
_REJECT_REASONS = {  # (source, reason), PS3.8 9.3.4
    (1, 1): said("no reason given"),
    (1, 2): said("application context name not supported"),
    (1, 3): said("calling AE title not recognized"),
    (1, 7): said("called AE title not recognized"),
    (2, 1): said("no reason given"),
    (2, 2): said("protocol version not supported"),
    (3, 1): said("temporary congestion"),
    (3, 2): said("local limit exceeded"),
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result 1 permanent or 2 transient, source and reason as in PS3.8 9.3.4."""

    result: int
    source: int
    reason: int

    @property
    def text(self) -> Said:
        """Source, reason and result in words."""
        reason = _REJECT_REASONS.get((self.source, self.reason)) or said(
            "source {source}, reason {reason}", source=self.source, reason=self.reason
        )
        result = _REJECT_RESULTS.get(self.result) or said("result {result}", result=self.result)
        return said("{reason} ({result})", reason=reason, result=result)


NO_REASON_GIVEN = Rejection(1, 1, 1)
APPLICATION_CONTEXT_NOT_SUPPORTED = Rejection(1, 1, 2)
CALLING_AE_TITLE_NOT_RECOGNIZED = Rejection(1, 1, 3)
CALLED_AE_TITLE_NOT_RECOGNIZED = Rejection(1, 1, 7)
PROTOCOL_VERSION_NOT_SUPPORTED = Rejection(1, 2, 2)
TEMPORARY_CONGESTION = Rejection(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2)


def encode_request(request: AssociateRequest) -> bytes:
    """The A-ASSOCIATE-RQ PDU (PS3.8 9.3.2)."""
    titles = _ae_title(request.called_ae_title), _ae_title(request.calling_ae_title)
    items = [_item(_APPLICATION_CONTEXT, request.application_context.encode())]
    for context in request.contexts:
        syntaxes = [_uid_item(_ABSTRACT_SYNTAX, context.abstract_syntax)]
        syntaxes += [_uid_item(_TRANSFER_SYNTAX, uid) for uid in context.transfer_syntaxes]
        head = bytes((context.context_id, 0, 0, 0))
        items.append(_item(_CONTEXT_RQ, head + b"".join(syntaxes)))
    items.append(_user_item(request.user))
    fixed = _FIXED.pack(request.protocol_version, *titles, bytes(32))
    return pdu(PduType.ASSOCIATE_RQ, fixed + b"".join(items))


def decode_request(body: bytes) -> AssociateRequest:
    """The A-ASSOCIATE-RQ whose bytes after the PDU header are `body`; raises ProtocolError."""
    version, called, calling, _ = _fixed(body)
    contexts, user, application_context = [], UserInformation(0, "", ""), ""
    for kind, value in _items(body[_FIXED.size :]):
        if kind == _CONTEXT_RQ:
            contexts.append(_decode_context(value))
        elif kind == _USER_INFORMATION:
            user = _decode_user(value)
        elif kind == _APPLICATION_CONTEXT:
            application_context = _text(value)
    return AssociateRequest(
        called_ae_title=_text(called),
        calling_ae_title=_text(calling),
        contexts=tuple(contexts),
        user=user,
        application_context=application_context,
        protocol_version=version,
        echo=body[4 : _FIXED.size],
    )


def encode_accept(accept: AssociateAccept, echo: bytes) -> bytes:
    """The A-ASSOCIATE-AC PDU (PS3.8 9.3.3) that repeats `echo` of the request."""
    items = [_item(_APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode())]
    for each in accept.results:
        head = bytes((each.context_id, 0, each.result, 0))
        items.append(_item(_CONTEXT_AC, head + _uid_item(_TRANSFER_SYNTAX, each.transfer_syntax)))
    items.append(_user_item(accept.user))
    fixed = struct.pack(">H2x", _PROTOCOL_VERSION) + echo
    return pdu(PduType.ASSOCIATE_AC, fixed + b"".join(items))


def decode_accept(body: bytes) -> AssociateAccept:
    """The A-ASSOCIATE-AC whose bytes after the PDU header are `body`; raises ProtocolError."""
    _fixed(body)
    results, user = [], UserInformation(0, "", "")
    for kind, value in _items(body[_FIXED.size :]):
        if kind == _CONTEXT_AC:
            results.append(_decode_result(value))
        elif kind == _USER_INFORMATION:
            user = _decode_user(value)
    return AssociateAccept(tuple(results), user)


def encode_rejection(rejection: Rejection) -> bytes:
    """The A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    body = bytes((0, rejection.result, rejection.source, rejection.reason))
    return pdu(PduType.ASSOCIATE_RJ, body)


def decode_rejection(body: bytes) -> Rejection:
    """The A-ASSOCIATE-RJ whose bytes after the PDU header are `body`."""
    return Rejection(*body.ljust(4, b"\0")[1:4])


def _fixed(body: bytes) -> tuple[int, bytes, bytes, bytes]:
    if len(body) < _FIXED.size:
        raise _invalid("an A-ASSOCIATE PDU is too short")
    version, called, calling, reserved = _FIXED.unpack_from(body)
    return version, called, calling, reserved


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items or sub-items that `data` consists of, each with its type."""
    start = 0
    while start < len(data):
        if start + _ITEM.size > len(data):
            raise _invalid("an A-ASSOCIATE PDU ends within an item's header")
        kind, length = _ITEM.unpack_from(data, start)
        start += _ITEM.size
        if start + length > len(data):
            raise _invalid("an item of an A-ASSOCIATE PDU is longer than what holds it")
        yield kind, data[start : start + length]
        start += length


def _decode_context(value: bytes) -> PresentationContext:
    head, items = _split(value)
    syntaxes = list(_items(items))
    abstract = [_text(uid) for kind, uid in syntaxes if kind == _ABSTRACT_SYNTAX]
    transfer = tuple(_text(uid) for kind, uid in syntaxes if kind == _TRANSFER_SYNTAX)
    return PresentationContext(head[0], abstract[0] if abstract else "", transfer)


def _decode_result(value: bytes) -> ContextResult:
    head, items = _split(value)
    if head[2] != 0:  # what follows is not significant then (PS3.8 9.3.3.2), nor always well-formed
        return ContextResult(head[0], head[2], "")
    transfer = [_text(uid) for kind, uid in _items(items) if kind == _TRANSFER_SYNTAX]
    return ContextResult(head[0], head[2], transfer[0] if transfer else "")


def _split(value: bytes) -> tuple[bytes, bytes]:
    if len(value) < 4:
        raise _invalid("a presentation context item is too short")
    return value[:4], value[4:]


def _decode_user(value: bytes) -> UserInformation:
    max_pdu, class_uid, version = 0, "", ""
    for kind, data in _items(value):
        if kind == _MAXIMUM_LENGTH and len(data) == 4:
            max_pdu = int.from_bytes(data, "big")
        elif kind == _CLASS_UID:
            class_uid = _text(data)
        elif kind == _VERSION_NAME:
            version = _text(data)
    return UserInformation(max_pdu, class_uid, version)


def _user_item(user: UserInformation) -> bytes:
    items = [
        _item(_MAXIMUM_LENGTH, struct.pack(">I", user.max_pdu)),
        _uid_item(_CLASS_UID, user.implementation_class_uid),
        _item(_VERSION_NAME, user.implementation_version.encode("ascii", "replace")[:16]),
    ]
    return _item(_USER_INFORMATION, b"".join(items))


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _uid_item(kind: int, uid: str) -> bytes:
    return _item(kind, uid.encode("ascii", "replace"))  # not padded in negotiation (PS3.5 9.1)


def _ae_title(title: str) -> bytes:
    return title.encode("ascii", "replace")[:16].ljust(16)


def _text(value: bytes) -> str:
    """A UID, name or AE title without its padding; a byte that is no printable ASCII becomes ?."""
    stripped = value.strip(b"\0 ")
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in stripped)


def _invalid(text: str) -> ProtocolError:
    return ProtocolError(text, AbortReason.INVALID_PDU_PARAMETER_VALUE)


def pair_contexts(pairs: Sequence[tuple[str, str]]) -> tuple[PresentationContext, ...]:
    """A context for each (SOP class, transfer syntax); at most 128 odd IDs (PS3.8 9.3.2.2)."""
    if len(pairs) > 128:
        raise ValueError(f"an association has at most 128 presentation contexts, not {len(pairs)}")
    return tuple(
        PresentationContext(2 * number + 1, abstract, (transfer,))
        for number, (abstract, transfer) in enumerate(pairs)
    )
