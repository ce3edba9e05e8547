"""Bytes made worse: flips, cuts, lies, repeats; all from the random source that is given."""

import struct
from collections.abc import Sequence
from random import Random

_INTERESTING = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x80\x00\x00\x00",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",  # an item of undefined length
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"\x1b$B",
    b"../../etc/passwd",
    b"<script>alert(1)</script>",
    b"\r\n\0\x7f\x1b",
    b"\xc3\xa9\xe7\x8e\x8b",
)


def mutated(random: Random, content: bytes, most: int = 4) -> bytes:
    """The bytes after 1 to `most` random changes; they may come out as they were."""
    data = bytearray(content)
    for _ in range(random.randint(1, most)):
        random.choice(_CHANGES)(random, data)
    return bytes(data)


def lying_length(random: Random, length: int, size: int) -> int:
    """A length that is not what it says: near the truth, enormous, or anything."""
    most = (1 << 8 * size) - 1
    near = length + random.choice((-2, -1, 1, 2, 8))
    return random.choice((near, 0, most, most - 1, most // 2, random.randint(0, most))) & most


def _flip(random: Random, data: bytearray) -> None:
    if data:
        for _ in range(random.randint(1, 8)):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _cut(random: Random, data: bytearray) -> None:
    del data[random.randint(0, len(data)) :]


def _drop(random: Random, data: bytearray) -> None:
    start, size = _span(random, data)
    del data[start : start + size]


def _repeat(random: Random, data: bytearray) -> None:
    start, size = _span(random, data)
    data[start:start] = data[start : start + size] * random.randint(1, 8)


def _insert(random: Random, data: bytearray) -> None:
    start, _ = _span(random, data)
    data[start:start] = random.choice((*_INTERESTING, random.randbytes(random.randint(1, 40))))


def _overwrite(random: Random, data: bytearray) -> None:
    start, _ = _span(random, data)
    what = random.choice(_INTERESTING)
    data[start : start + len(what)] = what


def _lie(random: Random, data: bytearray) -> None:
    """Put a length where one might be."""
    layout = random.choice((">I", "<I", ">H", "<H"))
    size = struct.calcsize(layout)
    if len(data) >= size:
        start = random.randrange(len(data) - size + 1)
        (length,) = struct.unpack_from(layout, data, start)
        struct.pack_into(layout, data, start, lying_length(random, length, size))


def _swap(random: Random, data: bytearray) -> None:
    start, size = _span(random, data)
    other, _ = _span(random, data)
    piece = data[start : start + size]
    del data[start : start + size]
    data[other:other] = piece


def _span(random: Random, data: bytearray) -> tuple[int, int]:
    return random.randint(0, len(data)), random.choice((1, 2, 4, 8, random.randint(1, 200)))


_CHANGES = (_flip, _flip, _cut, _drop, _repeat, _insert, _overwrite, _lie, _lie, _swap)


def reordered(random: Random, parts: Sequence[bytes]) -> list[bytes]:
    """The parts with one moved, doubled, left out or taken twice in another order."""
    made = list(parts)
    if made:
        at = random.randrange(len(made))
        change = random.randrange(4)
        if change == 0:
            made.insert(random.randint(0, len(made)), made[at])
        elif change == 1:
            del made[at]
        elif change == 2:
            made.insert(random.randrange(len(made)), made.pop(at))
        else:
            random.shuffle(made)
    return made
