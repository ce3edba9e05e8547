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
    payload_of,
)
from dicom_router.queues import INTAKE
from dicom_router.tasks import Task
from services.organizer import queries
from services.organizer.intake import Intake


class Handlers:
    """The organizer's handlers; each commits before it returns."""

    def __init__(
        self,
        intake: Intake,
        database: Database,
        completing: Task,
        deletion: Task,
        clock: Callable[[], datetime],
    ) -> None:
        self._intake, self._database, self._deletion = intake, database, deletion
        self._completing, self._clock = completing, clock

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
        """`association-rejected`: record who was refused. `study-delete`: look what is to go."""
        commands = [payload_of(each) for each in messages]
        refused = [each for each in commands if isinstance(each, AssociationRejected)]
        with self._database.write() as session:
            for each in refused:
                queries.record_rejection(session, each, self._clock())
        if len(refused) < len(commands):
            self._deletion.wake()
