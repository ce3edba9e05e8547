"""The header of any bytes at all: read or refused with a reason, for work that has an end."""

import io
import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import fields
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_router.errors import Unprocessable
from services.organizer.header import Header, _Scanner, read_header
from tests.fuzz.mutation import mutated
from tests.support.hostile import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IDENTIFIERS,
    IMPLICIT,
    Hostile,
    bomb,
    deflated,
    element,
    hostile_data_sets,
    identified,
    named,
    nested,
)
from tests.support.instances import data_set

# What a text in an odd character set can't say is told by pydicom, which is its business.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

HOSTILE = hostile_data_sets()
SYNTAXES = (EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN)


def header_of(content: bytes, transfer_syntax_uid: str = EXPLICIT) -> Header:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_header(file.fileno(), 0, transfer_syntax_uid)


class Counting:
    """A source that counts how often it is asked, and for how much."""

    def __init__(self, content: bytes) -> None:
        self._file, self.calls, self.bytes = io.BytesIO(content), 0, 0

    def peek(self, count: int) -> bytes:
        return self._file.getvalue()[self._file.tell() :][:count]

    def read(self, count: int) -> bytes:
        self.calls += 1
        self.bytes += count
        return self._file.read(count)

    def skip(self, count: int) -> None:
        self.calls += 1
        self._file.seek(count, os.SEEK_CUR)


def work(content: bytes) -> Counting:
    """What it takes to read a header."""
    source = Counting(content)
    _Scanner(source, implicit=False, order="<").wanted_values()
    return source


def header_or_none(content: bytes, transfer_syntax_uid: str) -> Header | None:
    """None for what is refused; whatever else is raised is a mistake."""
    try:
        return header_of(content, transfer_syntax_uid)
    except Unprocessable:
        return None


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_data_set_names_its_study_or_is_refused(hostile: Hostile) -> None:
    header = header_or_none(hostile.content, hostile.transfer_syntax_uid)
    assert bool(header and header.study_uid) == hostile.is_organized


@pytest.mark.parametrize("transfer_syntax_uid", SYNTAXES)
def test_a_data_set_cut_at_any_byte_is_read_or_refused(transfer_syntax_uid: str) -> None:
    whole = data_set(StudyInstanceUID="1.2.3")
    if transfer_syntax_uid == DEFLATED:
        whole = deflated(whole)
    headers = [header_or_none(whole[:end], transfer_syntax_uid) for end in range(len(whole))]
    named_so = [header for header in headers if header and header.study_uid == "1.2.3"]
    assert len(named_so) < len(whole) / 4  # the study's UID is one of the last things


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
def test_any_bytes_are_read_or_refused_and_nothing_else(content: bytes, syntax: str) -> None:
    header_or_none(content, syntax)


@settings(max_examples=300, deadline=None)
@given(st.integers(), st.sampled_from([*HOSTILE]), st.sampled_from(SYNTAXES))
def test_a_mutated_data_set_is_read_or_refused_and_nothing_else(
    seed: int, name: str, syntax: str
) -> None:
    content = mutated(Random(seed), HOSTILE[name].content[:5000], 8)
    header = header_or_none(content, syntax) or Header()
    texts = [getattr(header, field.name) for field in fields(Header)]
    assert all(len(text) <= 256 and "\0" not in text for text in texts)


@pytest.mark.parametrize("text", IDENTIFIERS.values(), ids=IDENTIFIERS.keys())
def test_any_text_is_read_as_it_is_but_for_nul_and_length(text: str) -> None:
    header = header_of(named(text))
    for value in (header.study_uid, header.patient_name, header.modality):
        assert value == text.replace("\0", "").strip()[:256].strip()


MANY: dict[str, Callable[[int], bytes]] = {
    "levels": nested,
    "elements": lambda count: element(0x00080104, b"LO", b"ab") * count,
    "elements within an item": lambda count: (
        nested(1)[:20] + element(0x00080104, b"LO", b"ab") * count + nested(1)[20:]
    ),
    "group lengths": lambda count: element(0x00080000, b"UL", b"\xff\xff\xff\x7f") * count,
    "escapes": lambda count: element(0x00080104, b"UT", b"\x1b$B" * count),
}


@pytest.mark.parametrize("make", MANY.values(), ids=MANY.keys())
def test_the_work_grows_with_the_header_and_not_faster(make: Callable[[int], bytes]) -> None:
    small, large = work(identified(make(500))), work(identified(make(5000)))
    assert large.calls <= 10 * small.calls
    assert large.bytes <= 10 * small.bytes


@pytest.mark.parametrize("megabytes", [1, 50])
def test_what_is_long_is_passed_over_and_not_read(megabytes: int) -> None:
    private = element(0x00091010, b"OB", bytes(megabytes << 20))
    assert work(identified(private)).bytes < 1000


def test_what_follows_the_last_identifying_attribute_is_not_looked_at() -> None:
    assert header_of(identified(after=b"\xff\xff\xff\xff no element")).study_uid == "1.2.3"


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_a_header_without_an_end_is_given_up(syntax: str) -> None:
    content = bomb(9) if syntax == DEFLATED else element(0x00080000, b"UL") * (9 << 17)
    with pytest.raises(Unprocessable, match="more than 1000000 elements"):
        header_of(content, syntax)


def test_a_bomb_of_one_long_element_is_given_up() -> None:
    long = deflated_blocks(130)
    with pytest.raises(Unprocessable, match="inflates to more than"):
        header_of(long, DEFLATED)


def deflated_blocks(megabytes: int) -> bytes:
    """A private element of so many megabytes of nothing, deflated without having it in memory."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    head = struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, megabytes << 20)
    parts = [packer.compress(head)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join([*parts, packer.flush()])
