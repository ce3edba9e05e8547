"""What the receiver asks of the database: who is known. It writes nothing there."""

from sqlalchemy import select

from dicom_router.database import Database
from dicom_router.models import Sender
from services.receiver.callers import KnownSender


def known_senders(database: Database) -> tuple[KnownSender, ...]:
    """All registered senders; `DatabaseUnavailable` when it can't be told."""
    with database.read() as session:
        return tuple(
            KnownSender(sender.name, sender.ae_title, tuple(sender.addresses))
            for sender in session.scalars(select(Sender).order_by(Sender.name))
        )
