"""Known scanners: reading and changing them, and who has stored lately."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from dicom_router.models import Association, Receipt, Sender


def senders(session: Session, after: str, limit: int) -> Sequence[Sender]:
    """The next senders, by name."""
    query = select(Sender).where(Sender.name > after).order_by(Sender.name).limit(limit)
    return session.scalars(query).all()


def sender(session: Session, name: str) -> Sender | None:
    """One sender."""
    return session.get(Sender, name)


def last_heard(session: Session, rows: Sequence[Sender]) -> dict[str, datetime | None]:
    """When each opened its last association that was not refused, by the sender's name.

    Of each AE title the newest is looked up in the index: how many there are does not matter.
    """
    was_taken = or_(Association.outcome.is_(None), Association.outcome != "rejected")
    newest = (
        select(Association.opened_at)
        .where(Association.calling_ae_title == Sender.ae_title, was_taken)
        .where(Association.opened_at.is_not(None))
        .order_by(Association.opened_at.desc())
        .limit(1)
        .correlate(Sender)
        .scalar_subquery()
    )
    names = [row.name for row in rows]
    found = session.execute(select(Sender.name, newest).where(Sender.name.in_(names)))
    return {row.name: row[1] for row in found}


def lock_sender(session: Session, name: str) -> Sender | None:
    """One sender, for changing it."""
    return session.get(Sender, name, with_for_update=True)


def any_sender(session: Session) -> bool:
    """Whether one is registered."""
    return session.scalar(select(Sender.name).limit(1)) is not None


def add_senders(session: Session, rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Register senders whose names are free."""
    session.add_all(Sender(**row, created_at=now, updated_at=now) for row in rows)
    session.flush()


def delete_sender(session: Session, row: Sender) -> None:
    """Remove a sender."""
    session.execute(delete(Sender).where(Sender.name == row.name))


def callers_since(session: Session, since: datetime) -> Sequence[str]:
    """The calling AE titles of associations that stored something since then.

    Loose files in the data folder are stored by nobody who calls: they have no address.
    """
    stored = exists().where(
        Receipt.association_id == Association.association_id, Receipt.received_at >= since
    )
    lately = or_(Association.closed_at.is_(None), Association.closed_at >= since)
    called = Association.peer_address != ""
    query = select(Association.calling_ae_title).where(called, lately, stored).distinct()
    return session.scalars(query.order_by(Association.calling_ae_title)).all()
