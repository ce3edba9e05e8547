"""Fixes what a study owes: its deliveries, made once for every revision, under the study's lock."""

import uuid
from datetime import datetime

from dicom_router.ledger import (
    enabled_destinations,
    enabled_routes,
    facts_of,
    lock_study,
    note,
    refresh_state,
)
from dicom_router.log import Log, get_logger
from dicom_router.models import Study
from dicom_router.routing import Decision, StudyFacts, decide
from dicom_router.said import said, unpacked
from services.forwarder import queries
from services.forwarder.messages import Due, wake_up
from services.forwarder.queries import Transaction
from services.forwarder.routing import Newcomers, Owed, owed
from services.forwarder.writing import Writer

log = get_logger()


class Owing:
    """Routes studies; doing so again changes nothing."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def route(self, study_uid: str) -> int:
        """Make the deliveries that a study's complete revisions need; how many were made."""
        return self._writer.write(lambda session, now: self._route(session, study_uid, now))

    def _route(self, session: Transaction, study_uid: str, now: datetime) -> int:
        study = lock_study(session, study_uid)
        if study is None or study.deleted:
            return 0
        return self.route_locked(session, study, now)

    def route_locked(self, session: Transaction, study: Study, now: datetime) -> int:
        """As `route`, in the transaction of who has locked the study."""
        if study.routed_revision >= study.revision and not study.unrouted:
            return 0
        waiting = queries.unowed(session, study)
        decision = where_to(session, study)
        newcomers = _newcomers(session, study, decision)
        made = owed(
            decision.destinations, waiting, study.routed_revision, study.revision, newcomers
        )
        for each in made:
            self.make(session, study, uuid.uuid4().hex, each, now)
        changed = bool(made) or study.routed_revision < study.revision
        study.routed_revision = study.revision
        study.unrouted = bool(waiting) and not made
        if changed:
            _tell(session, study, decision, now)
            refresh_state(session, study, now)
            log.info(Log.STUDY_ROUTED, study_uid=study.study_uid, deliveries=len(made))
        return len(made)

    def make(
        self, session: Transaction, study: Study, delivery_id: str, each: Owed, now: datetime
    ) -> None:
        """Make one delivery, and wake whoever is to send it."""
        outage = queries.hold_outage(session, each.destination)
        queries.insert_delivery(session, delivery_id, study.study_uid, each, outage, now)
        if outage is not None:
            note(
                session,
                study.study_uid,
                now,
                "delivery-waiting",
                said(
                    "{destination} is down: {why}",
                    destination=each.destination,
                    why=unpacked(outage.reason["text"], outage.reason.get("said")),
                ),
                destination=each.destination,
                reason=outage.reason,
            )
        due = Due(delivery_id, study.study_uid, each.destination)
        self._writer.publish(session, wake_up(due, self._writer.source, now))


def where_to(session: Transaction, study: Study) -> Decision:
    """Where a study goes as destinations and routes are now."""
    routes = enabled_routes(session)
    facts = facts_of(session, study) if routes else StudyFacts((), (), (), "", "")
    return decide(enabled_destinations(session), routes, facts)


def _newcomers(session: Transaction, study: Study, decision: Decision) -> Newcomers:
    """Destinations to which routes send a study that went only to others before.

    Without routes there are none: a destination that is new gets new studies.
    """
    had = queries.destinations_owed(session, study.study_uid) if decision.verdicts else set()
    names = set(decision.destinations) - had if had else set()
    if not names:
        return Newcomers()
    return Newcomers(names, tuple(queries.files_at_hand(session, study)))


def _tell(session: Transaction, study: Study, decision: Decision, now: datetime) -> None:
    """Note which routes decided, if any did."""
    if not decision.verdicts:
        return
    sentence = decision.sentence()
    note(
        session,
        study.study_uid,
        now,
        "routed",
        sentence,
        routes=[each.route.name for each in decision.verdicts if each.applies],
        destinations=list(decision.destinations),
    )
