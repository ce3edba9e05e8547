"""Studies, and what belongs to them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from dicom_router.models import (
    Association,
    Delivery,
    Receipt,
    ReceiptState,
    Series,
    Study,
    StudyState,
    TimelineEntry,
    among,
)
from dicom_router.said import said
from dicom_router.search import ESCAPE, name_patterns, patterns
from services.api.paging import Cursor
from services.api.problems import Problem

# So many studies are looked at along an order before all that fit are gathered from the indexes of
# what was asked for: where more fit, a page is full by then; where fewer do, all of them are soon
# gathered. More of them in the order of time, since studies that came one after the other are
# stored so and others are all over the disk; and for words, which PostgreSQL has to compare again
# in each study that its index finds.
_LOOKED_AT = 5_000
_LOOKED_AT_FOR_LONGER = 20_000


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies; None and empty: all."""

    q: str = ""
    patient_id: str = ""
    patient_name: str = ""
    modality: str = ""
    states: Collection[StudyState] = ()
    sent: bool | None = None
    needs_attention: bool | None = None
    received_from: datetime | None = None
    received_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """What one association brought of a study."""

    association_id: str
    first_received_at: datetime
    count: int
    association: Association | None


@dataclass(frozen=True, slots=True)
class Filing:
    """What came of the receipts of one revision of a study."""

    revision: int
    at: datetime
    organized: int
    duplicates: int
    superseded: int
    quarantined: int


def studies(
    session: Session,
    wanted: StudyFilter,
    sort: str,
    after: Cursor | None,
    limit: int,
    looked_at: int | None = None,
) -> Sequence[Study]:
    """The next studies in an order, `-` descending; the UID decides among equals."""
    if wanted == StudyFilter():
        everything = select(Study).where(*_later(sort, after)).order_by(*_order(sort))
        return session.scalars(everything.limit(limit)).all()
    if looked_at is None:
        longer = sort.endswith("created_at") or wanted.q or wanted.patient_name
        looked_at = _LOOKED_AT_FOR_LONGER if longer else _LOOKED_AT
    near = session.scalars(_near(session, wanted, sort, after, looked_at).limit(limit)).all()
    if len(near) == limit:
        return near
    return session.scalars(gathered(session, wanted, sort, after, limit)).all()


def cursor_of(study: Study, sort: str) -> Cursor:
    """Where a page that ends with this study ends."""
    key = getattr(study, sort.removeprefix("-"))
    return Cursor(sort, key.isoformat() if isinstance(key, datetime) else key, study.study_uid)


def study(session: Session, study_uid: str) -> Study | None:
    """One study."""
    return session.get(Study, study_uid)


def patient_names(session: Session, study_uids: Collection[str]) -> dict[str, str]:
    """The patients' names of these studies."""
    rows = select(Study.study_uid, Study.patient_name).where(Study.study_uid.in_(study_uids))
    return {row.study_uid: row.patient_name for row in session.execute(rows)}


def ids_of(session: Session, study_uid: str) -> set[str]:
    """What log lines call a study by: its UID, its associations' ids and its deliveries'."""
    associations = select(Receipt.association_id).where(Receipt.study_uid == study_uid).distinct()
    deliveries = select(Delivery.id).where(Delivery.study_uid == study_uid)
    return {study_uid, *session.scalars(associations), *session.scalars(deliveries)}


def count_needing_attention(session: Session) -> int:
    """How many studies a person should look at."""
    return session.scalar(select(func.count()).where(Study.needs_attention)) or 0


def series(
    session: Session, study_uid: str, after: str, limit: int
) -> Sequence[tuple[Series, int]]:
    """A study's series, by UID, each with how many instances it has."""
    rows = session.execute(
        select(Series, func.count(Receipt.receipt_id))
        .outerjoin(
            Receipt,
            and_(
                Receipt.study_uid == Series.study_uid,
                Receipt.series_uid == Series.series_uid,
                Receipt.state == ReceiptState.ORGANIZED,
            ),
        )
        .where(Series.study_uid == study_uid, Series.series_uid > after)
        .group_by(Series.study_uid, Series.series_uid)
        .order_by(Series.series_uid)
        .limit(limit)
    )
    return [(found, count) for found, count in rows]


def instances(session: Session, study_uid: str, after: str, limit: int) -> Sequence[Receipt]:
    """A study's instances, by UID."""
    return session.scalars(
        select(Receipt)
        .where(
            Receipt.study_uid == study_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.sop_instance_uid > after,
        )
        .order_by(Receipt.sop_instance_uid)
        .limit(limit)
    ).all()


def all_instances(session: Session, study_uid: str) -> Sequence[Receipt]:
    """All of a study's instances, in no order."""
    return session.scalars(
        select(Receipt).where(
            Receipt.study_uid == study_uid, Receipt.state == ReceiptState.ORGANIZED
        )
    ).all()


def middle_instance(session: Session, study_uid: str, series_uid: str) -> Receipt | None:
    """The instance in the middle of a series, by number, of those on disk."""
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.instance_number, Receipt.sop_instance_uid).where(
            Receipt.study_uid == study_uid,
            Receipt.series_uid == series_uid,
            Receipt.state == ReceiptState.ORGANIZED,
            Receipt.on_disk,
        )
    ).all()
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: (_number(row.instance_number), row.sop_instance_uid))
    return session.get(Receipt, ordered[len(ordered) // 2].receipt_id)


def series_of(session: Session, study_uid: str, series_uid: str) -> Series | None:
    """One series."""
    return session.get(Series, (study_uid, series_uid))


def _number(text: str) -> int:
    """An instance's number, an integer string (PS3.5 6.2); what is none comes first."""
    try:
        return int(text)
    except ValueError:
        return -1


def touches(session: Session, study_uid: str) -> list[Touch]:
    """The associations that brought a study."""
    first = func.min(Receipt.received_at)
    found = session.execute(
        select(Receipt.association_id, first, func.count())
        .where(Receipt.study_uid == study_uid)
        .group_by(Receipt.association_id)
        .order_by(first)
    ).all()
    ids = [association_id for association_id, _at, _count in found]
    known = {
        each.association_id: each
        for each in session.scalars(select(Association).where(Association.association_id.in_(ids)))
    }
    return [Touch(*row, known.get(row.association_id)) for row in found]


def filings(session: Session, found: Study) -> list[Filing]:
    """How a study's receipts ended, by revision; what has none yet counts for the next one."""
    current = found.revision + (1 if found.receiving else 0)
    revision = func.coalesce(Receipt.revision, max(current, 1))

    def ended(state: ReceiptState) -> ColumnElement[int]:
        return func.count().filter(Receipt.state == state)

    rows = session.execute(
        select(
            revision,
            func.max(Receipt.organized_at),
            ended(ReceiptState.ORGANIZED),
            ended(ReceiptState.DUPLICATE),
            ended(ReceiptState.SUPERSEDED),
            ended(ReceiptState.QUARANTINED),
        )
        .where(Receipt.study_uid == found.study_uid, Receipt.organized_at.is_not(None))
        .group_by(revision)
        .order_by(revision)
    )
    return [Filing(number, at, *counts) for number, at, *counts in rows if at is not None]


def entries(session: Session, study_uid: str) -> Sequence[TimelineEntry]:
    """What was noted of a study, in order."""
    return session.scalars(
        select(TimelineEntry)
        .where(TimelineEntry.study_uid == study_uid)
        .order_by(TimelineEntry.at, TimelineEntry.id)
    ).all()


def _near(
    session: Session, wanted: StudyFilter, sort: str, after: Cursor | None, looked_at: int
) -> Select[Study]:
    """Those that fit among the next few in an order."""
    within = _received(wanted) if sort.endswith("created_at") else []
    walked = select(Study).where(*within, *_later(sort, after)).order_by(*_order(sort))
    one = aliased(Study, walked.limit(looked_at).subquery())
    return select(one).where(*conditions(session, wanted, one)).order_by(*_order(sort, one))


def gathered(
    session: Session, wanted: StudyFilter, sort: str, after: Cursor | None, limit: int
) -> Select[Study]:
    """Those that fit among all.

    PostgreSQL can't tell how many studies a word is in. Where it expects many it would walk along
    the order in hope of them, through all studies if there is none: it is kept from that.
    """
    fits = *conditions(session, wanted), *_later(sort, after)
    if not (wanted.q or wanted.patient_name or wanted.modality):
        return select(Study).where(*fits).order_by(*_order(sort)).limit(limit)
    keys = select(Study.study_uid, _column(sort)).where(*fits).cte("fitting")
    keys = keys.prefix_with("MATERIALIZED", dialect="postgresql")
    descending = sort.startswith("-")
    order = [each.desc() if descending else each.asc() for each in (keys.c[1], keys.c[0])]
    page = select(keys.c[0]).order_by(*order).limit(limit).subquery()
    found = select(Study).join(page, page.c[0] == Study.study_uid)
    return found.order_by(*_order(sort))


def _column(sort: str, entity: type[Study] = Study) -> InstrumentedAttribute[Any]:
    column: InstrumentedAttribute[Any] = getattr(entity, sort.removeprefix("-"))
    return column


def _order(sort: str, entity: type[Study] = Study) -> list[ColumnElement[Any]]:
    columns = _column(sort, entity), entity.study_uid
    return [each.desc() if sort.startswith("-") else each.asc() for each in columns]


def _later(sort: str, after: Cursor | None) -> list[ColumnElement[bool]]:
    """What comes after a cursor."""
    if after is None:
        return []
    column = _column(sort)
    key = literal(_key(column, after.key), column.type)
    row, last = tuple_(column, Study.study_uid), tuple_(key, literal(after.id))
    return [row < last if sort.startswith("-") else row > last]


def _key(column: InstrumentedAttribute[Any], given: str | int) -> Any:
    """A cursor's key as the column has it."""
    try:
        if column.key == "created_at":
            return datetime.fromisoformat(str(given)).astimezone(UTC)
        if column.key in ("image_count", "size_bytes"):
            most = 2**31 - 1 if column.key == "image_count" else 2**63 - 1
            return max(0, min(int(given), most))
    except (ValueError, OverflowError):
        raise Problem.field("cursor", said("it is none that this API gave out")) from None
    return str(given)


def conditions(
    session: Session, wanted: StudyFilter, of: type[Study] = Study
) -> list[ColumnElement[bool]]:
    """What a study has to fit."""
    found = _received(wanted, of)
    words = [or_(*(_like(of.search, each) for each in word)) for word in patterns(wanted.q)]
    if len(words) == 1:  # which may be a whole UID
        words = [or_(of.study_uid == wanted.q, *words)]
    found += words  # several as they are, so that PostgreSQL looks for all of them in its index
    found += [_like(of.search, each) for each in name_patterns(wanted.patient_name)]
    if wanted.patient_id:
        found.append(of.patient_id == wanted.patient_id)
    if wanted.modality:
        found.append(_has(session, of.modalities, wanted.modality))
    if wanted.states:
        found.append(among(of.state, wanted.states))
    if wanted.sent is not None:
        sent = {StudyState.SENT}
        found.append(among(of.state, sent if wanted.sent else set(StudyState) - sent))
    if wanted.needs_attention is not None:
        wants = bool(wanted.needs_attention)
        found.append(and_(of.needs_attention) if wants else ~of.needs_attention)
    return found


def _received(wanted: StudyFilter, of: type[Study] = Study) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.received_from:
        found.append(of.created_at >= wanted.received_from)
    if wanted.received_before:
        found.append(of.created_at < wanted.received_before)
    return found


def _like(column: InstrumentedAttribute[str], pattern: str) -> ColumnElement[bool]:
    return column.like(pattern, escape=ESCAPE)


def _has(
    session: Session, modalities: InstrumentedAttribute[list[str]], modality: str
) -> ColumnElement[bool]:
    """Whether a study has series of a modality; PostgreSQL's index is one of JSONB."""
    if session.get_bind().dialect.name == "postgresql":
        return cast(modalities, JSONB).contains([modality])
    return cast(modalities, String).contains(json.dumps(modality), autoescape=True)
