"""Data sets that are nearly right: real ones and hostile ones, made worse."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from dicom_router.dimse import is_storage
from dicom_router.part10 import LONG_VRS
from tests.fuzz.mutation import lying_length, mutated
from tests.support.development_data import development_data
from tests.support.hostile import (
    DEFLATED,
    EXPLICIT,
    IDENTIFIERS,
    bomb,
    hostile_data_sets,
    identified,
    named,
)
from tests.support.instances import CT_IMAGE_STORAGE

_MOST_BYTES = 200_000  # of a real file; larger ones make the run long and nothing else
_MOST_CONTEXTS = 120


@dataclass(frozen=True)
class Source:
    """A data set and what it is sent as."""

    kind: tuple[str, str]  # SOP class, transfer syntax
    content: bytes


@cache
def sources() -> tuple[Source, ...]:
    """What is mutated; all of it fits into one association."""
    found = [
        Source((CT_IMAGE_STORAGE, each.transfer_syntax_uid), each.content)
        for each in hostile_data_sets().values()
    ]
    found += [Source((CT_IMAGE_STORAGE, EXPLICIT), named(text)) for text in IDENTIFIERS.values()]
    found.append(Source((CT_IMAGE_STORAGE, DEFLATED), bomb(1)))
    kinds = {each.kind for each in found}
    for file in development_data():
        is_taken = file.is_sendable and is_storage(file.sop_class_uid)
        if not is_taken or file.path.stat().st_size > _MOST_BYTES:
            continue
        kind = file.sop_class_uid, file.transfer_syntax_uid
        if kind in kinds or len(kinds) < _MOST_CONTEXTS:
            kinds.add(kind)
            found.append(Source(kind, file.data_set()))
    return tuple(each for each in found if each.content)


def made(random: Random, among: Sequence[Source]) -> Source:
    """One of them, changed; never empty."""
    source = random.choice(among)
    change = random.choice((_anywhere, _header, _header, _cut, _lengths, _lengths, _wrapped))
    content = change(random, source.content) or b"\0"
    kind = source.kind if random.random() < 0.95 else random.choice(among).kind
    return Source(kind, content)


def _anywhere(random: Random, content: bytes) -> bytes:
    return mutated(random, content)


def _header(random: Random, content: bytes) -> bytes:
    """Where the identifying attributes are."""
    end = min(len(content), 3000)
    return mutated(random, content[:end], 8) + content[end:]


def _cut(random: Random, content: bytes) -> bytes:
    near = min(len(content), 2000)
    return content[: random.randint(1, random.choice((near, len(content))))]


def _lengths(random: Random, content: bytes) -> bytes:
    """Let some elements lie about their lengths, as far as the data set can be walked."""
    data, at, places = bytearray(content), 0, list[tuple[int, str]]()
    while at + 12 <= len(data) and len(places) < 200:
        vr = bytes(data[at + 4 : at + 6])
        layout, start = ("<I", at + 8) if vr in LONG_VRS else ("<H", at + 6)
        places.append((start, layout))
        at = start + struct.calcsize(layout) + struct.unpack_from(layout, data, start)[0]
    for start, layout in random.sample(places, min(len(places), random.randint(1, 3))):
        size = struct.calcsize(layout)
        length = lying_length(random, struct.unpack_from(layout, data, start)[0], size)
        struct.pack_into(layout, data, start, length)
    return bytes(data)


def _wrapped(random: Random, content: bytes) -> bytes:
    """One data set in front of another's identification."""
    return identified(mutated(random, content[:2000]), f"1.2.{random.randint(1, 50)}")
