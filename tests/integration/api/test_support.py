"""The archive for whoever helps: what is in it, what never is, and that it is there in need."""

import io
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

from tests.support.router import EMBEDDED, TOKEN, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[3]
SECRETS = {
    "ROUTER_ALERT_URL": "http://127.0.0.1:9/hook/planted-url",
    "ROUTER_ALERT_SECRET": "planted-secret-of-the-alerts",
    "ROUTER_HEARTBEAT_URL": "http://127.0.0.1:9/beat/planted-beat",
}
PATIENT = {"PatientID": "PLANTED4711", "PatientName": "PLANTED^PATIENT"}


def made(env: dict[str, str], path: Path) -> tuple[str, dict[str, str]]:
    """What the command prints, and the archive's files."""
    done = subprocess.run(
        [sys.executable, "-m", "services.api.support", str(path)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(path) as archive:
        return done.stdout, {
            name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()
        }


def post(router: Router, path: str, body: object) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{router.http_port}/api/v1{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


def require_silence(files: dict[str, str]) -> None:
    for name, text in files.items():
        for planted in (TOKEN, "planted", "PLANTED"):
            assert planted not in text, f"{name}: {planted}"


def test_it_has_what_helps_and_neither_secret_nor_patient_also_once_the_router_is_down(
    tmp_path: Path,
) -> None:
    uid, files = ct_series(tmp_path / "series", 2, **PATIENT)
    with running(tmp_path, EMBEDDED, **SECRETS) as router:
        send(files, router.dicom_port)
        wait_for(lambda: router.study(uid).get("state") == "unrouted", "the study to be complete")
        post(router, f"/studies/{uid}/hold", {"reason": "PLANTED^PATIENT is another one"})
        nowhere = {"host": "127.0.0.1", "port": 9, "ae_title": "PACS", "enabled": False}
        post(router, "/destinations", {"name": "pacs", **nowhere})
        route = {"name": "r", "patient_ids": ["PLANTED*"], "destinations": ["pacs"]}
        post(router, "/routes", route)
        router.get("/studies?q=PLANTED")
        printed, up = made(router.environment, tmp_path / "up.zip")
        router.stop()
        told, down = made(router.environment, tmp_path / "down.zip")
    for found in (up, down):
        require_silence(found)
        settings = json.loads(found["settings.json"])
        assert settings["ROUTER_API_TOKEN"] == settings["ROUTER_ALERT_SECRET"] == "set"
        assert settings["ROUTER_HTTP_PORT"] == router.http_port
        versions = json.loads(found["versions.json"])
        assert versions["database"].startswith("SQLite 3")
        assert "pydantic" in versions["packages"]
        assert json.loads(found["studies.json"]) == {"held": 1}
        assert "dicomrouter.study-complete.v1" in found["events.jsonl"]
    assert "Could not be had" not in printed
    assert {"database", "disk"} <= {each["id"] for each in json.loads(up["checks.json"])}
    assert "study.held" in up["logs.jsonl"]
    assert json.loads(up["routes.json"])[0]["patient_ids"] == 1
    assert f"Could not be had: the API at http://127.0.0.1:{router.http_port}" in told
    assert "the API at" in down["README.txt"]
    assert "not reached" in json.loads(down["looked.json"])[f"DICOM port {router.dicom_port}"]
    assert (tmp_path / "up.zip").stat().st_mode & 0o777 == 0o600


def test_it_is_made_without_the_database_and_says_so(tmp_path: Path) -> None:
    password = "planted-pass%40word"
    environment = os.environ | {
        "ROUTER_DATA_DIR": str(tmp_path),
        "ROUTER_API_TOKEN": TOKEN,
        "ROUTER_DATABASE_URL": f"postgresql+psycopg://router:{password}@127.0.0.1:1/router",
        "ROUTER_AMQP_URL": f"amqp://router:{password}@127.0.0.1:1/",
        "ROUTER_HTTP_PORT": "1",
    }
    told, found = made(environment, tmp_path / "support.zip")
    require_silence(found)
    require_silence({"what is printed": told})
    assert "the database: " in found["README.txt"]
    settings = json.loads(found["settings.json"])
    assert settings["ROUTER_DATABASE_URL"] == "postgresql+psycopg://127.0.0.1:1/router"
    assert "not reached" in json.loads(found["looked.json"])["broker 127.0.0.1:1"]


def run(tmp_path: Path, file: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "services.api.support", file],
        cwd=ROOT,
        env=os.environ | {"ROUTER_DATA_DIR": str(tmp_path), "ROUTER_HTTP_PORT": "1"},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_file_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, str(tmp_path / "no-such-folder/a.zip"))
    assert done.returncode == 2
    assert b"name another file" in done.stderr


def test_it_goes_to_standard_output_where_no_router_has_been(tmp_path: Path) -> None:
    done = run(tmp_path, "-")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        (about,) = (name for name in archive.namelist() if name.endswith("README.txt"))
        assert "start the router first" in archive.read(about).decode()
    assert list(tmp_path.iterdir()) == []
