"""Sequences of PDUs that are nearly right: each opens a connection of its own."""

import struct
from collections.abc import Callable
from random import Random

from dicom_router.dimse.associate import (
    AssociateRequest,
    PresentationContext,
    UserInformation,
    encode_request,
)
from dicom_router.dimse.command import encode, store_request
from tests.fuzz.mutation import lying_length, mutated, reordered
from tests.support.instances import CT_IMAGE_STORAGE, data_set
from tests.unit.dimse.peers import (
    ABORT,
    COMMAND,
    EXPLICIT,
    IMPLICIT,
    LAST,
    RELEASE_RQ,
    VERIFICATION,
    command_set,
    p_data,
    pdv,
)

_STUDY, _SERIES = "1.2.3.4.5.6", "1.2.3.4.5.6.7"  # so that what is stored is one study
_OBJECT = data_set(StudyInstanceUID=_STUDY, SeriesInstanceUID=_SERIES, PatientID="FUZZ")
_CONTEXTS = (
    PresentationContext(1, CT_IMAGE_STORAGE, (EXPLICIT, IMPLICIT)),
    PresentationContext(3, VERIFICATION, (IMPLICIT,)),
)
_TITLES = ("SCANNER", "", " " * 16, "É\u738b", "A\\B", "\n\r\0\x1b", "x" * 40)
UIDS = ("1.2.3", "", "../../etc/passwd", "9" * 65, "1." * 5000, "<script>", "\0\n\x1b", "é" * 40)


def sequence(random: Random) -> list[bytes]:
    """PDUs of one connection, at least one of them not as it should be."""
    if random.random() < 0.15:
        pdus = _well_formed(random)[1:]  # before there is an association
    elif random.random() < 0.3:
        pdus = [_odd_request(random), *_messages(random)]
    else:
        pdus = _well_formed(random)
    if random.random() < 0.3:
        pdus = reordered(random, pdus)
    at = random.randrange(len(pdus)) if pdus else 0
    pdus[at : at + 1] = [random.choice(_ONE)(random, pdus[at] if pdus else b"")]
    return pdus


def _well_formed(random: Random) -> list[bytes]:
    return [request(_CONTEXTS), *_messages(random), RELEASE_RQ]


def request(
    contexts: tuple[PresentationContext, ...], calling: str = "SCANNER", max_pdu: int = 16384
) -> bytes:
    """An A-ASSOCIATE-RQ with any contexts, more than there may be among them."""
    return encode_request(AssociateRequest("ROUTER", calling, contexts, UserInformation(max_pdu)))


def _messages(random: Random) -> list[bytes]:
    pdus: list[bytes] = []
    for number in range(random.randint(1, 3)):
        pdus += random.choice((_store, _store, _echo, _other))(random, number + 1)
    return pdus


def _store(random: Random, number: int) -> list[bytes]:
    uid = f"1.2.3.{random.randint(1, 2000)}" if random.random() < 0.7 else random.choice(UIDS)
    command = store_request(number, CT_IMAGE_STORAGE, uid)
    content = _OBJECT if random.random() < 0.5 else mutated(random, _OBJECT)
    cut = random.randint(0, len(content))
    return [
        p_data(pdv(COMMAND | LAST, command)),
        p_data(pdv(0, content[:cut])),
        p_data(pdv(LAST, content[cut:])),
    ]


def _echo(random: Random, _number: int) -> list[bytes]:
    return [p_data(pdv(COMMAND | LAST, command_set(0x0030), random.choice((1, 3))))]


def _other(random: Random, _number: int) -> list[bytes]:
    """A command that is none of ours, or not even one."""
    elements = {random.randrange(0x1100): random.randbytes(random.randint(0, 12)) for _ in "abcd"}
    command = random.choice((encode(elements), command_set(random.randrange(0x10000))))
    return [p_data(pdv(COMMAND | LAST, command, random.choice((1, 3, 5, 0, 255))))]


def _odd_request(random: Random) -> bytes:
    many = random.choice((0, 1, 128, 129, 200, 400))
    contexts = tuple(
        PresentationContext(
            (2 * number + 1 if random.random() < 0.9 else random.randrange(256)) % 256,
            random.choice((CT_IMAGE_STORAGE, VERIFICATION, "1.2.3.4", *UIDS)),
            tuple(random.choices((EXPLICIT, IMPLICIT, *UIDS), k=random.randint(0, 3))),
        )
        for number in range(many)
    )
    return request(contexts, random.choice(_TITLES), random.choice((0, 1, 7, 16, 128, 0xFFFFFFFF)))


def _bytes_changed(random: Random, pdu: bytes) -> bytes:
    return mutated(random, pdu)


def _length_lies(random: Random, pdu: bytes) -> bytes:
    if len(pdu) < 6:
        return pdu
    kind, length = struct.unpack_from(">BxI", pdu)
    return struct.pack(">BxI", kind, lying_length(random, length, 4)) + pdu[6:]


def _other_type(random: Random, pdu: bytes) -> bytes:
    return bytes([random.randrange(256)]) + pdu[1:]


def _noise(random: Random, _pdu: bytes) -> bytes:
    return random.randbytes(random.randint(1, 2000))


def _odd_fragment(random: Random, _pdu: bytes) -> bytes:
    """A P-DATA-TF of fragments with any context, control header and length."""
    body = b""
    for _ in range(random.randint(0, 20)):
        content = random.randbytes(random.choice((0, 1, 40, 2000)))
        piece = pdv(random.randrange(256), content, random.choice((1, 3, random.randrange(256))))
        if random.random() < 0.2:
            piece = struct.pack(">I", lying_length(random, len(content), 4)) + piece[4:]
        body += piece
    return struct.pack(">BxI", 4, len(body)) + body


def _unexpected(random: Random, pdu: bytes) -> bytes:
    extra = (RELEASE_RQ, ABORT, bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0)), request(_CONTEXTS))
    made = [pdu, random.choice(extra)]
    random.shuffle(made)
    return b"".join(made)


_ONE: tuple[Callable[[Random, bytes], bytes], ...] = (
    _bytes_changed,
    _bytes_changed,
    _bytes_changed,
    _length_lies,
    _other_type,
    _noise,
    _odd_fragment,
    _unexpected,
)
