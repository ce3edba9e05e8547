"""A-ASSOCIATE PDUs: what pynetdicom writes we read, what we write it reads, and odd ones."""

import struct

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ

from dicom_router.dimse import ProtocolError
from dicom_router.dimse.associate import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    AssociateAccept,
    AssociateRequest,
    ContextResult,
    PresentationContext,
    UserInformation,
    decode_accept,
    decode_rejection,
    decode_request,
    encode_accept,
    encode_rejection,
    encode_request,
    pair_contexts,
)

REQUEST = AssociateRequest(
    "ROUTER",
    "SIXTEEN_LETTERS_",
    (
        PresentationContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),
        PresentationContext(255, "1.2.3", ("1.2.4", "1.2.5")),
    ),
    UserInformation(16384, "1.2.3.4", "SCANNER_1"),
)
ITEMS_AT = 6 + 68  # of the variable items within the PDU


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def test_pynetdicom_reads_our_request_and_we_read_it_back() -> None:
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(encode_request(REQUEST))
    assert theirs.calling_ae_title == "SIXTEEN_LETTERS_"
    assert [each.context_id for each in theirs.presentation_context] == [1, 255]
    assert theirs.encode() == encode_request(REQUEST)
    ours = decode_request(theirs.encode()[6:])
    assert (ours.contexts, ours.user) == (REQUEST.contexts, REQUEST.user)
    assert (ours.called_ae_title, ours.calling_ae_title) == ("ROUTER", "SIXTEEN_LETTERS_")


def test_pynetdicom_reads_our_acceptance_and_we_read_it_back() -> None:
    accept = AssociateAccept(
        (ContextResult(1, 0, "1.2.840.10008.1.2"), ContextResult(3, 3, "")), REQUEST.user
    )
    pdu = encode_accept(accept, b"ROUTER".ljust(16) + b"SCANNER".ljust(48))
    theirs = A_ASSOCIATE_AC()
    theirs.decode(pdu)
    assert [each.result for each in theirs.presentation_context] == [0, 3]
    assert theirs.user_information is not None
    assert theirs.user_information.maximum_length == 16384
    assert decode_accept(pdu[6:]) == accept


def test_a_rejection_is_in_words() -> None:
    pdu = encode_rejection(CALLED_AE_TITLE_NOT_RECOGNIZED)
    theirs = A_ASSOCIATE_RJ()
    theirs.decode(pdu)
    assert theirs.reason_str == "Called AE title not recognised"
    assert decode_rejection(pdu[6:]).text == "called AE title not recognized (permanent)"
    assert decode_rejection(b"").text == "source 0, reason 0 (result 0)"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b" " * 16, ""),
        (b"\0" * 16, ""),
        (b"AB\0\0".ljust(16, b"\0"), "AB"),
        (b" A\\B".ljust(16), "A\\B"),
        ("São".encode("latin1").ljust(16), "S?o"),
        (b"A\nB".ljust(16), "A?B"),
    ],
)
def test_ae_titles_are_taken_as_they_come(raw: bytes, text: str) -> None:
    pdu = encode_request(REQUEST)
    decoded = decode_request(pdu[6:26] + raw + pdu[42:])
    assert decoded.calling_ae_title == text
    assert decoded.echo[16:32] == raw


def test_unknown_items_are_skipped_wherever_they_are() -> None:
    pdu = encode_request(REQUEST)
    user_at = pdu.rindex(b"\x50\0", ITEMS_AT)
    user = pdu[user_at + 4 :] + item(0x5A, b"new") + item(0x54, b"\0\x011\x02\x02")
    body = pdu[6:ITEMS_AT] + item(0x99, b"?") + pdu[ITEMS_AT:user_at] + item(0x50, user)
    assert decode_request(body) == decode_request(pdu[6:])


def test_a_uid_of_any_length_is_taken() -> None:
    uid = "1." * 60 + "1"
    request = AssociateRequest("A", "B", pair_contexts([(uid, uid)]), REQUEST.user)
    (context,) = decode_request(encode_request(request)[6:]).contexts
    assert (context.abstract_syntax, context.transfer_syntaxes) == (uid, (uid,))


def test_a_request_cut_anywhere_is_decoded_or_refused_but_nothing_else() -> None:
    body = encode_request(REQUEST)[6:]
    whole = 0
    for end in range(len(body)):
        try:
            decode_request(body[:end])
        except ProtocolError:
            continue
        whole += 1
    assert whole == 1 + 1 + len(REQUEST.contexts)  # without items, and after each but the last


def test_more_than_128_contexts_are_not_proposed() -> None:
    pairs = [(f"1.2.{number}", "1.2.840.10008.1.2") for number in range(129)]
    assert pair_contexts(pairs[:128])[-1].context_id == 255
    with pytest.raises(ValueError, match="at most 128"):
        pair_contexts(pairs)
