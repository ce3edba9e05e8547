"""Data sets that nobody should send and somebody will: made by code, each with a name."""

import struct
import zlib
from dataclasses import dataclass

from tests.support.instances import data_set

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

UNDEFINED = 0xFFFFFFFF
_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
REFERENCED_IMAGE_SEQUENCE = 0x00081140


@dataclass(frozen=True)
class Hostile:
    """A data set and what it is to be sent as; `is_organized` is where it has to end."""

    content: bytes
    transfer_syntax_uid: str = EXPLICIT
    is_organized: bool = True


def element(tag: int, vr: bytes, value: bytes = b"", length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian whose length may lie."""
    said = len(value) if length is None else length
    if vr in _LONG:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, said) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, said) + value


def delimiter(tag: int, length: int = 0) -> bytes:
    """An item, or the end of one or of a sequence: these have no VR."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)


def nested(depth: int) -> bytes:
    """So many sequences of undefined length within each other."""
    opening = element(REFERENCED_IMAGE_SEQUENCE, b"SQ", length=UNDEFINED)
    opening += delimiter(ITEM, UNDEFINED)
    return opening * depth + (delimiter(ITEM_END) + delimiter(SEQUENCE_END)) * depth


def identified(before: bytes = b"", study_uid: str = "1.2.3", after: bytes = b"") -> bytes:
    """The least that is organized, with something in front of it and behind it."""
    uid = study_uid.encode()
    uid += b"\0" * (len(uid) % 2)
    patient = element(0x00100010, b"PN", b"DOE^JOHN") + element(0x00100020, b"LO", b"P001")
    return before + patient + element(0x0020000D, b"UI", uid) + after


def named(identifier: str) -> bytes:
    """A data set with one text in every place that identifies it, and as its UIDs."""
    text = identifier.encode()
    text += b" " * (len(text) % 2)
    return b"".join(
        (
            element(0x00080005, b"CS", b"ISO_IR 192"),
            element(0x00080020, b"DA", text),
            element(0x00080050, b"SH", text),
            element(0x00080060, b"CS", text),
            element(0x00081030, b"LO", text),
            element(0x00100010, b"PN", text),
            element(0x00100020, b"LO", text),
            element(0x0020000D, b"UI", text),
            element(0x0020000E, b"UI", text),
            element(0x00200013, b"IS", text),
        )
    )


def deflated(content: bytes) -> bytes:
    """As PS3.5 A.5 wants it: no header, no checksum."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def bomb(times: int) -> bytes:
    """A deflated data set of so many megabytes of empty elements, in a thousandth of the bytes."""
    return deflated(element(0x00080000, b"UL") * (times << 17))


def hostile_data_sets() -> dict[str, Hostile]:
    """One of each kind, small enough to be sent by the thousand."""
    megabytes = element(0x00091010, b"OB", bytes(3 << 20))
    pixels = element(0x7FE00010, b"OW", bytes(64))
    whole = data_set(StudyInstanceUID="1.2.3.4")
    return {
        "group length that says too much": Hostile(
            identified(element(0x00080000, b"UL", b"\xff\xff\xff\x7f"), after=pixels)
        ),
        "group length that says nothing": Hostile(
            identified(element(0x00080000, b"UL", bytes(4)) + element(0x00100000, b"UL", bytes(4)))
        ),
        "2,000 nested levels": Hostile(identified(nested(2000), after=pixels)),
        "50,000 nested levels": Hostile(identified(nested(50_000), after=pixels)),
        "nested levels that never end": Hostile(nested(3000)[: 3000 * 20], is_organized=False),
        "megabytes before the pixels": Hostile(identified(megabytes, after=pixels)),
        "megabytes after what identifies it": Hostile(identified(after=megabytes + pixels)),
        "sequence of undefined length in UN": Hostile(
            identified(
                element(0x00091011, b"UN", length=UNDEFINED)
                + delimiter(ITEM, UNDEFINED)
                + struct.pack("<HHI", 8, 0x1150, 4)  # within UN there are no VRs
                + b"1.2\0"
                + delimiter(ITEM_END)
                + delimiter(SEQUENCE_END)
            )
        ),
        "unknown VR": Hostile(identified(element(0x00080104, b"ZZ", b"ab"))),
        "VR that is none": Hostile(
            identified(element(0x00080104, b"\x01\x02", b"ab")), is_organized=False
        ),
        "element that ends nowhere": Hostile(
            identified(after=element(0x00200013, b"IS", b"1", 60_000)), is_organized=False
        ),
        "length beyond the end before the study": Hostile(
            element(0x00100010, b"PN", b"DOE", 60_000), is_organized=False
        ),
        "nothing but pixels": Hostile(pixels, is_organized=False),
        "one byte": Hostile(b"\x08", is_organized=False),
        "noise": Hostile(bytes(range(256)) * 20, is_organized=False),
        "text": Hostile(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", is_organized=False),
        "implicit under an explicit name": Hostile(
            struct.pack("<HHI", 0x20, 0x0D, 6) + b"1.2.3\0", EXPLICIT
        ),
        "explicit under an implicit name": Hostile(whole, IMPLICIT),
        "big endian": Hostile(struct.pack(">HH2sH", 0x20, 0x0D, b"UI", 6) + b"1.2.3\0", BIG_ENDIAN),
        "little endian under big endian's name": Hostile(whole, BIG_ENDIAN, is_organized=False),
        "deflated": Hostile(deflated(whole), DEFLATED),
        "deflated and cut": Hostile(deflated(whole)[:40], DEFLATED, is_organized=False),
        "not deflated under deflated's name": Hostile(whole, DEFLATED, is_organized=False),
        "deflated megabytes": Hostile(deflated(identified(megabytes)), DEFLATED),
    }


IDENTIFIERS = {
    "path": "../../../../tmp/escaped",
    "absolute path": "/etc/passwd",
    "Windows path": "..\\..\\C:\\escaped",
    "script": "<script>alert(1)</script>",
    "shell": "$(reboot);`id`|& rm -rf *",
    "SQL": "'; DROP TABLE studies; --",
    "control characters": "A\r\n\t\x07\x08\x7fB",
    "escape": "\x1b[2J\x1b]0;x\x07",
    "NUL": "A\0B",
    "10,000 characters": "A" * 10_000,
    "10,000 digits": "1." * 5000,
    "65 digits": "1." * 32 + "1",
    "dots": "..",
    "hidden": ".spool",
    "history": ".metadata.json",
    "not ASCII": "É王😀",
    "right to left": "\u202eNHOJ",
    "not composed": "A\u030a" * 200,
    "format": "%s%n{0}{{x}}",
    "spaces": "   ",
}
