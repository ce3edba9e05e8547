"""What the history file shows."""

from collections.abc import Iterable

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from dicom_router.database import insert_or_ignore
from dicom_router.models import Projection, Study

_CHUNK = 500  # values in one IN list


def lock_projection(session: Session, holder: str) -> Projection | None:
    """The lock on `.metadata.json`, held until the transaction ends; None if another has it."""
    insert_or_ignore(session, Projection, [{"id": 1, "holder": holder, "generation": 0}])
    return session.scalars(
        select(Projection).where(Projection.id == 1).with_for_update(skip_locked=True)
    ).one_or_none()


def has_unprojected(session: Session) -> bool:
    """Whether a study has changed since the history was written."""
    return session.scalar(select(Study.study_uid).where(~Study.projected).limit(1)) is not None


def take_unprojected(session: Session, limit: int) -> list[Study]:
    """So many of the studies that have changed; they count as written from now on."""
    # In one order, that two who lock several never wait for each other.
    unprojected = select(Study).where(~Study.projected).order_by(Study.study_uid).limit(limit)
    studies = list(session.scalars(unprojected.with_for_update()))
    for start in range(0, len(studies), _CHUNK):
        uids = [study.study_uid for study in studies[start : start + _CHUNK]]
        session.execute(update(Study).where(Study.study_uid.in_(uids)).values(projected=True))
    return studies


def recent_studies(session: Session) -> Iterable[Study]:
    """The studies that belong into `.metadata.json`; not all in memory at once."""
    return _streamed(session, select(Study).where(Study.history_month.is_(None)))


def outgrown_studies(session: Session, newest: int, limit: int) -> list[Study]:
    """Studies in `.metadata.json` that are neither on disk nor among the newest so many."""
    edge = session.scalar(
        select(Study.created_at).order_by(Study.created_at.desc()).offset(newest).limit(1)
    )
    if edge is None:
        return []
    return list(
        session.scalars(
            select(Study)
            .where(Study.history_month.is_(None), ~Study.on_disk, Study.created_at <= edge)
            .order_by(Study.created_at)
            .limit(limit)
        )
    )


def studies_of_month(session: Session, month: str) -> Iterable[Study]:
    """The older studies whose history is in that month's file; not all in memory at once."""
    of_month = select(Study).where(Study.history_month == month).order_by(Study.created_at)
    return _streamed(session, of_month)


def _streamed(session: Session, studies: Select[Study]) -> Iterable[Study]:
    return session.scalars(studies.execution_options(yield_per=_CHUNK))
