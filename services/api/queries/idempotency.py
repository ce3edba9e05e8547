"""What was answered to requests that may be made again."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from dicom_router.models import IdempotentRequest
from services.api.queries.locks import IDEMPOTENCY, lock

# The process that began it has died: no request takes so long.
ABANDONED_AFTER = timedelta(minutes=2)


def begin(session: Session, key: str, fingerprint: str, now: datetime) -> IdempotentRequest | None:
    """Note that a request is being carried out; the earlier one if there is one of this key."""
    lock(session, IDEMPOTENCY)
    found = session.get(IdempotentRequest, key)
    if found is not None and found.status is None and now - found.at > ABANDONED_AFTER:
        session.delete(found)
        session.flush()
        found = None
    if found is None:
        session.add(IdempotentRequest(key=key, fingerprint=fingerprint, at=now))
    return found


def finish(session: Session, key: str, status: int, media_type: str, body: str) -> None:
    """Keep what was answered."""
    row = session.get(IdempotentRequest, key)
    if row is not None:
        row.status, row.media_type, row.body = status, media_type, body


def forget(session: Session, key: str) -> None:
    """Nothing came of it: it may be tried again."""
    session.execute(delete(IdempotentRequest).where(IdempotentRequest.key == key))


def prune(session: Session, before: datetime) -> None:
    """Forget what was asked before a moment."""
    session.execute(delete(IdempotentRequest).where(IdempotentRequest.at < before))
