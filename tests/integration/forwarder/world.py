"""What the forwarder meets: complete studies on disk and in the database, destinations, a clock."""

import hashlib
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import monotonic

from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select

from dicom_router.archive import Archive, ReceiptId
from dicom_router.bus import Binding, Bus, Consumer, Queue, QueueDepth
from dicom_router.bus.memory import MemoryBus
from dicom_router.data_folder import establish
from dicom_router.database import Database
from dicom_router.dimse import RequestorTimeouts
from dicom_router.events import (
    EVENTS_EXCHANGE,
    DestinationChanged,
    Message,
    Payload,
    StudyComplete,
    message,
    payload_of,
)
from dicom_router.ledger import lock_study, refresh_state
from dicom_router.models import (
    Delivery,
    DeliveryInstance,
    Destination,
    DestinationOutage,
    Receipt,
    ReceiptState,
    Study,
    StudyState,
    TimelineEntry,
)
from dicom_router.part10 import FileMeta, encode_file_meta
from dicom_router.queues import delivery_queue
from dicom_router.settings import Settings
from services.forwarder.__main__ import Forwarder, Pace, build
from services.organizer.names import file_name
from tests.support.instances import CT_IMAGE_STORAGE, data_set
from tests.support.pacs import Pacs

# A poll in tests is short: what they wait for is decided by the clock below.
PACE = Pace(work=0.02, reload=0.05, check=0.0, renew=0.05, relay=0.05, sweep=0.2)
TIMEOUTS = RequestorTimeouts(
    connect_seconds=2, negotiation_seconds=2, response_seconds=20, stall_seconds=5
)
PATIENT = "MUSTERMANN^ERIKA"


class Clock:
    """The time as the test has it: it stands still until it is moved."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = datetime(2026, 1, 22, 14, 15, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, **duration: float) -> None:
        with self._lock:
            self._now += timedelta(**duration)


@dataclass(frozen=True)
class Image:
    """An organized instance, as it should arrive."""

    receipt_id: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: Path


@dataclass
class StudyAtHand:
    """A study of the test's own."""

    uid: str
    folder: str
    images: list[Image] = field(default_factory=list)

    @property
    def uids(self) -> list[str]:
        return [image.sop_instance_uid for image in self.images]


class World:
    """A data folder, a database, a bus, and any number of forwarders on them."""

    def __init__(self, root: Path, database_url: str, bus: Bus | None = None) -> None:
        self.archive = Archive(root / "data")
        self.database = Database(database_url)
        self.bus: Bus = bus or MemoryBus()
        self.clock = Clock()
        establish(self.archive, self.database, self.clock)
        self.settings = Settings(data_dir=root / "data", ae_title="ROUTER")
        self.events: list[Payload] = []
        self.messages: list[Message] = []
        self._forwarders: list[Forwarder] = []
        self._numbers = count(1)
        self._listener: Consumer = self.bus.consume(
            Queue("test.events", (Binding(EVENTS_EXCHANGE, "#"),)), self._on_events
        )

    def close(self) -> None:
        for forwarder in list(self._forwarders):
            self.stop(forwarder)
        self._listener.stop(5)
        self.bus.close(5)
        self.database.close()

    def _on_events(self, messages: Sequence[Message]) -> None:
        self.messages.extend(messages)
        self.events.extend(payload_of(each) for each in messages)

    # -- forwarders ----------------------------------------------------------------------------

    def start(
        self, pace: Pace = PACE, timeouts: RequestorTimeouts = TIMEOUTS, *, alone: bool = False
    ) -> Forwarder:
        forwarder = build(
            self.settings,
            self.database,
            self.bus,
            clock=self.clock,
            pace=pace,
            timeouts=timeouts,
            alone=alone,
        )
        forwarder.start()
        self._forwarders.append(forwarder)
        return forwarder

    def stop(self, forwarder: Forwarder, timeout: float = 8) -> None:
        self._forwarders.remove(forwarder)
        forwarder.stop(timeout)

    def pass_time(
        self, until: Callable[[], object], what: str, most: float = 120, step: float = 5
    ) -> None:
        """Let at most `most` seconds pass, in steps, until it is so or will be without more."""
        end = self.clock() + timedelta(seconds=most)
        pause = threading.Event()
        while not until() and self.clock() < end:
            self.clock.advance(seconds=step)
            for _ in range(20):  # what is due now may take a moment
                if until():
                    return
                pause.wait(0.01)
        eventually(until, f"{what}, after {most:g} s of the test's time")

    # -- destinations --------------------------------------------------------------------------

    def add_destination(self, pacs: Pacs, name: str = "pacs", **values: object) -> None:
        self.insert_destination(pacs, name, **values)
        self.tell(DestinationChanged(destination=name))

    def insert_destination(self, pacs: Pacs, name: str = "pacs", **values: object) -> None:
        """Add one that no forwarder has been told of yet."""
        row = {
            "name": name,
            "host": "127.0.0.1",
            "port": pacs.port,
            "ae_title": pacs.ae_title,
            "calling_ae_title": "",
            "created_at": self.clock(),
            "updated_at": self.clock(),
        } | values
        with self.database.write() as session:
            session.add(Destination(**row))

    def change_destination(self, name: str = "pacs", **values: object) -> None:
        with self.database.write() as session:
            destination = session.get(Destination, name)
            for key, value in values.items():
                setattr(destination, key, value)
        self.tell(DestinationChanged(destination=name))

    def delete_destination(self, name: str = "pacs") -> None:
        with self.database.write() as session:
            session.delete(session.get(Destination, name))
        self.tell(DestinationChanged(destination=name))

    def outage(self, name: str = "pacs") -> DestinationOutage | None:
        with self.database.read() as session:
            return session.get(DestinationOutage, name)

    # -- studies -------------------------------------------------------------------------------

    def add_study(
        self, images: int = 0, *, transfer_syntaxes: Sequence[str] = (ExplicitVRLittleEndian,)
    ) -> StudyAtHand:
        """A complete study that was announced, unless it has no images yet."""
        uid = generate_uid()
        study = StudyAtHand(uid, f"20260122_141530_P{next(self._numbers):03}_DOE_JOHN")
        with self.database.write() as session:
            session.add(
                Study(
                    study_uid=uid,
                    folder=study.folder,
                    patient_id="P001",
                    patient_name=PATIENT,
                    study_date="20260122",
                    study_time="141530",
                    modality="CT",
                    modalities=["CT"],
                    accession_number="A1",
                    study_description="",
                    created_at=self.clock(),
                    created_stamp="20260122_141530",
                    last_activity_at=self.clock(),
                )
            )
        if images:
            self.receive(study, images, transfer_syntaxes=transfer_syntaxes)
            self.complete(study)
        return study

    def receive(
        self,
        study: StudyAtHand,
        images: int,
        *,
        sop_class: str = CT_IMAGE_STORAGE,
        transfer_syntaxes: Sequence[str] = (ExplicitVRLittleEndian,),
    ) -> list[Image]:
        """More images for a study, organized and of no revision yet."""
        made = [
            self._organize(
                study, generate_uid(), sop_class, transfer_syntaxes[n % len(transfer_syntaxes)]
            )
            for n in range(images)
        ]
        study.images += made
        return made

    def replace(self, study: StudyAtHand, image: Image) -> Image:
        """Other bytes under the same SOP Instance UID: the older receipt is superseded."""
        with self.database.write() as session:
            old = session.get(Receipt, image.receipt_id)
            assert old is not None
            old.state, old.file_name = ReceiptState.SUPERSEDED, None
        new = self._organize(
            study, image.sop_instance_uid, CT_IMAGE_STORAGE, image.transfer_syntax_uid
        )
        study.images[study.images.index(image)] = new
        return new

    def _organize(self, study: StudyAtHand, uid: str, sop_class: str, syntax: str) -> Image:
        encoded = data_set(StudyInstanceUID=study.uid, SOPInstanceUID=uid, PatientName=PATIENT)
        receipt = str(ReceiptId(self.clock(), "a" * 16, next(self._numbers)))
        path = self.archive.study_file(study.folder, file_name("CT", uid))
        path.parent.mkdir(exist_ok=True)
        meta = FileMeta(sop_class, uid, syntax, receipt_id=receipt)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(encode_file_meta(meta) + encoded)
        temporary.rename(path)
        image = Image(receipt, uid, syntax, hashlib.sha256(encoded).hexdigest(), path)
        with self.database.write() as session:
            session.add(
                Receipt(
                    receipt_id=receipt,
                    association_id="a" * 16,
                    state=ReceiptState.ORGANIZED,
                    study_uid=study.uid,
                    series_uid="1.2.3",
                    sop_class_uid=sop_class,
                    sop_instance_uid=uid,
                    transfer_syntax_uid=syntax,
                    instance_number="1",
                    size=path.stat().st_size,
                    sha256=image.sha256,
                    spool_path="",
                    file_name=path.name,
                    received_at=self.clock(),
                    organized_at=self.clock(),
                )
            )
            found = session.get(Study, study.uid)
            assert found is not None
            found.receiving, found.state = True, StudyState.RECEIVING
        return image

    def complete(self, study: StudyAtHand, *, announce: bool = True) -> None:
        """Freeze what is new as the next revision, as the organizer does."""
        with self.database.write() as session:
            row = lock_study(session, study.uid)
            assert row is not None
            row.revision += 1
            row.receiving = False
            for receipt in session.scalars(
                select(Receipt).where(Receipt.study_uid == study.uid, Receipt.revision.is_(None))
            ):
                receipt.revision = row.revision
            refresh_state(session, row, self.clock())
            revision = row.revision
        if announce:
            self.tell(_announcement(study, revision), "CT")

    def change_study(self, study: StudyAtHand, **values: object) -> None:
        with self.database.write() as session:
            row = lock_study(session, study.uid)
            assert row is not None
            for key, value in values.items():
                setattr(row, key, value)
            refresh_state(session, row, self.clock())

    def state(self, study: StudyAtHand) -> str:
        with self.database.read() as session:
            found = session.get(Study, study.uid)
            assert found is not None
            return found.state

    def timeline(self, study: StudyAtHand) -> list[tuple[str, str]]:
        with self.database.read() as session:
            rows = session.scalars(
                select(TimelineEntry)
                .where(TimelineEntry.study_uid == study.uid)
                .order_by(TimelineEntry.id)
            )
            return [(row.event, row.detail) for row in rows]

    # -- deliveries ----------------------------------------------------------------------------

    def deliveries(self, study: StudyAtHand | None = None) -> list[Delivery]:
        query = select(Delivery).order_by(Delivery.created_at, Delivery.revision, Delivery.id)
        if study is not None:
            query = query.where(Delivery.study_uid == study.uid)
        with self.database.read() as session:
            return list(session.scalars(query))

    def delivery(self, study: StudyAtHand) -> Delivery:
        (found,) = self.deliveries(study)
        return found

    def has_delivery(self, study: StudyAtHand, *states: str) -> bool:
        """Whether the study's one delivery is there, in one of these states."""
        found = self.deliveries(study)
        return len(found) == 1 and found[0].state in states

    def instances(self, delivery: Delivery) -> dict[str, DeliveryInstance]:
        """By receipt."""
        with self.database.read() as session:
            rows = session.scalars(
                select(DeliveryInstance).where(DeliveryInstance.delivery_id == delivery.id)
            )
            return {row.receipt_id: row for row in rows}

    # -- messages ------------------------------------------------------------------------------

    def tell(self, payload: Payload, modality: str = "") -> None:
        self.bus.publish(
            message(payload, id=uuid.uuid4().hex, source="/test", modality=modality)
        ).result(5)

    def depths(self, name: str = "pacs") -> dict[str, int]:
        """The messages in a destination's queues, by the queue's ending."""
        queue = delivery_queue(name).name
        found: list[QueueDepth] = self.bus.depths()
        return {
            each.name.removeprefix(queue): each.messages
            for each in found
            if each.name.startswith(queue) and each.messages
        }

    def dead_letters(self, name: str = "pacs") -> list[Message]:
        with self.bus.dead_letters(delivery_queue(name)) as letters:
            return list(letters)

    def events_of(self, kind: type[Payload]) -> list[Payload]:
        return [event for event in self.events if isinstance(event, kind)]


def _announcement(study: StudyAtHand, revision: int) -> StudyComplete:
    return StudyComplete(
        study_uid=study.uid,
        accession_number="A1",
        modalities=["CT"],
        calling_ae_titles=["CT1"],
        revision=revision,
        image_count=len(study.images),
        new_instances=len(study.images),
        evidence={},
    )


def eventually(condition: Callable[[], object], what: str = "", seconds: float = 30) -> None:
    """Wait until it is so; fail when it is not in time."""
    give_up = monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert monotonic() < give_up, f"not within {seconds} s: {what}"
        pause.wait(0.01)
