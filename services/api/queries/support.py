"""What `services.api.support` looks up by itself, for when no API answers."""

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from dicom_router.models import RecordedEvent, Study

_OF_EVERY_IMAGE = "instance-stored"


def server_version(session: Session) -> str:
    """Which database this is."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    query = "SELECT 'SQLite ' || sqlite_version()" if is_sqlite else "SELECT version()"
    return str(session.scalar(text(query)))


def newest_events(session: Session, most: int) -> list[str]:
    """The envelopes of the last events, the oldest first, but for those of single images."""
    query = (
        select(RecordedEvent.body)
        .where(RecordedEvent.name != _OF_EVERY_IMAGE)
        .order_by(RecordedEvent.id.desc())
        .limit(most)
    )
    return list(reversed(session.scalars(query).all()))


def patients(session: Session, most: int) -> set[str]:
    """IDs and names of the patients of the newest studies."""
    query = select(Study.patient_id, Study.patient_name).order_by(Study.created_at.desc())
    return {each for row in session.execute(query.limit(most)) for each in row if each}


def studies_by_state(session: Session) -> Sequence[tuple[str, int]]:
    """How many studies there are in each state."""
    rows = session.execute(select(Study.state, func.count()).group_by(Study.state))
    return [(state, count) for state, count in rows]
