"""Killed before and after every step: nothing is lost, nothing stays behind, nobody has to help."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.steps import STEPS
from tests.support.development_data import RealFile
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

LAUNCHER = ("-m", "tests.crash.launcher")
IMAGES = 12
IN_HAND = 8  # images that a destination has and the database does not know of yet
SENDING = {"sent", "sending recorded", "delivered"}


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_heals_by_itself(
    tmp_path: Path, pacs: Pacs, figure: Callable[[str], None], step: str, side: str
) -> None:
    study, files = ct_series(tmp_path / "series", IMAGES)
    nameless = ct_series(tmp_path / "bad", 1, StudyInstanceUID="")[1]
    images = files + (nameless if step == "quarantined" else [])
    settings = {
        "TARGET_HOST": "127.0.0.1",
        "TARGET_PORT": pacs.port,
        "TARGET_AET": pacs.ae_title,
        "ROUTER_STUDY_IDLE_SECONDS": 3,
    }
    doomed = Router(tmp_path, LAUNCHER, CRASH_AT=f"{step}:{side}", **settings)
    router = Router(tmp_path, EMBEDDED, **settings)
    try:
        doomed.start()
        outcomes = send(images, doomed.dicom_port)
        wait_for(lambda: not doomed.processes(), lambda: f"the crash:\n{doomed.log()}", 60)
        doomed.kill()
        unanswered = [file for file in images if outcomes[file.path] != 0x0000]
        let_an_hour_pass_for_temporary_files(router.data)
        router.start()
        again = send(unanswered, router.dicom_port)
        assert set(again.values()) <= {0x0000}
        wait_for(
            lambda: is_over(router, study, pacs, files),
            lambda: f"the end; {router.study(study)}, {left_behind(router.data)}\n{router.log()}",
            60,
        )
        assert_counts_agree(router, study, len(unanswered))
    finally:
        doomed.kill()
        router.kill()
    at_pacs = Counter(each.sha256 for each in pacs.stored)
    assert at_pacs.keys() == {file.sha256 for file in files}
    allowed = IN_HAND if step in SENDING else len(unanswered)
    assert pacs.repeats <= allowed
    assert len(quarantined(router.data)) <= 2 * (step == "quarantined")
    figure(f"{len(unanswered)} sent again by the scanner, {pacs.repeats} by the router")


def let_an_hour_pass_for_temporary_files(data: Path) -> None:
    """Until then another organizer might still be writing them."""
    for path in data.rglob("*.part"):
        found = path.stat()
        os.utime(path, (found.st_atime, found.st_mtime - 3600))


def left_behind(data: Path) -> list[str]:
    """All that must not be there in the end."""
    kept = (".quarantine", ".metadata", ".router", ".api-token")
    return [
        str(path.relative_to(data))
        for path in data.rglob("*")
        if (path.is_file() and not str(path.relative_to(data)).startswith(kept))
        or path.name.endswith(".part")
        or (path.parent == data and path.is_dir() and path.name[0] != ".")
    ]


def is_over(router: Router, study: str, pacs: Pacs, files: list[RealFile]) -> bool:
    has = {each.sha256 for each in pacs.stored}
    shown = router.study(study)
    entry = history(router.data).get(study, {})
    return bool(
        {file.sha256 for file in files} <= has
        and shown.get("state") == "sent"
        and not shown["on_disk"]
        and entry.get("sent")
        and not left_behind(router.data)
    )


def history(data: Path) -> dict[str, dict[str, object]]:
    path = data / ".metadata.json"
    found: dict[str, dict[str, object]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def quarantined(data: Path) -> list[Path]:
    return sorted((data / ".quarantine").glob("*.dcm"))


def assert_counts_agree(router: Router, study: str, resent: int) -> None:
    """In the database, in the history and in the API; one study in one folder."""
    (shown,) = router.items("/studies")
    with closing(sqlite3.connect(router.data / ".router.sqlite3")) as database:
        states = Counter(dict(database.execute("select state, count(*) from receipts group by 1")))
        folders = database.execute("select folder, image_count from studies").fetchall()
        aside = database.execute("select file_name from receipts where state = 'quarantined'")
        known = sorted(name for (name,) in aside)
    assert folders == [(shown["folder"], IMAGES)]
    entry = history(router.data)[study]
    assert (entry["folder"], entry["image_count"]) == (shown["folder"], IMAGES)
    assert shown["image_count"] == IMAGES
    assert states["organized"] == IMAGES
    assert states["assigned"] == 0
    assert states["duplicate"] + states["superseded"] <= resent
    assert known == [str(path.relative_to(router.data)) for path in quarantined(router.data)]
