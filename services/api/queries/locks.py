"""Locks that no row stands for. On SQLite, `Database.write` has the whole database anyway."""

from sqlalchemy import text
from sqlalchemy.orm import Session

# Arbitrary numbers among PostgreSQL's advisory locks.
CONFIGURATION = 7_203_110
EVENTS = 7_203_111
IDEMPOTENCY = 7_203_112


def lock(session: Session, what: int) -> None:
    """Wait for a lock and hold it until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:what)"), {"what": what})
