"""File meta information: what is written is read again, and found where other readers look."""

import os
from pathlib import Path

import pytest
from pydicom.filereader import read_file_meta_info

from dicom_router.errors import Unprocessable
from dicom_router.part10 import FileMeta, encode_file_meta, read_file_meta

META = FileMeta(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_instance_uid="1.2.3",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    calling_ae_title="CT1",
    called_ae_title="DICOMROUTER",
    peer_address="dicom://10.0.0.5:5000",
    receiving_address="dicom://10.0.0.1:104",
    receipt_id="20260122T141530.000000Z_a_000001",
)
DATA_SET = b"\x08\x00\x16\x00UI\x02\x001\x00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.dcm"


def read(path: Path, content: bytes) -> tuple[FileMeta, int]:
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_file_meta(descriptor)
    finally:
        os.close(descriptor)


def test_what_was_written_is_read_again(path: Path) -> None:
    encoded = encode_file_meta(META)
    assert read(path, encoded + DATA_SET) == (META, len(encoded))


def test_pydicom_finds_the_provenance_in_the_standard_s_attributes(path: Path) -> None:
    path.write_bytes(encode_file_meta(META) + DATA_SET)
    found = read_file_meta_info(path)
    assert found.MediaStorageSOPInstanceUID == "1.2.3"
    assert found.SourceApplicationEntityTitle == found.SendingApplicationEntityTitle == "CT1"
    assert found.ReceivingApplicationEntityTitle == "DICOMROUTER"
    assert found.SourcePresentationAddress == "dicom://10.0.0.5:5000"
    assert found.FileMetaInformationGroupLength == len(encode_file_meta(META)) - 144


def test_a_meta_longer_than_one_read_is_read_whole(path: Path) -> None:
    long = FileMeta("1.2", "1.2.3", "1.2.840.10008.1.2", peer_address="dicom://" + "x" * 20_000)
    encoded = encode_file_meta(long)
    assert read(path, encoded + DATA_SET) == (long, len(encoded))


@pytest.mark.parametrize("content", [b"", b"\0", b"\2", b"\2\0\x10\0UI\4\x001.2\0" + DATA_SET])
def test_the_data_set_begins_after_our_meta_whatever_its_first_bytes_are(
    path: Path, content: bytes
) -> None:
    encoded = encode_file_meta(META)
    assert read(path, encoded + content) == (META, len(encoded))


@pytest.mark.parametrize("length", [0, 12, 7, 0xFFFFFFFF])
def test_a_group_length_of_others_that_lies_is_not_believed(path: Path, length: int) -> None:
    theirs = encode_file_meta(META).replace(b"\x02\x00\x00\x01UI", b"\x02\x00\x01\x01UI")
    lying = theirs[:140] + length.to_bytes(4, "little") + theirs[144:]
    meta, offset = read(path, lying + DATA_SET)
    assert (meta.sop_instance_uid, offset) == ("1.2.3", len(theirs))


@pytest.mark.parametrize("uid", ["9" * 70_000, "\ufffd" * 30_000])
def test_a_uid_longer_than_an_element_may_be_is_cut(path: Path, uid: str) -> None:
    encoded = encode_file_meta(FileMeta("1.2", uid, "1.2.840.10008.1.2"))
    found, offset = read(path, encoded + DATA_SET)
    assert offset == len(encoded)
    assert uid.startswith(found.sop_instance_uid.rstrip("\ufffd"))
    assert len(found.sop_instance_uid.encode()) >= 60_000


def test_private_information_of_others_is_no_receipt(path: Path) -> None:
    ours = encode_file_meta(META)
    theirs = ours.replace(b"\x02\x00\x00\x01UI", b"\x02\x00\x01\x01UI")
    assert read(path, theirs + DATA_SET)[0].receipt_id == ""


@pytest.mark.parametrize("cut", [0, 100, 132, 150, 200])
def test_a_file_that_is_none_or_ends_too_soon_is_told(path: Path, cut: int) -> None:
    with pytest.raises(Unprocessable):
        read(path, encode_file_meta(META)[:cut])


def test_a_file_of_nothing_but_its_meta_has_an_empty_data_set(path: Path) -> None:
    encoded = encode_file_meta(META)
    assert read(path, encoded) == (META, len(encoded))
