"""Reads the identifying attributes of a data set, and stops there (PS3.5 section 7).

A loop, not a recursion: sequences before the last wanted attribute are skipped however deep they
nest or how long they are, and the pixels are never touched.
"""

import io
import os
import struct
import zlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from pydicom.charset import decode_bytes, python_encoding

from dicom_router.errors import Unprocessable
from dicom_router.part10 import LONG_VRS
from dicom_router.said import said

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

MOST_CHARACTERS = 256
_MOST_VALUE_BYTES = 4096  # of one attribute: enough for 256 characters in any encoding
_UNDEFINED = 0xFFFFFFFF
# What may precede the last identifying attribute. Real headers have some hundred elements there,
# lists of references some ten thousand; without a limit one object could hold up all others.
_MOST_ELEMENTS = 1_000_000
_MOST_INFLATED_BYTES = 1 << 27
_BUFFER_BYTES = 16384
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SPECIFIC_CHARACTER_SET = 0x00080005
_WANTED = {
    0x00080020: "study_date",
    0x00080030: "study_time",
    0x00080050: "accession_number",
    0x00080060: "modality",
    0x00081030: "study_description",
    0x0008103E: "series_description",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x0020000D: "study_uid",
    0x0020000E: "series_uid",
    0x00200011: "series_number",
    0x00200013: "instance_number",
}
_LAST = max(_WANTED)


@dataclass(frozen=True, slots=True)
class Header:
    """The identifying attributes as text for display; absent ones are empty."""

    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    patient_name: str = ""  # as in DICOM, with ^ and =
    modality: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    study_description: str = ""
    series_description: str = ""
    series_number: str = ""
    instance_number: str = ""


class _Source(Protocol):
    def peek(self, count: int) -> bytes: ...

    def read(self, count: int) -> bytes: ...

    def skip(self, count: int) -> None: ...


class _File:
    """A data set that lies in a file as it is."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._reader = io.BufferedReader(io.FileIO(descriptor, closefd=False), _BUFFER_BYTES)
        self._reader.seek(offset)

    def peek(self, count: int) -> bytes:
        return self._reader.peek(count)[:count]

    def read(self, count: int) -> bytes:
        return self._reader.read(count)

    def skip(self, count: int) -> None:
        self._reader.seek(count, os.SEEK_CUR)


class _Deflated:
    """A data set that is deflated (PS3.5 A.5): read as far as is asked, never inflated whole."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._reader = io.BufferedReader(_Inflating(descriptor, offset), _BUFFER_BYTES)

    def peek(self, count: int) -> bytes:
        return self._reader.peek(count)[:count]

    def read(self, count: int) -> bytes:
        return self._reader.read(count)

    def skip(self, count: int) -> None:
        while count > 0 and (taken := self._reader.read(min(count, 65536))):
            count -= len(taken)


class _Inflating(io.RawIOBase):
    """The inflated bytes of a file from an offset on; a bomb ends at a limit."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._file = io.FileIO(descriptor, closefd=False)
        self._file.seek(offset)
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._left = _MOST_INFLATED_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view, filled = memoryview(buffer), 0
        while filled < len(view) and not self._inflate.eof:
            piece = self._inflate.unconsumed_tail or self._file.read(_BUFFER_BYTES)
            try:
                inflated = self._inflate.decompress(piece, len(view) - filled)
            except zlib.error as error:
                raise Unprocessable(
                    said("its deflated data set can't be inflated: {error}", error=error)
                ) from error
            if not piece and not inflated:
                break
            view[filled : filled + len(inflated)] = inflated
            filled += len(inflated)
        self._left -= filled
        if self._left < 0:
            raise Unprocessable(
                said(
                    "it inflates to more than {count} bytes of header",
                    count=_MOST_INFLATED_BYTES,
                )
            )
        return filled


def read_header(descriptor: int, offset: int, transfer_syntax_uid: str) -> Header:
    """The identifying attributes of the data set that begins at `offset` of an open file.

    Raises `Unprocessable` when it can't be read as a data set in that transfer syntax.
    """
    if transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        source: _Source = _Deflated(descriptor, offset)
    else:
        source = _File(descriptor, offset)
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    return _decoded(_Scanner(source, implicit=_looks_implicit(source), order=order).wanted_values())


def _looks_implicit(source: _Source) -> bool:
    """Whether the first element has no VR, whatever the transfer syntax says: some peers lie."""
    vr = source.peek(6)[4:6]
    return not (vr.isalpha() and vr.isupper())


class _Scanner:
    """Walks the elements of a data set, of which it keeps only the wanted ones."""

    def __init__(self, source: _Source, *, implicit: bool, order: str) -> None:
        self._source, self._implicit = source, implicit
        self._tag = struct.Struct(f"{order}HH")
        self._short, self._long = struct.Struct(f"{order}H"), struct.Struct(f"{order}L")
        self._elements = 0
        self._rest = b""  # of the 8 bytes that every element and item begins with, behind the tag

    def wanted_values(self) -> dict[int, bytes]:
        """Values by tag, up to the last wanted one."""
        values: dict[int, bytes] = {}
        while (tag := self._next_tag()) is not None and tag <= _LAST:
            vr, length = self._vr_and_length(self._implicit)
            if length == _UNDEFINED:
                self._skip_undefined(self._implicit or vr == b"UN")
            elif tag in _WANTED or tag == _SPECIFIC_CHARACTER_SET:
                values[tag] = self._value(tag, length)
            else:
                self._source.skip(length)
        return values

    def _value(self, tag: int, length: int) -> bytes:
        wanted = min(length, _MOST_VALUE_BYTES)
        value = self._source.read(wanted)
        if len(value) < wanted:
            raise Unprocessable(
                said(
                    "it ends within ({group:04X},{element:04X})",
                    group=tag >> 16,
                    element=tag & 0xFFFF,
                )
            )
        self._source.skip(length - wanted)
        return value

    def _next_tag(self) -> int | None:
        head = self._source.read(8)
        if len(head) < 4:
            return None
        self._rest = head[4:]
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise Unprocessable(
                said(
                    "its header has more than {count} elements",
                    count=_MOST_ELEMENTS,
                )
            )
        group, element = self._tag.unpack_from(head)
        return int(group) << 16 | int(element)

    def _vr_and_length(self, implicit: bool) -> tuple[bytes, int]:
        if implicit:
            return b"", self._length(self._rest)
        vr = _four(self._rest)[:2]
        if vr in LONG_VRS:
            return vr, self._length(self._source.read(4))
        if not (vr.isalpha() and vr.isupper()):
            raise Unprocessable(said("its data set is not encoded as its transfer syntax says"))
        return vr, self._short.unpack_from(self._rest, 2)[0]

    def _skip_undefined(self, implicit: bool) -> None:
        """Skip a sequence (or encapsulated value) of undefined length and all that nests in it.

        `open_` holds what is open: True for an item of undefined length, False for a sequence;
        beside it whether elements in there have implicit VR (PS3.5 6.2.2 note 2: inside UN).
        """
        open_: list[tuple[bool, bool]] = [(False, implicit)]
        while open_:
            in_item, implicit = open_[-1]
            tag = self._next_tag()
            if tag is None:
                raise Unprocessable(said("it ends within a sequence"))
            if tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
                length = self._length(self._rest)
                if tag != _ITEM:
                    open_.pop()
                elif length == _UNDEFINED:
                    open_.append((True, implicit))
                else:
                    self._source.skip(length)
            elif not in_item:
                raise Unprocessable(said("a sequence holds something that is no item"))
            else:
                vr, length = self._vr_and_length(implicit)
                if length == _UNDEFINED:
                    open_.append((False, implicit or vr == b"UN"))
                else:
                    self._source.skip(length)

    def _length(self, data: bytes) -> int:
        return int(self._long.unpack(_four(data))[0])


def _four(data: bytes) -> bytes:
    """The bytes themselves, of which there have to be four."""
    if len(data) < 4:
        raise Unprocessable(said("it ends within an element"))
    return data


def _decoded(values: dict[int, bytes]) -> Header:
    encodings = _encodings(values.get(_SPECIFIC_CHARACTER_SET, b""))
    texts = {name: _text(values.get(tag, b""), encodings) for tag, name in _WANTED.items()}
    return Header(**{field.name: texts[field.name] for field in fields(Header)})


def _encodings(specific_character_set: bytes) -> list[str]:
    """Python's names of the character sets (PS3.3 C.12.1.1.2); an unknown one reads as Latin 1."""
    terms = specific_character_set.decode("ascii", "replace").split("\\")
    return [python_encoding.get(term.strip("\0 "), "iso8859") for term in terms]


def _text(value: bytes, encodings: list[str]) -> str:
    if b"\x1b" in value:  # switches between character sets (PS3.5 6.1.2.5)
        text = decode_bytes(value, encodings, {0x0D, 0x0A, 0x09, 0x0C, 0x5E, 0x3D, 0x5C})
    else:
        text = value.decode(encodings[0], "replace")
    return text.replace("\0", "").strip()[:MOST_CHARACTERS].strip()
