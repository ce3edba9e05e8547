"""A client that was generated from `openapi.json` in TypeScript, at a running router."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import target
from tests.client.typescript import Compiled, environment
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, TOKEN, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("client")


def test_a_generated_client_lists_filters_forwards_and_follows(
    tmp_path: Path, pacs: Pacs, compiled: Compiled
) -> None:
    studies = [
        ct_series(tmp_path / str(number), 2, PatientID="TS1", PatientName="TYPE^SCRIPT")
        for number in range(2)
    ]
    _, another = ct_series(tmp_path / "other", 1, PatientID="OTHER")
    with running(tmp_path, EMBEDDED, **target(pacs), ROUTER_RETENTION_HOURS=-1) as router:
        for number, files in enumerate((studies[0][1], another, studies[1][1]), 1):
            send(files, router.dicom_port)
            _wait_until_sent(router, number)
        done = subprocess.run(
            [*compiled.command("client"), f"http://127.0.0.1:{router.http_port}", TOKEN, "TS1"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]

    def values(about: str) -> list[Any]:
        return [each["value"] for each in said if each["about"] == about]

    first, second = (uid for uid, _files in studies)
    assert values("sent") == [[first, second]]
    assert values("failed") == [0]
    assert values("troubles") == [["none", "none"]]
    assert values("refused") == [[422, "state.0"]]
    ((status, detail),) = values("unknown")
    assert status == 404
    assert "nowhere" in detail
    assert values("destinations") == [[["default", "up"]]]
    assert values("accepted") == ["forward-requested"]
    assert values("forwarded") == [[first, "default"]]
    assert pacs.repeats == 2  # both images of the first once more, and nothing else


def _wait_until_sent(router: Router, studies: int) -> None:
    wait_for(lambda: len(router.items("/studies?sent=true")) == studies, "it to be sent")
