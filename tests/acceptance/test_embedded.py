"""Everything in one process, C-STORE in and C-STORE out."""

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_router.errors import Unprocessable
from dicom_router.part10 import read_file_meta
from tests.acceptance.conftest import target
from tests.support.development_data import RealFile, development_data
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

# The peers warn of what the real files contain; what they contain is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

ENDED = {"sent", "unrouted", "failed", "deleted"}


def test_every_real_file_is_delivered_bit_for_bit_or_refused_or_in_quarantine(
    tmp_path: Path, pacs: Pacs, figure: Callable[[str], None]
) -> None:
    files = development_data()
    sendable = [file for file in files if file.is_sendable]
    loose = [file for file in files if not file.is_sendable]
    with running(tmp_path, EMBEDDED, ROUTER_RETENTION_HOURS=-1, **target(pacs)) as router:
        outcomes = send(sendable, router.dicom_port)
        for number, file in enumerate(loose):
            shutil.copyfile(file.path, router.data / f"loose-{number}.dcm")
        wait_for(lambda: _is_at_rest(router), "the router to come to rest", 120)
        at_pacs = {each.sha256 for each in pacs.stored}
        aside = _quarantined(router.data)
    ends = Counter(_end_of(file, outcomes.get(file.path), at_pacs, aside) for file in files)
    figure(f"{len(files)} real files: {dict(ends)}")
    assert ends["lost"] == 0
    assert sum(ends.values()) == len(files)
    syntaxes = {file.sha256: file.transfer_syntax_uid for file in sendable}
    assert all(syntaxes[each.sha256] == each.transfer_syntax_uid for each in pacs.stored)


def _end_of(file: RealFile, status: int | None, at_pacs: set[str], aside: set[str]) -> str:
    if file.sha256 in at_pacs:
        return "delivered"
    if file.sha256 in aside:
        return "quarantined"
    if file.is_sendable and status != 0x0000:
        return "refused"
    return "lost"


def _quarantined(data: Path) -> set[str]:
    """The hashes of data sets (or of what is none) in quarantine with a reason beside them."""
    found = set()
    for path in (data / ".quarantine").glob("*.dcm"):
        assert path.with_name(f"{path.name}.reason.txt").read_text().strip()
        content = path.read_bytes()
        found |= {hashlib.sha256(content).hexdigest(), _data_set_hash(path, content)}
    return found


def _data_set_hash(path: Path, content: bytes) -> str:
    with path.open("rb") as file:
        try:
            _meta, offset = read_file_meta(file.fileno())
        except Unprocessable:
            return ""
    return hashlib.sha256(content[offset:]).hexdigest()


def _is_at_rest(router: Router) -> bool:
    waiting = [*router.data.glob("*.dcm"), *(router.data / ".spool").rglob("*.dcm")]
    waiting += (router.data / ".spool").rglob("*.loose")
    studies = router.items("/studies")
    return not waiting and bool(studies) and all(each["state"] in ENDED for each in studies)


def test_a_stop_under_load_loses_nothing_that_was_answered(tmp_path: Path, pacs: Pacs) -> None:
    study, files = ct_series(tmp_path / "series", 300)
    answered: list[RealFile] = []
    enough = threading.Event()

    def on_sent(file: RealFile, status: int | None) -> None:
        if status == 0x0000:
            answered.append(file)
        if len(answered) >= 50:
            enough.set()

    with running(tmp_path, EMBEDDED, **target(pacs)) as router:
        scanner = threading.Thread(
            target=send, args=(files, router.dicom_port), kwargs={"on_sent": on_sent}
        )
        scanner.start()
        assert enough.wait(60)
        assert router.stop() < 10
        scanner.join(60)
        router.start()
        wait_for(
            lambda: {f.sha256 for f in answered} <= {each.sha256 for each in pacs.stored},
            lambda: f"{len(answered)} answered images at the PACS; it has {len(pacs.stored)}",
            90,
        )
        wait_for(lambda: router.study(study).get("state") == "sent", "the study to be sent")


def test_a_kill_under_load_loses_nothing_that_was_answered(tmp_path: Path, pacs: Pacs) -> None:
    study, files = ct_series(tmp_path / "series", 200)
    with running(tmp_path, EMBEDDED, **target(pacs)) as router:
        outcomes = send(files, router.dicom_port)
        router.kill()
        assert set(outcomes.values()) == {0x0000}
        router.start()
        wait_for(
            lambda: {f.sha256 for f in files} <= {each.sha256 for each in pacs.stored},
            lambda: f"{len(files)} images at the PACS; it has {len(pacs.stored)}",
            120,
        )
        wait_for(lambda: router.study(study).get("state") == "sent", "the study to be sent")
