"""Command sets: what pynetdicom writes we read, what we write it reads, and broken ones."""

from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode as pynetdicom_decode
from pynetdicom.dsutils import encode as pynetdicom_encode

from dicom_router.dimse import ProtocolError, StoreStatus
from dicom_router.dimse.command import Command, decode, echo_request, response, store_request


def read(data: bytes) -> Dataset:
    return pynetdicom_decode(BytesIO(data), is_implicit_vr=True, is_little_endian=True)


def test_pynetdicom_reads_our_c_store_request() -> None:
    data = store_request(65535, "1.2.840.10008.5.1.4.1.1.2", "1.2.3")
    theirs = read(data)
    assert theirs.CommandGroupLength == len(data) - 12
    assert theirs.CommandField == 0x0001
    assert theirs.MessageID == 65535
    assert theirs.AffectedSOPInstanceUID == "1.2.3"
    assert theirs.CommandDataSetType != 0x0101


def test_we_read_pynetdicoms_response() -> None:
    theirs = Dataset()
    theirs.CommandField = 0x8001
    theirs.MessageIDBeingRespondedTo = 5
    theirs.CommandDataSetType = 0x0101
    theirs.Status = 0xA700
    theirs.ErrorComment = "disk full"
    data = pynetdicom_encode(theirs, is_implicit_vr=True, is_little_endian=True)
    assert data is not None
    ours = decode(data)
    assert (ours.field, ours.message_id_responded_to, ours.has_data_set) == (0x8001, 5, False)
    assert ours.status == StoreStatus(0xA700, "disk full")


def test_a_response_repeats_the_uids_and_cuts_the_comment() -> None:
    request = decode(store_request(3, "1.2.840.10008.5.1.4.1.1.2", "9" * 71))
    data = response(request, StoreStatus(0xC123, "ä\\" + "x" * 100))
    theirs = read(data)
    assert theirs.CommandField == 0x8001
    assert theirs.MessageIDBeingRespondedTo == 3
    assert theirs.Status == 0xC123
    assert theirs.ErrorComment == "?/" + "x" * 62
    assert decode(data).sop_instance_uid == "9" * 71


def test_a_normalized_request_gets_its_requested_uids_back_as_affected() -> None:
    request = Command({0x0003: b"1.2", 0x0100: b"\x20\x01", 0x0110: b"\1\0", 0x1001: b"1.23"})
    theirs = read(response(request, StoreStatus(0x0211)))
    assert (theirs.CommandField, theirs.AffectedSOPClassUID) == (0x8120, "1.2")
    assert theirs.AffectedSOPInstanceUID == "1.23"


@pytest.mark.parametrize("padding", ["", "\0", " ", "\0\0"])
def test_uids_lose_their_padding_and_nothing_else(padding: str) -> None:
    uid = b"1.2.\xff" + padding.encode()
    assert Command({0x1000: uid}).sop_instance_uid == "1.2.\ufffd"


def test_a_command_set_cut_anywhere_is_decoded_or_refused_but_nothing_else() -> None:
    data = echo_request(1, "1.2.840.10008.1.1")
    whole = 0
    for end in range(len(data)):
        try:
            decode(data[:end])
        except ProtocolError:
            continue
        whole += 1
    assert whole == 5  # between its five elements, and before the first


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\0\0\0\0\0\0\0",  # another group
        b"\0\0\x02\0UI\x02\x001.",  # explicit VR
        b"\0\0\x02\0\xff\xff\xff\xff",
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)


def test_a_command_set_without_its_numbers_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"\(0000,0100\)"):
        _ = decode(b"").field
