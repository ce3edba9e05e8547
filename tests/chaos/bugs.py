"""Three bugs on purpose, each of which `make chaos` must find: put into a service's process from
outside, so that the product knows nothing of them.
"""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from dicom_router.archive import SpoolFile
from dicom_router.database import Session
from dicom_router.events import Message
from dicom_router.ledger import lock_study
from dicom_router.models import Delivery, DeliveryState, Study
from dicom_router.tasks import for_each
from services.organizer import queries
from services.organizer.deletion import own_files
from services.organizer.handlers import Handlers
from services.organizer.retention import Retention
from services.organizer.sweep import Sweep


def no_flush() -> None:
    """A receiver that answers success before anything is flushed."""

    def commit(self: SpoolFile) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        self._temporary.rename(self._path)

    SpoolFile.commit = commit  # type: ignore[method-assign]


def early_delete() -> None:
    """An organizer that deletes a study as soon as the first destination has it."""

    def run(self: Retention) -> None:
        with self._database.read() as session:
            due = [
                delivery.study_uid
                for delivery in session.query(Delivery).filter_by(state=DeliveryState.DELIVERED)
            ]
        for_each("retention", sorted(set(due)), delete(self))

    def delete(retention: Retention) -> Callable[[str], None]:
        def work(study_uid: str) -> None:
            with retention._database.write() as session:
                study = lock_study(session, study_uid)
                if study is None or study.receiving or not study.on_disk:
                    return
                _delete_files(retention, session, study, retention._clock())

        return work

    Retention.run = run  # type: ignore[method-assign]


def _delete_files(retention: Retention, session: Session, study: Study, now: datetime) -> None:
    names = own_files(session, retention._archive, study)
    retention._archive.remove_study_files(study.folder, names)
    queries.mark_deleted(session, study, now)


def early_ack() -> None:
    """An organizer that acknowledges before it commits, with nothing that makes up for it."""
    on_intake = Handlers.on_intake

    def acknowledge_at_once(self: Handlers, messages: Sequence[Message]) -> None:
        threading.Thread(target=on_intake, args=(self, messages), daemon=True).start()

    def sweep_nothing(self: Sweep) -> None:
        self.swept.set()

    Handlers.on_intake = acknowledge_at_once  # type: ignore[method-assign]
    Sweep.run = sweep_nothing  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "no-flush": no_flush,
    "early-delete": early_delete,
    "early-ack": early_ack,
}
