"""An organizer's parts on a real database and folder, with a clock that the test moves."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dicom_router.archive import Archive
from dicom_router.bus.memory import MemoryBus
from dicom_router.database import Database
from dicom_router.ledger import lock_study, refresh_state
from dicom_router.models import Delivery, DeliveryState, OutboxMessage, Receipt, Study
from dicom_router.outbox import OutboxRelay
from dicom_router.settings import Settings, load_settings
from services.organizer.completing import Completing
from services.organizer.intake import Intake
from services.organizer.loose import LooseFiles
from services.organizer.quarantine import Quarantine
from services.organizer.retention import Retention
from services.organizer.sweep import Sweep
from services.organizer.takeover import Takeover
from tests.support.instances import Scanner


@dataclass
class Clock:
    """Stands still until the test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 1, 22, 17, 15, 30, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        """Let time pass: `forward(seconds=30)`."""
        self.now += timedelta(**duration)


class Bench:
    """Everything an organizer is made of, without its threads."""

    def __init__(self, root: Path, database: Database) -> None:
        self.clock = Clock()
        self.database = database
        self.archive = Archive(root)
        self.archive.prepare()
        self.archive.identity.ensure()
        self.bus = MemoryBus()
        self.relay = OutboxRelay(database, self.bus, "organizer")
        self.swept = threading.Event()
        self.swept.set()
        self.intake = self.another_intake()
        self.sweep = Sweep(self.archive, database, self.intake, self.loose(), self.clock)

    def another_intake(self) -> Intake:
        """A second organizer's intake."""
        return Intake(self.archive, self.database, self.relay, "/organizer/test", self.clock)

    def completing(self) -> Completing:
        """Decides with the default times: 30 s to settle, 60 s idle."""
        return Completing(
            self.database,
            self.relay,
            "/organizer/test",
            self.clock,
            settle_seconds=30,
            idle_seconds=60,
            ready=self.swept,
        )

    def retention(self, settings: Settings | None = None) -> Retention:
        """Retention as the environment sets it."""
        return Retention(
            self.archive,
            self.database,
            self.relay,
            "/organizer/test",
            self.clock,
            settings or load_settings(),
        )

    def loose(self) -> LooseFiles:
        """The watch over loose files."""
        return LooseFiles(
            self.archive,
            self.database,
            self.intake,
            self.relay,
            "/organizer/test",
            self.clock,
            "DICOMROUTER",
        )

    def quarantine(self) -> Quarantine:
        """What people ask for files in quarantine."""
        return Quarantine(self.archive, self.database, self.relay, "/organizer/test", self.clock)

    def takeover(self) -> Takeover:
        """The takeover of an earlier version's folder."""
        return Takeover(self.archive, self.database, self.clock)

    def scanner(self, association_id: str = "a" * 16) -> Scanner:
        """A scanner on an association of its own."""
        return Scanner(self.archive, association_id=association_id)

    # -- what the test looks at ----------------------------------------------------------------

    def study(self, study_uid: str) -> Study:
        """A study's row."""
        with self.database.read() as session:
            return session.scalars(select(Study).where(Study.study_uid == study_uid)).one()

    def receipts(self) -> dict[str, Receipt]:
        """All receipts by id."""
        with self.database.read() as session:
            return {each.receipt_id: each for each in session.scalars(select(Receipt))}

    def outbox(self, type_: str) -> list[dict[str, Any]]:
        """The envelopes of one type that wait to be published."""
        with self.database.read() as session:
            rows = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
        return [json.loads(row.body) for row in rows if f".{type_}." in row.type]

    def mark_sent(self, study_uid: str) -> None:
        """As if every destination had the study."""
        with self.database.write() as session:
            study = lock_study(session, study_uid)
            assert study is not None
            study.routed_revision = study.revision
            session.add(
                Delivery(
                    id=f"{study.revision:032d}"[-8:] + study_uid[-20:],
                    study_uid=study_uid,
                    revision=study.revision,
                    destination="pacs",
                    state=DeliveryState.DELIVERED,
                    attempt=0,
                    created_at=self.clock(),
                )
            )
            refresh_state(session, study, self.clock())

    def files(self) -> dict[str, bytes]:
        """All files in study folders, by path relative to the data folder."""
        return {
            str(path.relative_to(self.archive.root)): path.read_bytes()
            for folder in self.archive.study_folders()
            for path in sorted(folder.iterdir())
        }

    def spooled(self) -> list[Path]:
        """What waits in the spool."""
        return list(self.archive.spooled())

    def aside(self) -> dict[str, str]:
        """The reasons in quarantine, by the names of the files they are about."""
        folder = self.archive.root / ".quarantine"
        return {
            path.name.removesuffix(".reason.txt"): path.read_text()
            for path in folder.glob("*.reason.txt")
        }


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    """An organizer's parts."""
    with closing(Database(database_url)) as database:
        yield Bench(tmp_path / "data", database)
