"""Has schemathesis ask a running router, with something in it, in every role."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.contract.names import KNOWN_VARIABLE, ROLE_VARIABLE, ROLES
from tests.support.pacs import Pacs
from tests.support.router import EMBEDDED, TOKEN, Router, running
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for

CHECKOUT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
DOCUMENT = CHECKOUT / "services/api/web/openapi.json"
STUDIES = 4
PASSWORD = "correct horse battery staple"
Known = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Result:
    """What came of one run in one role."""

    role: str
    operations: int
    cases: int
    failures: int
    seconds: float
    output: str

    def __str__(self) -> str:
        return (
            f"{self.role or 'no token'}: {self.operations} operations, {self.cases} cases, "
            f"{self.failures} failures, {self.seconds:.0f} s"
        )


@dataclass(frozen=True)
class Scene:
    """A router with studies, destinations and the rest, and a token for each role."""

    router: Router
    tokens: Mapping[str, str]
    known: Known

    def ask(self, role: str, folder: Path, *options: str) -> Result:
        """Have schemathesis ask in this role (empty: without a token)."""
        report = folder / f"{role or 'nobody'}.json"
        token = self.tokens[role]
        headers = ["--header", f"Authorization: Bearer {token}"] if token else []
        command = [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", CONFIGURATION, "run", DOCUMENT),
            *("--url", f"http://127.0.0.1:{self.router.http_port}", "--no-color"),
            *("--report-json-path", report, "--generation-database", "none"),
            *headers,
            *options,
        ]
        done = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            env={
                **os.environ,
                KNOWN_VARIABLE: json.dumps(self.known),
                ROLE_VARIABLE: role,
                "PYTHONPATH": str(CHECKOUT),
                "NO_PROXY": "127.0.0.1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return _result(role, report, done.stdout)


@contextmanager
def scene(folder: Path, **settings: object) -> Iterator[Scene]:
    """A router that has received, sent, set aside and been configured."""
    settings |= {"ROUTER_RETENTION_HOURS": -1, "ROUTER_STUDY_SETTLE_SECONDS": 0.3}
    with Pacs() as pacs, running(folder, EMBEDDED, **settings) as router:
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{router.http_port}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=30,
        )
        with client:
            known = _furnish(client, router, pacs, folder)
            tokens = {"": ""} | {role: _token(client, role) for role in ROLES[1:]}
            yield Scene(router, tokens, known)


def _furnish(client: httpx.Client, router: Router, pacs: Pacs, folder: Path) -> Known:
    where = {"host": "127.0.0.1", "port": pacs.port}
    _post(client, "/destinations", {"name": "pacs", "ae_title": "PACS", **where})
    studies, all_series = [], []
    for number in range(STUDIES):
        uid, files = ct_series(folder / f"series{number}", 2)
        send(files, router.dicom_port)
        if number == 0:
            pacs.status_of[files[0].sop_instance_uid] = 0xA900  # this one is tried again
        changed = files[0].path.read_bytes()[:-1] + b"\x01"
        files[0].path.write_bytes(changed)
        send(files[:1], router.dicom_port)  # the first one is superseded
        studies.append(uid)
    wait_for(lambda: len(router.items("/deliveries")) >= STUDIES, "deliveries")
    wait_for(lambda: router.items("/quarantine"), "a superseded image")
    for uid in studies:
        all_series += [each["series_uid"] for each in router.items(f"/studies/{uid}/series")]
    _post(client, "/routes", {"name": "ct-to-pacs", "destinations": ["pacs"]})
    _post(client, "/senders", {"name": "ct-room-1", "ae_title": "CT_ROOM_1", **where})
    _post(client, "/users", {"name": "maria.silva", "role": "viewer", "password": PASSWORD})
    bulk = {"filter": {}, "destination": "pacs"}
    return {
        "studies.study_uid": studies,
        "studies.series_uid": all_series,
        "deliveries.delivery_id": [each["id"] for each in router.items("/deliveries")],
        "deliveries.bulk_id": [_post(client, "/deliveries/bulk", bulk)["id"]],
        "quarantine.receipt_id": [each["id"] for each in router.items("/quarantine")],
        "queues.name": [each["name"] for each in router.items("/queues")],
        "destinations.name": ["pacs"],
        "senders.name": ["ct-room-1"],
        "routes.name": ["ct-to-pacs"],
        "users.name": ["maria.silva"],
    }


def _token(client: httpx.Client, role: str) -> str:
    made = _post(client, "/tokens", {"name": f"contract-{role}", "role": role})
    return str(made["token"])


def _post(client: httpx.Client, path: str, body: object) -> dict[str, str]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    made: dict[str, str] = answer.json()
    return made


def _result(role: str, report: Path, output: str) -> Result:
    assert report.is_file(), output
    said = json.loads(report.read_text("utf-8"))
    cases = said["test_cases"]
    failures = cases["unique_failures"] + cases["errored"] + len(said["errors"])
    return Result(
        role,
        said["operations"]["tested"],
        cases["generated"],
        failures,
        said["running_time"],
        output,
    )
