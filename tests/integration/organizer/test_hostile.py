"""Files and names that are meant to do harm: each has an end, none leaves the data folder."""

import os
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from dicom_router.archive import Archive, DiskTrouble
from dicom_router.errors import TryAgain
from dicom_router.models import ReceiptState
from dicom_router.part10 import FileMeta, encode_file_meta
from services.organizer.projection import HistoryFile
from tests.integration.organizer.conftest import Bench
from tests.support.hostile import IDENTIFIERS, hostile_data_sets, named
from tests.support.instances import CT_IMAGE_STORAGE, data_set

# What a text in an odd character set can't say is told by pydicom, which is its business.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_hostile_data_sets_are_organized_or_quarantined_as_they_came(bench: Bench) -> None:
    scanner, hostile = bench.scanner(), hostile_data_sets()
    receipts = {}
    for number, (name, each) in enumerate(hostile.items()):
        uid = f"1.2.{number}"
        stored = scanner.store(each.content, uid, transfer_syntax_uid=each.transfer_syntax_uid)
        receipts[stored.receipt_id] = name, stored
    bench.intake.organize([stored for _, stored in receipts.values()])
    aside, rows = bench.aside(), bench.receipts()
    for receipt_id, (name, _stored) in receipts.items():
        row = rows[receipt_id]
        assert (row.state == ReceiptState.ORGANIZED) == hostile[name].is_organized, name
        if row.state == ReceiptState.ORGANIZED:
            study = bench.study(str(row.study_uid))
            path = bench.archive.study_file(study.folder, str(row.file_name))
        else:
            assert len(aside[f"{receipt_id}.dcm"]) > 10, name
            path = bench.archive.path(str(row.file_name))
        assert path.read_bytes().endswith(hostile[name].content), name
    assert bench.spooled() == []


def test_no_identifier_leaves_the_data_folder_or_loses_its_image(
    bench: Bench, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    scanner = bench.scanner()
    bench.intake.organize(
        [scanner.store(named(text), text or "1") for text in IDENTIFIERS.values()]
    )
    ended = {row.state for row in bench.receipts().values()}
    assert ended <= {ReceiptState.ORGANIZED, ReceiptState.QUARANTINED}
    files = bench.files()
    kept = [*files.values()]
    kept += [path.read_bytes() for path in (bench.archive.root / ".quarantine").glob("*.dcm")]
    for name, text in IDENTIFIERS.items():
        assert sum(content.endswith(named(text)) for content in kept) == 1, name
    for path in files:
        folder, _, file = path.partition("/")
        assert all(c.isalnum() or c == "_" for c in folder), path
        assert all(c.isalnum() or c in "._-" for c in file), path
    assert len({path.partition("/")[0] for path in files}) >= len(IDENTIFIERS) - 1
    assert sorted(tmp_path.iterdir()) == before


STRANGE_NAMES = {
    "not UTF-8": b"\xff\xfe.dcm",
    "250 letters": b"x" * 250 + b".dcm",
    "control characters": b"\x1b[2J\n.dcm",
    "a receipt's with a long association": b"20260122T141530.000000Z_"
    + b"a" * 200
    + b"_000001.dcm",
    "a receipt's in other digits": "\u0662\u0660260122T141530.000000Z_a_000001.dcm".encode(),
}


@pytest.mark.parametrize("name", STRANGE_NAMES.values(), ids=STRANGE_NAMES.keys())
def test_a_strange_name_in_the_spool_is_set_aside_and_holds_up_nothing(
    bench: Bench, name: bytes
) -> None:
    study = str(generate_uid())
    bench.scanner().store(data_set(StudyInstanceUID=study), generate_uid(), at=bench.clock())
    meta = FileMeta(CT_IMAGE_STORAGE, "1.2.3", "1.2.840.10008.1.2.1")
    strange = bench.archive.open_spool("host-9") / os.fsdecode(name)
    content = encode_file_meta(meta) + data_set()
    strange.write_bytes(content)
    bench.swept.clear()
    bench.sweep.run()
    assert bench.sweep.swept.is_set()
    assert bench.study(study).image_count == 1
    (aside,) = (bench.archive.root / ".quarantine").glob("*.dcm")
    assert aside.read_bytes() == content
    assert "none that a receiver gives" in next(iter(bench.aside().values()))
    assert [row.state for row in bench.receipts().values()].count(ReceiptState.QUARANTINED) == 1
    assert len(bench.outbox("instance-rejected")) == 1


def test_files_of_one_name_are_all_kept_in_quarantine(bench: Bench) -> None:
    for receiver in ("host-1", "host-2", "host-3"):
        strange = bench.archive.open_spool(receiver) / "strange.dcm"
        strange.write_bytes(receiver.encode())
    bench.sweep.run()
    kept = {path.read_bytes() for path in (bench.archive.root / ".quarantine").glob("*.dcm")}
    assert kept == {b"host-1", b"host-2", b"host-3"}
    assert len(bench.aside()) == len(bench.receipts()) == 3


NO_DICOM = {
    "text": b"hello",
    "nothing": b"",
    "an archive": b"PK\3\4" + bytes(500),
    "only the prefix": bytes(128) + b"DICM",
    "a meta of 2 MB": bytes(128) + b"DICM" + b"\2\0\1\0OB\0\0\xff\xff\xff\x00" + bytes(1 << 21),
    "a meta without UIDs": bytes(128) + b"DICM\2\0\x10\0UI\2\x001\0",
}


def test_loose_files_that_are_no_dicom_go_to_quarantine_with_the_reason(bench: Bench) -> None:
    for name, content in NO_DICOM.items():
        (bench.archive.root / f"{name}.dcm").write_bytes(content)
    loose = bench.loose()
    loose.run()
    bench.clock.forward(seconds=6)
    loose.run()
    aside = (bench.archive.root / ".quarantine").glob("*.dcm")
    assert sorted(path.read_bytes() for path in aside) == sorted(NO_DICOM.values())
    assert all(len(reason) > 10 for reason in bench.aside().values())
    assert {row.state for row in bench.receipts().values()} == {ReceiptState.QUARANTINED}
    assert list(bench.archive.loose_files()) == []


def test_a_loose_file_whose_uid_is_longer_than_any_element_is_taken_in(bench: Bench) -> None:
    uid, syntax = b"\xff" * 200_000, b"1.2.840.10008.1.2.1\0"
    meta = b"\2\0\3\0OB\0\0" + len(uid).to_bytes(4, "little") + uid
    meta += b"\2\0\x10\0UI" + len(syntax).to_bytes(2, "little") + syntax
    content = data_set(StudyInstanceUID="1.2.3")
    (bench.archive.root / "loose.dcm").write_bytes(bytes(128) + b"DICM" + meta + content)
    loose = bench.loose()
    loose.run()
    bench.clock.forward(seconds=6)
    loose.run()
    bench.sweep.run()
    (file,) = bench.files().values()
    assert file.endswith(content)


def test_other_files_in_the_data_folder_are_left_alone(bench: Bench) -> None:
    for name in ("notes.txt", "IMG0001", ".hidden.dcm", "x.dcm.part"):
        (bench.archive.root / name).write_bytes(b"mine")
    (bench.archive.root / "folder.dcm").mkdir()
    os.mkfifo(bench.archive.root / "pipe.dcm")
    before = sorted(bench.archive.root.rglob("*"))
    loose = bench.loose()
    for _ in range(3):
        loose.run()
        bench.sweep.run()
        bench.clock.forward(seconds=61)
    assert sorted(bench.archive.root.rglob("*")) == before


# -- symbolic links --------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder outside the data folder, with something in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    meta = FileMeta(CT_IMAGE_STORAGE, "1.2.3", "1.2.840.10008.1.2.1")
    (folder / "secret.dcm").write_bytes(encode_file_meta(meta) + data_set())
    return folder


def test_links_among_loose_and_spooled_files_are_not_followed(
    bench: Bench, elsewhere: Path
) -> None:
    secret = elsewhere / "secret.dcm"
    before = everything_below(elsewhere)
    receipt = "20260122T141530.000000Z_aaaaaaaaaaaaaaaa_000001"
    (bench.archive.root / "loose.dcm").symlink_to(secret)
    (bench.archive.open_spool("host-1") / f"{receipt}.dcm").symlink_to(secret)
    (bench.archive.open_spool("folder") / f"{receipt}.loose").symlink_to(secret)
    (bench.archive.root / ".spool" / "linked").symlink_to(elsewhere)
    (bench.archive.root / ".quarantine" / "linked.dcm").symlink_to(secret)
    loose = bench.loose()
    for _ in range(3):
        loose.run()
        bench.sweep.everything_next()
        bench.sweep.run()
        bench.clock.forward(seconds=61)
    assert bench.receipts() == {}
    assert everything_below(elsewhere) == before


def test_nothing_is_written_or_removed_behind_a_study_folder_that_became_a_link(
    bench: Bench, elsewhere: Path
) -> None:
    study, uid, scanner = str(generate_uid()), str(generate_uid()), bench.scanner()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=study), uid)])
    folder = bench.archive.root / bench.study(study).folder
    (elsewhere / f"CT.{uid}.dcm").write_bytes((folder / f"CT.{uid}.dcm").read_bytes())
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(elsewhere)
    before = everything_below(elsewhere)
    more = scanner.store(data_set(StudyInstanceUID=study), generate_uid())
    with pytest.raises(TryAgain):
        bench.intake.organize([more])
    assert not bench.archive.remove_study_files(folder.name, [f"CT.{uid}.dcm"])
    assert everything_below(elsewhere) == before
    assert bench.archive.path(more.spool_path).is_file()


@pytest.mark.parametrize("in_the_way", ["link", "folder"])
def test_what_is_no_file_under_an_images_name_gives_way_to_the_image(
    bench: Bench, elsewhere: Path, in_the_way: str
) -> None:
    study, uid, scanner = str(generate_uid()), str(generate_uid()), bench.scanner()
    bench.intake.organize([scanner.store(data_set(StudyInstanceUID=study), generate_uid())])
    target = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    if in_the_way == "link":
        target.symlink_to(elsewhere / "secret.dcm")
    else:
        target.mkdir()
    before = everything_below(elsewhere)
    image = data_set(StudyInstanceUID=study)
    bench.intake.organize([scanner.store(image, uid)])
    assert target.is_file()
    assert not target.is_symlink()
    assert target.read_bytes().endswith(image)
    assert everything_below(elsewhere) == before


def test_an_image_that_became_a_link_is_replaced_when_it_comes_again(
    bench: Bench, elsewhere: Path
) -> None:
    study, uid, scanner = str(generate_uid()), str(generate_uid()), bench.scanner()
    image = data_set(StudyInstanceUID=study)
    bench.intake.organize([scanner.store(image, uid)])
    target = bench.archive.study_file(bench.study(study).folder, f"CT.{uid}.dcm")
    target.unlink()
    target.symlink_to(elsewhere / "secret.dcm")
    before = everything_below(elsewhere)
    bench.intake.organize([scanner.store(image, uid)])
    assert not target.is_symlink()
    assert target.read_bytes().endswith(image)
    assert everything_below(elsewhere) == before


def test_the_reason_of_a_quarantined_file_is_read_from_no_link(
    bench: Bench, elsewhere: Path
) -> None:
    quarantine = bench.archive.root / ".quarantine"
    (elsewhere / "secret.txt").write_text("a secret")
    (quarantine / "strange.dcm").write_bytes(b"strange")
    (quarantine / "strange.dcm.reason.txt").symlink_to(elsewhere / "secret.txt")
    assert bench.archive.quarantine.find("strange.dcm") == (
        ".quarantine/strange.dcm",
        "the reason is not known",
    )


@pytest.mark.parametrize("name", [".spool", ".quarantine"])
def test_a_folder_of_the_routers_own_that_is_a_link_stops_the_start(
    tmp_path: Path, elsewhere: Path, name: str
) -> None:
    root = tmp_path / "other"
    root.mkdir()
    (root / name).symlink_to(elsewhere)
    with pytest.raises(DiskTrouble, match=f"{name} is a symbolic link"):
        Archive(root).prepare()


def test_the_history_is_not_written_through_links(bench: Bench, elsewhere: Path) -> None:
    (elsewhere / "history.json").write_text("{}")
    (bench.archive.root / ".metadata.json").symlink_to(elsewhere / "history.json")
    (bench.archive.root / ".metadata.d").symlink_to(elsewhere)
    before = everything_below(elsewhere)
    bench.intake.organize([bench.scanner().store(data_set(), generate_uid())])
    HistoryFile(bench.archive, bench.database, "test").write_if_changed()
    assert not bench.archive.history_path.is_symlink()
    with pytest.raises(OSError, match="symbolic link"):
        bench.archive.older_history_path("2026-01")
    assert everything_below(elsewhere) == before
