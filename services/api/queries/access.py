"""Users, their sessions, API tokens, sign-in links."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from dicom_router.models import ApiToken, SigninLink, User, UserSession
from services.api.queries.locks import CONFIGURATION, lock


def users(session: Session, after: str, limit: int) -> Sequence[User]:
    """The next users, by name."""
    query = select(User).where(User.name > after).order_by(User.name).limit(limit)
    return session.scalars(query).all()


def user(session: Session, name: str) -> User | None:
    """One user."""
    return session.get(User, name)


def lock_users(session: Session) -> None:
    """Keep others from changing users until the transaction ends: the last admin is to stay."""
    lock(session, CONFIGURATION)


def other_admins(session: Session, name: str) -> int:
    """How many users with the role admin may sign in, besides this one."""
    query = select(func.count()).select_from(User)
    return (
        session.scalar(
            query.where(User.role == "admin", User.disabled.is_(False), User.name != name)
        )
        or 0
    )


def signed_in(session: Session, name: str, now: datetime) -> None:
    """Note when a user signed in."""
    session.execute(update(User).where(User.name == name).values(last_signed_in_at=now))


def open_session(session: Session, row: UserSession) -> None:
    """Somebody signs in."""
    session.add(row)


def session_of(session: Session, session_id: str) -> UserSession | None:
    """The session that a cookie is about."""
    return session.get(UserSession, session_id)


def close_session(session: Session, session_id: str) -> None:
    """Somebody signs out."""
    session.execute(delete(UserSession).where(UserSession.id == session_id))


def close_sessions(session: Session, kind: str, subject: str, but: str = "") -> int:
    """End what somebody has open, but for one session; how many those were."""
    ended = session.execute(
        delete(UserSession).where(
            UserSession.kind == kind, UserSession.subject == subject, UserSession.id != but
        )
    )
    return _rows(ended)


def tokens(session: Session, after: str, limit: int) -> Sequence[ApiToken]:
    """The next tokens, by name."""
    query = select(ApiToken).where(ApiToken.name > after).order_by(ApiToken.name).limit(limit)
    return session.scalars(query).all()


def token(session: Session, token_id: str) -> ApiToken | None:
    """One token."""
    return session.get(ApiToken, token_id)


def token_by_name(session: Session, name: str) -> ApiToken | None:
    """One token, by its name."""
    return session.scalars(select(ApiToken).where(ApiToken.name == name)).first()


def token_by_hash(session: Session, token_hash: str) -> ApiToken | None:
    """The token that somebody gave."""
    return session.scalars(select(ApiToken).where(ApiToken.token_hash == token_hash)).first()


def token_used(
    session: Session, token_id: str, now: datetime, address: str, before: datetime
) -> None:
    """Note when and from where a token was used, unless that was noted after `before`."""
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.id == token_id,
            or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= before),
        )
        .values(last_used_at=now, last_used_from=address)
    )


def add_link(session: Session, token_hash: str, expires_at: datetime) -> None:
    """A link that signs in once."""
    session.add(SigninLink(token_hash=token_hash, expires_at=expires_at))


def use_link(session: Session, token_hash: str, now: datetime) -> bool:
    """Use a link up; whether it was good. Of two that come at once one finds it."""
    used = session.execute(
        delete(SigninLink).where(SigninLink.token_hash == token_hash, SigninLink.expires_at > now)
    )
    return _rows(used) == 1


def prune(session: Session, now: datetime) -> None:
    """Forget sessions and links whose time is over."""
    session.execute(delete(UserSession).where(UserSession.expires_at <= now))
    session.execute(delete(SigninLink).where(SigninLink.expires_at <= now))


def _rows(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
