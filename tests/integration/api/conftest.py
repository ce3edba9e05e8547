"""A real API on a free port, over each kind of database, with the in-process bus."""

import json
import queue
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from dicom_router.bus import Binding, Queue
from dicom_router.bus.memory import MemoryBus
from dicom_router.database import Database
from dicom_router.events import COMMANDS_EXCHANGE, Message, Payload, StudyComplete, message
from dicom_router.models import Base, Delivery, Study
from dicom_router.settings import Settings
from infra.ports import free_port
from services.api.__main__ import ApiService, build
from tests.support.waiting import wait_for

TOKEN = "a-token-of-the-tests-0123456789"
NOON = datetime(2026, 1, 22, 12, 0, tzinfo=UTC)


@dataclass
class Api:
    """A running API, and what stands around it."""

    service: ApiService
    client: httpx.Client
    database: Database
    bus: MemoryBus
    settings: Settings
    now: list[datetime]
    commands: "queue.Queue[Message]" = field(default_factory=queue.Queue)

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self._json(self.client.get(f"/api/v1{path}", params=query), status)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self._json(self.client.post(f"/api/v1{path}", json=body), status)

    def put(self, path: str, body: Any, status: int = 200) -> Any:
        return self._json(self.client.put(f"/api/v1{path}", json=body), status)

    def delete(self, path: str, status: int = 204, **query: Any) -> Any:
        return self._json(self.client.delete(f"/api/v1{path}", params=query), status)

    def add(self, *rows: Base) -> None:
        with self.database.write() as session:
            session.add_all(rows)

    def read(self, query: Callable[[Session], Any]) -> Any:
        with self.database.read() as session:
            return query(session)

    def audited(self, count: int = 1, **query: Any) -> list[dict[str, Any]]:
        """So many entries of the audit trail, the newest first; of no more."""

        def found() -> list[dict[str, Any]]:
            self.service.trail.close()  # a request is put on record just after it was answered
            read: list[dict[str, Any]] = self.get("/audit", **query)["items"]
            items = [each for each in read if each["action"] != "audit.list"]
            return items if len(items) >= count else []

        entries = wait_for(found, f"{count} entries with {query}")
        assert len(entries) == count, entries
        return entries

    def publish(self, payload: Payload, modality: str = "") -> str:
        sent = message(payload, id=uuid.uuid4().hex, source="test", modality=modality)
        self.bus.publish(sent).result(5)
        return sent.id

    def take(self, messages: Sequence[Message]) -> None:
        for each in messages:
            self.commands.put(each)

    def command(self) -> Message:
        return self.commands.get(timeout=10)

    def no_command(self) -> bool:
        """Nothing is on its way: what was written is published in order, up to a last one."""
        marker = {"name": f"marker-{uuid.uuid4().hex[:8]}", "host": "h", "port": 1, "ae_title": "M"}
        self.post("/destinations", marker)
        return str(marker["name"]) in self.command().body.decode()

    @staticmethod
    def _json(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return answer.json() if answer.content else None


@contextmanager
def running(database: Database, data: Path, *, token: str = TOKEN, **given: Any) -> Iterator[Api]:
    """An API that is stopped at the end."""
    checks = given.pop("ready_checks", ())
    settings = Settings.model_validate(
        {
            "data_dir": data,
            "http_port": free_port(),
            "dicom_ports": (free_port(),),  # where nobody listens
            "api_token": token,
            **given,
        }
    )
    bus, now = MemoryBus(), [NOON]
    service = build(settings, database, bus, clock=lambda: now[0], ready_checks=checks)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{settings.http_port}", headers=headers, trust_env=False
    )
    api = Api(service, client, database, bus, settings, now)
    bus.consume(
        Queue("test.commands", (Binding(COMMANDS_EXCHANGE, "#"),), private=True),
        api.take,
    )
    service.start()
    try:
        yield api
    finally:
        service.stop(7.0)
        client.close()
        bus.close(2.0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Starts an API with the given settings; stopped at the end of the test."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(running(database, tmp_path / "data", **given))


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:
    return start()


def a_study(uid: str = "1.2.3", **values: Any) -> Study:
    at = values.pop("created_at", NOON)
    return Study(
        **{
            "study_uid": uid,
            "folder": f"20260122_120000_P1_DOE_{uid}",
            "patient_id": "P1",
            "patient_name": "DOE_JOHN",
            "study_date": "20260122",
            "study_time": "115500",
            "modality": "CT",
            "modalities": ["CT"],
            "accession_number": "A1",
            "study_description": "CHEST",
            "created_at": at,
            "created_stamp": f"{at.astimezone():%Y%m%d_%H%M%S}",
            "state": "receiving",
            "last_activity_at": at,
            **values,
        }
    )


def a_delivery(delivery_id: str, study_uid: str = "1.2.3", **values: Any) -> Delivery:
    return Delivery(
        **{
            "id": delivery_id,
            "study_uid": study_uid,
            "revision": 1,
            "destination": "pacs",
            "state": "waiting",
            "created_at": NOON,
            **values,
        }
    )


def a_destination(**values: Any) -> dict[str, Any]:
    return {"name": "pacs", "host": "10.0.0.5", "port": 104, "ae_title": "PACS", **values}


def data_of(received: Message) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(received.body)["data"]
    return data


def complete(study_uid: str) -> StudyComplete:
    """That a study has come to rest."""
    return StudyComplete(
        study_uid=study_uid,
        accession_number="",
        modalities=["CT"],
        calling_ae_titles=["CT1"],
        revision=1,
        image_count=1,
        new_instances=1,
        evidence={},
    )
