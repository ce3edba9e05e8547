"""`make signin`: a link for the administrator, once and for ten minutes."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from dicom_router.models import SigninLink
from services.api.access import LINK_LASTS, hash_of
from services.api.signin import make_link
from tests.integration.api.conftest import NOON, Api

ROOT = Path(__file__).parents[3]
HERE = {"Sec-Fetch-Site": "same-origin"}


def a_link(api: Api) -> str:
    address, _, token = make_link(api.settings, api.database, api.now[0]).partition("/#token=")
    assert address == str(api.client.base_url).rstrip("/")
    return token


def opened(api: Api, token: str) -> int:
    given = {"token": token}
    answer = httpx.post(
        f"{api.client.base_url}/api/v1/session", json=given, headers=HERE, trust_env=False
    )
    return answer.status_code


def test_a_link_signs_the_administrator_in_once(api: Api) -> None:
    token = a_link(api)
    with httpx.Client(base_url=api.client.base_url, headers=HERE, trust_env=False) as page:
        # As the page does with what it finds in its address.
        bearer = {"Authorization": f"Bearer {token}"}
        assert page.post("/api/v1/session", headers=bearer).json()["role"] == "admin"
        assert page.get("/api/v1/users").status_code == 200
    assert opened(api, token) == 401


def test_a_link_is_good_for_ten_minutes(api: Api) -> None:
    late, in_time = a_link(api), a_link(api)
    api.now[0] = NOON + LINK_LASTS - timedelta(seconds=1)
    assert opened(api, in_time) == 200
    api.now[0] = NOON + LINK_LASTS
    assert opened(api, late) == 401
    api.service.prune()
    assert api.read(lambda session: session.query(SigninLink).count()) == 0


def test_a_link_opens_nothing_but_a_session(api: Api) -> None:
    token = a_link(api)
    headers = {"Authorization": f"Bearer {token}"}
    assert api.client.get("/api/v1/studies", headers=headers).status_code == 401
    assert opened(api, token) == 200


def test_wrong_links_lock_out_like_wrong_tokens(api: Api) -> None:
    good = a_link(api)
    for number in range(10):
        assert opened(api, f"wrong-{number}") == 401
    assert opened(api, good) == 429


def test_of_a_link_only_a_hash_is_kept_and_the_trail_says_it_was_made(api: Api) -> None:
    token = a_link(api)
    kept = api.read(lambda session: session.query(SigninLink).one())
    assert kept.token_hash == hash_of(token)
    (entry,) = api.audited(action="signin-link.create")
    assert (entry["who"], entry["kind"]) == ("console", "console")
    assert token not in str(entry)
    opened(api, token)
    (entry,) = api.audited(action="session.open")
    assert (entry["who"], entry["detail"]) == ("admin", {"with": "link"})


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ROUTER_", "TARGET_"))}
    return subprocess.run(
        [sys.executable, "-m", "services.api.signin"],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_prints_a_link_that_works(api: Api, database_url: str) -> None:
    api.now[0] = datetime.now(UTC)
    port = str(api.settings.http_port)
    done = run(ROUTER_DATABASE_URL=database_url, ROUTER_HTTP_PORT=port)
    assert done.returncode == 0, done.stderr
    link = done.stdout.split()[1]
    assert link.startswith(f"http://127.0.0.1:{port}/#token=")
    assert opened(api, link.partition("#token=")[2]) == 200


def test_the_command_says_what_to_do_where_no_router_has_been(tmp_path: Path) -> None:
    done = run(ROUTER_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "start the router first" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_so_where_the_schema_is_missing(
    empty_database_url: str, tmp_path: Path
) -> None:
    if empty_database_url.startswith("sqlite"):
        Path(empty_database_url.removeprefix("sqlite:///")).touch()
    done = run(ROUTER_DATA_DIR=str(tmp_path), ROUTER_DATABASE_URL=empty_database_url)
    assert done.returncode == 2
    assert "dicom_router.migrations" in done.stderr
