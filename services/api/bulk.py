"""Has many studies sent (again): a batch of commands at a time, as fast as they are carried out.

How far it is stands in the database, in the transaction that asks for a batch: after a restart it
goes on there. What waits is bounded, so that other commands are not held up for long, and nothing
is dropped by the in-process bus, which is bounded too.
"""

from typing import Any

from dicom_router.events import ForwardRequested
from dicom_router.log import Log, get_logger
from dicom_router.queues import FORWARDER_COMMANDS
from services.api.context import SERVICE, Context
from services.api.problems import Problem
from services.api.queries import bulk as queries
from services.api.queries.studies import StudyFilter
from services.api.routes.studies import filter_of
from services.api.schemas import StudyQuery

_BATCH = 200  # studies; a forwarder takes a second or two for them
_NOT_UNDERSTOOD = (
    "Its filter is not understood by this version of the router: ask for the rest with a new one"
)

log = get_logger()


class BulkForwarding:
    """Works off what `POST /deliveries/bulk` has accepted, the oldest first."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def run(self) -> None:
        """Ask for the next studies, unless those of before still wait."""
        with self._context.database.read() as session:
            idle = not queries.any_unfinished(session) or queries.outbox_waits(session, SERVICE)
        if not idle and self._forwarders_are_free():
            self._ask()

    def _forwarders_are_free(self) -> bool:
        """Whether their commands are taken; without their queue they would be lost."""
        depths = self._context.bus.depths([FORWARDER_COMMANDS])
        waiting = [each.messages for each in depths if each.name == FORWARDER_COMMANDS.name]
        return bool(waiting) and waiting[0] < _BATCH

    def _ask(self) -> None:
        with self._context.change(None) as change:
            row = queries.oldest_unfinished(change.session)
            if row is None:
                return
            wanted = _understood(row.wanted)
            if wanted is None:
                queries.end(row, _NOT_UNDERSTOOD, change.now)
                log.error(Log.BULK_ENDED, bulk=row.id, asked=row.asked, why=_NOT_UNDERSTOOD)
                return
            study_uids = queries.next_studies(change.session, wanted, row, _BATCH)
            change.tell(
                *(
                    ForwardRequested(
                        study_uid=each,
                        destination=row.destination,
                        only_missing=row.only_missing,
                        by=row.by,
                    )
                    for each in study_uids
                )
            )
            queries.advance(row, study_uids, change.now, is_last=len(study_uids) < _BATCH)


def _understood(wanted: dict[str, Any]) -> StudyFilter | None:
    """The filter as it was kept; None if an earlier version took what this one does not."""
    try:
        return filter_of(StudyQuery.model_validate(wanted))
    except (ValueError, Problem):  # not logged: it may tell a patient's name
        return None
