"""Registering a sender. The first one closes the door (ROUTER_ACCEPT_CALLERS=auto), so everybody
who has stored lately is let in with it.
"""

import re
from collections.abc import Collection, Iterable
from datetime import timedelta

from dicom_router.events import SenderChanged
from dicom_router.log import Log, get_logger
from dicom_router.said import said
from services.api.context import Change
from services.api.problems import Problem
from services.api.queries import senders as queries
from services.api.queries.locks import CONFIGURATION, lock
from services.api.schemas import NewSender

CALLERS_COUNT_FOR = timedelta(days=30)
_LONGEST_NAME = 40

log = get_logger()


def register(change: Change, given: NewSender) -> list[str]:
    """Register a sender; the names of those that were registered with it."""
    lock(change.session, CONFIGURATION)
    if queries.sender(change.session, given.name) is not None:
        raise Problem(
            409, said("There is a sender {name!r} already; PUT changes it.", name=given.name)
        )
    others: dict[str, str] = {}
    if not queries.any_sender(change.session):
        since = change.now - CALLERS_COUNT_FOR
        callers = queries.callers_since(change.session, since)
        others = named((each for each in callers if each != given.ae_title), {given.name})
    queries.add_senders(
        change.session, [given.model_dump(), *map(_row, others.items())], change.now
    )
    change.tell(SenderChanged(sender=given.name))
    if others:
        log.info(Log.SENDERS_REGISTERED, first=given.name, also=sorted(others))
    return sorted(others)


def named(ae_titles: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """A name for each AE title, by name: its letters and digits, made unique by a number."""
    found: dict[str, str] = {}
    for title in ae_titles:
        base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "caller"
        name, number = base[:_LONGEST_NAME], 1
        while name in found or name in taken:
            number += 1
            name = f"{base[: _LONGEST_NAME - len(str(number)) - 1]}-{number}"
        found[name] = title
    return found


def _row(item: tuple[str, str]) -> dict[str, object]:
    name, title = item
    return {
        "name": name,
        "ae_title": title[:16],
        "addresses": [],
        "host": "",
        "port": None,
        "settle_seconds": None,
    }
