"""What the organizer does on each message of its queues."""

from collections.abc import Callable, Sequence
from datetime import datetime

from dicom_router.database import Database
from dicom_router.errors import Unprocessable
from dicom_router.events import (
    AssociationRejected,
    AssociationReleased,
    InstanceStored,
    Message,
    Payload,
    QuarantineDelete,
    QuarantineRetry,
    StudyDelete,
    payload_of,
)
from dicom_router.queues import INTAKE, ORGANIZER_COMMANDS
from dicom_router.tasks import Task
from services.organizer import queries
from services.organizer.intake import Intake
from services.organizer.quarantine import Quarantine


class Handlers:
    """The organizer's handlers; each commits before it returns."""

    def __init__(
        self,
        intake: Intake,
        quarantine: Quarantine,
        database: Database,
        completing: Task,
        deletion: Task,
        clock: Callable[[], datetime],
    ) -> None:
        self._intake, self._quarantine, self._database = intake, quarantine, database
        self._completing, self._deletion, self._clock = completing, deletion, clock

    def on_intake(self, messages: Sequence[Message]) -> None:
        """`instance-stored` and `association-released`: organize, then record the ends."""
        payloads = [payload_of(each) for each in messages]
        for payload in payloads:
            if not isinstance(payload, InstanceStored | AssociationReleased):
                raise Unprocessable(f"a {payload.name} does not belong into {INTAKE.name}")
        self._intake.organize([p for p in payloads if isinstance(p, InstanceStored)])
        ends = [p for p in payloads if isinstance(p, AssociationReleased)]
        if ends:
            with self._database.write() as session:
                for end in sorted(ends, key=lambda each: each.association_id):
                    queries.record_end(session, end, self._clock())
            self._completing.wake()

    def on_command(self, messages: Sequence[Message]) -> None:
        """Do what the API asks for, and record who was refused."""
        for each in messages:
            self._on_command(payload_of(each), each.time)

    def _on_command(self, command: Payload, asked_at: datetime) -> None:
        if isinstance(command, AssociationRejected):
            with self._database.write() as session:
                queries.record_rejection(session, command, self._clock())
        elif isinstance(command, StudyDelete):
            self._deletion.wake()
        elif isinstance(command, QuarantineRetry):
            self._quarantine.retry(command.receipt_id, command.by, asked_at)
        elif isinstance(command, QuarantineDelete):
            self._quarantine.delete(command.receipt_id, command.by)
        else:
            raise Unprocessable(f"a {command.name} does not belong into {ORGANIZER_COMMANDS.name}")
