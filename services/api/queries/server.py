"""What kind of server the database is, and what time it has."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


def now(session: Session) -> datetime | None:
    """The database's own time; None where that is this machine's."""
    if session.get_bind().dialect.name == "sqlite":
        return None
    found: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found.astimezone(UTC)


def version(session: Session) -> str:
    """`PostgreSQL 17.2` or `SQLite 3.46.0`."""
    if session.get_bind().dialect.name == "sqlite":
        return f"SQLite {session.execute(text('SELECT sqlite_version()')).scalar_one()}"
    said = str(session.execute(text("SHOW server_version")).scalar_one())
    return f"PostgreSQL {said.split(maxsplit=1)[0]}"
