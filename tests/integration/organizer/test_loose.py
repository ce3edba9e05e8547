"""Claims on loose files that were left: taken up again, each for itself, and by one at a time."""

import os
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicom_router.archive import ReceiptId
from dicom_router.part10 import FileMeta, encode_file_meta
from tests.integration.organizer.conftest import Bench
from tests.support.instances import CT_IMAGE_STORAGE, data_set


def left_claim(bench: Bench, association: str) -> ReceiptId:
    """A file that an organizer had claimed when it was killed."""
    uid = str(generate_uid())
    meta = FileMeta(CT_IMAGE_STORAGE, uid, ExplicitVRLittleEndian)
    loose = bench.archive.root / f"{uid}.dcm"
    loose.write_bytes(encode_file_meta(meta) + data_set(SOPInstanceUID=uid))
    receipt = ReceiptId(bench.clock(), association * 16, 1)
    assert bench.archive.claim(loose, "folder", receipt) is not None
    return receipt


def left_copy(bench: Bench, receipt: ReceiptId) -> Path:
    """What had been copied of it by then, last written to now."""
    path = bench.archive.open_spool("folder") / f".{receipt}.dcm.part"
    path.write_bytes(b"half of it")
    written_to(bench, path)
    return path


def written_to(bench: Bench, path: Path) -> None:
    now = bench.clock().timestamp()
    os.utime(path, (now, now))


def taken_in(bench: Bench) -> set[str]:
    return {event["id"] for event in bench.outbox("instance-stored")}


def test_a_claim_whose_copy_was_killed_is_taken_up(bench: Bench) -> None:
    receipt = left_claim(bench, "a")
    left_copy(bench, receipt)
    bench.clock.forward(seconds=61)
    bench.sweep.run()
    assert taken_in(bench) == {str(receipt)}
    (path,) = bench.spooled()
    assert path.read_bytes() != b"half of it"
    assert sorted(path.parent.iterdir()) == [path]


def test_a_claim_that_another_is_still_copying_is_left_to_it(bench: Bench) -> None:
    receipt = left_claim(bench, "a")
    copy = left_copy(bench, receipt)
    for _ in range(5):
        bench.clock.forward(seconds=50)
        written_to(bench, copy)
        bench.sweep.run()
        assert copy.exists()
    bench.clock.forward(seconds=61)
    bench.sweep.run()
    assert taken_in(bench) == {str(receipt)}


def test_a_claim_that_fails_keeps_no_other_and_gets_its_turn_again(bench: Bench) -> None:
    bad, good = left_claim(bench, "a"), left_claim(bench, "b")
    in_the_way = bench.archive.open_spool("folder") / f"{bad}.dcm"
    in_the_way.mkdir()  # which no file can be renamed to
    bench.clock.forward(seconds=61)
    bench.sweep.run()
    assert taken_in(bench) == {str(good)}
    in_the_way.rmdir()
    bench.sweep.run()
    assert taken_in(bench) == {str(good), str(bad)}
