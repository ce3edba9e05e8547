"""How folders and files are named."""

from datetime import UTC, datetime

import pytest

from dicom_router.archive import ReceiptId
from services.organizer.names import file_name, folder_name, name_part, person_name, stray_name

CREATED = datetime(2026, 1, 22, 14, 15, 30, tzinfo=UTC)


def test_a_folder_is_named_by_time_patient_id_and_patient_name() -> None:
    assert folder_name(CREATED, "P001", "DOE^JOHN") == "20260122_141530_P001_DOE_JOHN"


def test_a_second_study_that_wants_the_same_name_gets_a_number() -> None:
    assert folder_name(CREATED, "P001", "DOE^JOHN", 2) == "20260122_141530_P001_DOE_JOHN_2"


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("DOE^JOHN", "DOE_JOHN"),
        ("DOE^JOHN^^^", "DOE_JOHN"),
        ("Ångström^Жанна^王", "Ångström_Жанна_王"),
        ("=王^小東", "王_小東"),
        ("Wang^XiaoDong=王^小東", "Wang_XiaoDong"),
        ("", "UNKNOWN"),
        ("^^", "UNKNOWN"),
    ],
)
def test_a_person_name_keeps_letters_of_any_script_of_its_first_group(
    value: str, part: str
) -> None:
    assert person_name(value) == part


@pytest.mark.parametrize(
    "value", ["../../etc/passwd", "/", "..", "a\0b", "a\nb", "<script>", "C:\\x", "\u202e", "."]
)
def test_no_identifier_can_leave_the_data_folder(value: str) -> None:
    part = name_part(value)
    assert part == "UNKNOWN" or all(c.isalnum() or c == "_" for c in part)


def test_combining_characters_are_composed_first() -> None:
    assert name_part("A\u030angstro\u0308m") == "Ångström"


def test_a_part_never_exceeds_64_characters_nor_a_name_240_bytes() -> None:
    assert len(name_part("x" * 10_000)) == 64
    name = folder_name(CREATED, "王" * 100, "王" * 100, 12)
    assert len(name.encode()) <= 240
    assert name.endswith("_12")


@pytest.mark.parametrize(
    ("modality", "uid", "name"),
    [
        ("CT", "1.2.840.1", "CT.1.2.840.1.dcm"),
        ("", "1.2.840.1", "OT.1.2.840.1.dcm"),
        ("C/T", "1.2.840.01", "C_T.1.2.840.01.dcm"),
    ],
)
def test_a_file_is_named_by_modality_and_uid(modality: str, uid: str, name: str) -> None:
    assert file_name(modality, uid) == name


def test_two_uids_that_are_none_never_meet_in_one_file() -> None:
    names = {file_name("CT", uid) for uid in ("a/b", "a_b", "a:b", "../a", "1." * 40, "1." * 41)}
    assert len(names) == 6
    assert not any("/" in name for name in names)


@pytest.mark.parametrize("name", ["x" * 300, "\udcff", "\x1b[2J", "../a", ".hidden", "", "é"])
def test_a_stray_name_is_made_into_one_that_stays_as_it_is_from_then_on(name: str) -> None:
    made = stray_name(name)
    assert made == stray_name(made) != stray_name(f"{name}.")
    assert made.isascii()
    assert len(made) < 100
    assert made[0] != "."


def test_a_receipt_id_tells_its_parts_again() -> None:
    receipt = ReceiptId(CREATED, "0123456789abcdef", 17)
    assert str(receipt) == "20260122T141530.000000Z_0123456789abcdef_000017"
    assert ReceiptId.parse(str(receipt)) == receipt


@pytest.mark.parametrize(
    "text",
    [
        "20260122T141530.000000Z_" + "a" * 65 + "_000001",
        "٢0260122T141530.000000Z_a_000001",
        "",
        "x",
        "20261341T000000.000000Z_a_000001",
        "20260122T141530Z_a_1",
    ],
)
def test_what_is_no_receipt_id_is_told_from_one(text: str) -> None:
    assert ReceiptId.parse(text) is None
