"""Routes: reading and changing them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select, tuple_
from sqlalchemy.orm import Session

from dicom_router.models import Destination, Route
from services.api.queries.locks import CONFIGURATION, lock


def routes(session: Session, after: tuple[int, str], limit: int) -> Sequence[Route]:
    """The next routes, in their order, then by name."""
    last = tuple_(literal(after[0]), literal(after[1]))
    query = select(Route).where(tuple_(Route.order, Route.name) > last)
    return session.scalars(query.order_by(Route.order, Route.name).limit(limit)).all()


def route(session: Session, name: str) -> Route | None:
    """One route."""
    return session.get(Route, name)


def lock_routing(session: Session) -> None:
    """Be the only one who changes routes, or which destinations there are."""
    lock(session, CONFIGURATION)


def create_route(
    session: Session, name: str, values: Mapping[str, Any], now: datetime
) -> Route | None:
    """A new route; None if there is one of this name already."""
    if session.get(Route, name) is not None:
        return None
    row = Route(**values, name=name, created_at=now, updated_at=now)
    session.add(row)
    session.flush()
    return row


def delete_route(session: Session, row: Route) -> None:
    """Remove a route."""
    session.delete(row)
    session.flush()


def unknown_destinations(session: Session, names: Sequence[str]) -> list[str]:
    """Which of these are no destinations."""
    known = set(session.scalars(select(Destination.name).where(Destination.name.in_(names))))
    return [name for name in names if name not in known]


def routes_to(session: Session, destination: str) -> list[str]:
    """The routes, enabled or not, that name a destination; none is added until the end."""
    lock_routing(session)
    found = session.scalars(select(Route).order_by(Route.order, Route.name))
    return [row.name for row in found if destination in row.destinations]
