"""File meta information (PS3.10 section 7.1): written by the receiver, read by everyone after it.

The provenance of an instance is in the attributes that the Standard has for it; the receipt's id is
the private information, so that whoever opens a file knows which receipt's bytes these are.
"""

import os
import struct
from dataclasses import dataclass

from dicom_router.dimse import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_router.errors import Unprocessable
from dicom_router.said import said

_PREAMBLE = b"\0" * 128 + b"DICM"
# Of these the length takes 32 bits (PS3.5 7.1.2).
LONG_VRS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_ELEMENT = struct.Struct("<HH2sH")  # group, element, VR, length unless that takes 32 bits
_MOST_META_BYTES = 1 << 20  # a file meta larger than this is none
_MOST_VALUE_BYTES = 0xFFFE  # of what we write; what is longer, as no UID can be, is cut


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the file meta says; texts are stripped, absent ones empty."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str = ""  # (0002,0016) and (0002,0017)
    called_ae_title: str = ""  # (0002,0018)
    peer_address: str = ""  # (0002,0026) and (0002,0027), as `dicom://host:port`
    receiving_address: str = ""  # (0002,0028)
    receipt_id: str = ""  # (0002,0102), when (0002,0100) is ours


def encode_file_meta(meta: FileMeta) -> bytes:
    """Preamble, prefix and group 2 of a file, in the order of their tags."""
    elements = b"".join(
        (
            _element(0x0001, b"OB", b"\0\1"),
            _uid(0x0002, meta.sop_class_uid),
            _uid(0x0003, meta.sop_instance_uid),
            _uid(0x0010, meta.transfer_syntax_uid),
            _uid(0x0012, IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION_NAME)),
            _element(0x0016, b"AE", _padded(meta.calling_ae_title)),
            _element(0x0017, b"AE", _padded(meta.calling_ae_title)),
            _element(0x0018, b"AE", _padded(meta.called_ae_title)),
            _element(0x0026, b"UR", _padded(meta.peer_address)),
            _element(0x0027, b"UR", _padded(meta.peer_address)),
            _element(0x0028, b"UR", _padded(meta.receiving_address)),
            _uid(0x0100, IMPLEMENTATION_CLASS_UID),
            _element(0x0102, b"OB", _padded(meta.receipt_id)),
        )
    )
    return _PREAMBLE + _element(0x0000, b"UL", struct.pack("<I", len(elements))) + elements


def read_file_meta(descriptor: int) -> tuple[FileMeta, int]:
    """The file meta of an open file, and where its data set begins, in bytes.

    Raises `Unprocessable` when it is no Part 10 file.
    """
    data = os.pread(descriptor, 8192, 0)
    if data[128:132] != b"DICM":
        raise Unprocessable(said("it is no DICOM file: there is no DICM prefix at byte 128"))
    values, at = dict[int, bytes](), len(_PREAMBLE)
    while True:
        at = _read_group_two(data, at, values)
        if at == _own_end(values) or (at + 2 <= len(data) and data[at : at + 2] != b"\2\0"):
            return _meta(values), at
        if len(data) >= _MOST_META_BYTES:
            raise Unprocessable(
                said(
                    "its file meta is longer than {count} bytes",
                    count=_MOST_META_BYTES,
                )
            )
        more = os.pread(descriptor, len(data), len(data))
        if not more:
            if values and at == len(data):
                return _meta(values), at  # a file of nothing but its meta
            raise Unprocessable(said("it ends within its file meta"))
        data += more


def _read_group_two(data: bytes, at: int, values: dict[int, bytes]) -> int:
    """Add the elements of group 2 that are whole in `data`; the offset after the last of them."""
    end = _own_end(values)
    while at + 12 <= len(data) and at != end:
        group, element, vr, length = _ELEMENT.unpack_from(data, at)
        if group != 2:
            break
        start = at + 8
        if vr in LONG_VRS:
            length, start = int.from_bytes(data[start : start + 4], "little"), at + 12
        if start + length > len(data):
            break
        values[element] = data[start : start + length]
        at = start + length
        if element in (0x0000, 0x0100):
            end = _own_end(values)
    return at


def _own_end(values: dict[int, bytes]) -> int:
    """Where our own file meta ends by its group length; -1 while it is not known to be ours.

    The first byte of the data set may be anything, group 2 again among it. The group lengths of
    others are not relied on: some lie.
    """
    length = values.get(0x0000, b"")
    if len(length) != 4 or not _is_ours(values):
        return -1
    return len(_PREAMBLE) + 12 + int.from_bytes(length, "little")


def _is_ours(values: dict[int, bytes]) -> bool:
    return values.get(0x0100, b"").rstrip(b"\0") == IMPLEMENTATION_CLASS_UID.encode()


def _meta(values: dict[int, bytes]) -> FileMeta:
    def text(element: int) -> str:
        return values.get(element, b"").decode("utf-8", "replace").strip("\0 ")

    ours = _is_ours(values)
    return FileMeta(
        sop_class_uid=text(0x0002),
        sop_instance_uid=text(0x0003),
        transfer_syntax_uid=text(0x0010),
        calling_ae_title=text(0x0017) or text(0x0016),
        called_ae_title=text(0x0018),
        peer_address=text(0x0027) or text(0x0026),
        receiving_address=text(0x0028),
        receipt_id=text(0x0102) if ours else "",
    )


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    value = value[:_MOST_VALUE_BYTES]
    if vr in LONG_VRS:
        return struct.pack("<HH2sHI", 2, element, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value


def _uid(element: int, value: str) -> bytes:
    encoded = value.encode("utf-8", "replace")
    return _element(element, b"UI", encoded + b"\0" * (len(encoded) % 2))


def _padded(value: str) -> bytes:
    encoded = value.encode("utf-8", "replace")
    return encoded + b" " * (len(encoded) % 2)
