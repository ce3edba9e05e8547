"""A disk that is full, before an image or in the middle of one: refused, told of, and got over."""

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dicom_router.archive import LEAST_FREE_BYTES
from tests.acceptance.conftest import target
from tests.support.development_data import RealFile
from tests.support.disks import MIB, fill, free_bytes, small_disk
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

OUT_OF_RESOURCES, SUCCESS = {0xA700}, {0x0000}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder on a disk that has a little more room than the limit."""
    with small_disk(tmp_path / "disk", tmp_path / "data", LEAST_FREE_BYTES + 256 * MIB) as folder:
        assert free_bytes(folder) > LEAST_FREE_BYTES + 64 * MIB
        yield folder


def test_a_full_disk_refuses_with_a700_and_takes_images_again_once_there_is_room(
    tmp_path: Path, pacs: Pacs, disk: Path, figure: Callable[[str], None]
) -> None:
    first, before = ct_series(tmp_path / "before", 5)
    second, after = ct_series(tmp_path / "after", 5)
    pacs.gate.clear()
    with running(tmp_path, EMBEDDED, **target(pacs)) as router:
        assert set(send(before, router.dicom_port).values()) == SUCCESS
        wait_for(lambda: pacs.asked, "the first image on its way")
        filler = fill(disk, leave=LEAST_FREE_BYTES - 8 * MIB)
        assert set(send(after, router.dicom_port).values()) == OUT_OF_RESOURCES
        assert spooled(disk) == []
        check = disk_check(router)
        assert (check["status"], "A700" in check["detail"]) == ("fail", True)
        pacs.gate.set()
        wait_for(
            lambda: router.study(first).get("on_disk") is False,
            lambda: f"delivery and deletion on a full disk\n{router.log()}",
        )
        assert router.study(first)["state"] == "sent"
        assert set(send(after[:1], router.dicom_port).values()) == OUT_OF_RESOURCES
        filler.unlink()
        assert set(send(after, router.dicom_port).values()) == SUCCESS
        wait_for(
            lambda: router.study(second).get("state") == "sent",
            lambda: f"the second study to be sent\n{router.log()}",
        )
        assert disk_check(router)["status"] != "fail"
        wait_for(lambda: left(disk) == [], lambda: f"{left(disk)} to be deleted")
    assert sorted(pacs.has()) == sorted(file.sop_instance_uid for file in before + after)
    figure(f"limit {LEAST_FREE_BYTES >> 20} MiB: {check['detail']}")


def test_a_disk_that_fills_up_within_an_image_keeps_no_part_of_it_and_no_row_is_lost(
    tmp_path: Path, pacs: Pacs, disk: Path
) -> None:
    first, before = ct_series(tmp_path / "before", 5)
    second, after = ct_series(tmp_path / "after", 5)
    large = enlarged(ct_series(tmp_path / "large", 1)[1][0], 768 * MIB)
    outcomes: dict[Path, int | None] = {}
    pacs.gate.clear()
    with running(tmp_path, EMBEDDED, **target(pacs)) as router:
        assert set(send(before, router.dicom_port).values()) == SUCCESS
        wait_for(lambda: pacs.asked, "the first image on its way")
        scanner = threading.Thread(
            target=lambda: outcomes.update(send([large], router.dicom_port)), daemon=True
        )
        scanner.start()
        wait_for(lambda: any(size > MIB for size in parts(disk)), "a part of the large image")
        filler = fill(disk)
        scanner.join(120)
        assert set(outcomes.values()) == OUT_OF_RESOURCES
        assert (spooled(disk), parts(disk)) == ([], [])
        pacs.gate.set()  # what arrives can't be recorded now, and is when there is room
        wait_for(lambda: len(pacs.has()) > 0, "an image at the PACS")
        filler.unlink()
        wait_for(
            lambda: router.study(first).get("state") == "sent",
            lambda: f"the first study to be sent\n{router.log()}",
            60,
        )
        assert set(send(after, router.dicom_port).values()) == SUCCESS
        wait_for(
            lambda: router.study(second).get("state") == "sent",
            lambda: f"the second study to be sent\n{router.log()}",
            60,
        )
        wait_for(lambda: left(disk) == [], lambda: f"{left(disk)} to be deleted")
    assert sorted(pacs.has()) == sorted(file.sop_instance_uid for file in before + after)


def enlarged(file: RealFile, size: int) -> RealFile:
    """The same with so many bytes of pixels, all of them zero: a file full of holes."""
    content = file.path.read_bytes()
    element = struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OW", 0)
    at = content.index(element)
    with file.path.open("r+b") as changed:
        changed.truncate(at)
        changed.seek(at)
        changed.write(element + struct.pack("<I", size))
        changed.truncate(at + len(element) + 4 + size)
    return file


def spooled(data: Path) -> list[Path]:
    """Whole images in the spool."""
    return list((data / ".spool").rglob("*.dcm"))


def parts(data: Path) -> list[int]:
    """The sizes of images that are being received."""
    return [path.stat().st_size for path in (data / ".spool").rglob("*.part")]


def left(data: Path) -> list[str]:
    """Study folders, and what waits or was left in the spool."""
    folders = [path.name for path in data.iterdir() if path.name[0] not in ".l"]  # lost+found
    return folders + [path.name for path in (data / ".spool").rglob("*") if path.is_file()]


def disk_check(router: Router) -> dict[str, Any]:
    checks = router.get("/diagnostics")
    items = checks["items"] if isinstance(checks, dict) else checks
    (found,) = [each for each in items if each["id"] == "disk"]
    return dict(found)
