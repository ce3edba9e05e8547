"""DIMSE command sets (PS3.7 6.3, 9.3, Annex E): group 0000, always Implicit VR Little Endian."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from dicom_router.dimse.errors import ProtocolError

# Command Field (0000,0100), PS3.7 E.1; a response is its request with the highest bit set
C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000

# Status (0000,0900), PS3.7 Annex C and PS3.4 B.2.3
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_SOP_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000

NO_DATA_SET = 0x0101  # Command Data Set Type (0000,0800); any other value: a data set follows
_MEDIUM_PRIORITY = 0x0000

_GROUP_LENGTH = 0x0000
_AFFECTED_SOP_CLASS_UID, _REQUESTED_SOP_CLASS_UID = 0x0002, 0x0003
_COMMAND_FIELD, _MESSAGE_ID, _MESSAGE_ID_RESPONDED_TO = 0x0100, 0x0110, 0x0120
_PRIORITY, _DATA_SET_TYPE, _STATUS, _ERROR_COMMENT = 0x0700, 0x0800, 0x0900, 0x0902
_AFFECTED_SOP_INSTANCE_UID, _REQUESTED_SOP_INSTANCE_UID = 0x1000, 0x1001

_ELEMENT = struct.Struct("<HHI")  # group, element, length of the value
_COMMENT_LENGTH = 64  # characters in an LO


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Status (0000,0900) of a C-STORE and Error Comment (0000,0902), sent cut to 64 characters."""

    code: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command set: element number within group 0000 to value, as received."""

    elements: Mapping[int, bytes]

    @property
    def field(self) -> int:
        """Command Field (0000,0100); raises ProtocolError if there is none, as all numbers do."""
        return self._number(_COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        """Message ID (0000,0110) of a request."""
        return self._number(_MESSAGE_ID)

    @property
    def message_id_responded_to(self) -> int:
        """Message ID Being Responded To (0000,0120) of a response."""
        return self._number(_MESSAGE_ID_RESPONDED_TO)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows, from the Command Data Set Type (0000,0800)."""
        return self._number(_DATA_SET_TYPE) != NO_DATA_SET

    @property
    def status(self) -> StoreStatus:
        """Status (0000,0900) and Error Comment (0000,0902) of a response."""
        return StoreStatus(self._number(_STATUS), self._text(_ERROR_COMMENT))

    @property
    def sop_class_uid(self) -> str:
        """Affected SOP Class UID (0000,0002), empty if there is none."""
        return self._text(_AFFECTED_SOP_CLASS_UID)

    @property
    def sop_instance_uid(self) -> str:
        """Affected SOP Instance UID (0000,1000), empty if there is none."""
        return self._text(_AFFECTED_SOP_INSTANCE_UID)

    def _number(self, element: int) -> int:
        value = self.elements.get(element, b"")
        if len(value) != 2:
            raise ProtocolError(f"a command set without a proper (0000,{element:04X})")
        return int.from_bytes(value, "little")

    def _text(self, element: int) -> str:
        return self.elements.get(element, b"").strip(b"\0 ").decode("ascii", "replace")


def decode(data: bytes | bytearray) -> Command:
    """The command set encoded in `data`; raises ProtocolError."""
    elements: dict[int, bytes] = {}
    start = 0
    while start < len(data):
        if start + _ELEMENT.size > len(data):
            raise ProtocolError("a command set ends within an element's header")
        group, element, length = _ELEMENT.unpack_from(data, start)
        start += _ELEMENT.size
        if group != 0 or start + length > len(data):
            raise ProtocolError("a command set is not Implicit VR Little Endian of group 0000")
        elements[element] = bytes(data[start : start + length])
        start += length
    return Command(elements)


def encode(elements: Mapping[int, bytes]) -> bytes:
    """The command set of these elements, in order, with its group length, values padded to even."""
    body = b"".join(_element(number, elements[number]) for number in sorted(elements))
    return _element(_GROUP_LENGTH, struct.pack("<I", len(body))) + body


def store_request(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """A C-STORE-RQ (PS3.7 9.3.1.1), priority medium, with a data set to follow."""
    return encode(
        {
            _AFFECTED_SOP_CLASS_UID: sop_class_uid.encode("ascii", "replace"),
            _COMMAND_FIELD: _us(C_STORE_RQ),
            _MESSAGE_ID: _us(message_id),
            _PRIORITY: _us(_MEDIUM_PRIORITY),
            _DATA_SET_TYPE: _us(0),
            _AFFECTED_SOP_INSTANCE_UID: sop_instance_uid.encode("ascii", "replace"),
        }
    )


def echo_request(message_id: int, sop_class_uid: str) -> bytes:
    """A C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return encode(
        {
            _AFFECTED_SOP_CLASS_UID: sop_class_uid.encode(),
            _COMMAND_FIELD: _us(C_ECHO_RQ),
            _MESSAGE_ID: _us(message_id),
            _DATA_SET_TYPE: _us(NO_DATA_SET),
        }
    )


def response(request: Command, status: StoreStatus) -> bytes:
    """The response to any request, without a data set; UIDs are repeated as they came."""
    old = request.elements
    new = {
        _COMMAND_FIELD: _us(request.field | RESPONSE),
        _MESSAGE_ID_RESPONDED_TO: _us(request.message_id),
        _DATA_SET_TYPE: _us(NO_DATA_SET),
        _STATUS: _us(status.code),
    }
    for affected, requested in (
        (_AFFECTED_SOP_CLASS_UID, _REQUESTED_SOP_CLASS_UID),
        (_AFFECTED_SOP_INSTANCE_UID, _REQUESTED_SOP_INSTANCE_UID),
    ):
        if uid := old.get(affected) or old.get(requested):
            new[affected] = uid
    if status.comment:
        comment = status.comment.replace("\\", "/")[:_COMMENT_LENGTH]
        new[_ERROR_COMMENT] = comment.encode("ascii", "replace")
    return encode(new)


def _element(number: int, value: bytes) -> bytes:
    if len(value) % 2:
        value += b" " if number == _ERROR_COMMENT else b"\0"
    return _ELEMENT.pack(0, number, len(value)) + value


def _us(value: int) -> bytes:
    return struct.pack("<H", value)
