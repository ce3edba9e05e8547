"""The whole router when the disk under its data folder goes, comes back, or is another one."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import target
from tests.support.disk import Disk
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for


@pytest.fixture(params=["in-the-folder", pytest.param("elsewhere", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest) -> dict[str, object]:
    """SQLite, which goes with the disk, or PostgreSQL, which stays."""
    if request.param == "in-the-folder":
        return {}
    return {"ROUTER_DATABASE_URL": request.getfixturevalue("postgresql_url")}


def test_without_its_disk_it_refuses_and_loses_nothing_and_goes_on_by_itself(
    tmp_path: Path, pacs: Pacs, database: dict[str, object]
) -> None:
    before, some = ct_series(tmp_path / "before", 6)
    after, more = ct_series(tmp_path / "after", 6)
    settings = target(pacs) | database
    with running(tmp_path, EMBEDDED, **settings) as router:
        disk = Disk(router.data)
        pacs.gate.clear()  # the study is on its way when the disk goes
        assert set(send(some, router.dicom_port).values()) == {0x0000}
        wait_for(lambda: pacs.asked, lambda: f"a delivery:\n{router.log()}", 60)
        disk.unmount()
        pacs.gate.set()
        assert set(send(more, router.dicom_port).values()) == {0xA700}
        told = data_folder_check(router)
        assert told["status"] == "fail"
        assert "is its disk mounted" in told["detail"]
        assert disk.everything() == set()

        disk.mount()
        assert set(send(more, router.dicom_port).values()) == {0x0000}
        wait_for(
            lambda: {router.study(uid).get("state") for uid in (before, after)} == {"sent"},
            lambda: f"both studies to be sent:\n{router.log()}",
            120,
        )
        assert data_folder_check(router)["status"] == "ok"
    assert {f.sha256 for f in [*some, *more]} == {each.sha256 for each in pacs.stored}


def data_folder_check(router: Router) -> dict[str, str]:
    checks: dict[str, dict[str, str]] = {
        each["id"]: each for each in router.get("/diagnostics") or []
    }
    return checks["data-folder"]


@pytest.mark.postgresql
def test_another_disk_at_start_is_refused_until_the_right_one_is_mounted(
    tmp_path: Path, pacs: Pacs, postgresql_url: str
) -> None:
    study, files = ct_series(tmp_path / "series", 4)
    settings = target(pacs) | {"ROUTER_DATABASE_URL": postgresql_url}
    with running(tmp_path, EMBEDDED, **settings) as router:
        router.stop()
        disk = Disk(router.data)
        disk.swap()
        before = disk.everything()
        router.start_unready()
        wait_for(
            lambda: (router.get("/data-folder") or {}).get("status") == "other",
            lambda: f"an API that tells it:\n{router.log()}",
            60,
        )
        wait_for(router.listens, "the DICOM port", 60)
        assert set(send(files, router.dicom_port).values()) == {0xA700}
        assert disk.everything() == before
        disk.mount()
        assert set(send(files, router.dicom_port).values()) == {0x0000}
        wait_for(lambda: router.study(study).get("state") == "sent", router.log, 120)
