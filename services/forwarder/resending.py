"""Sends a study (again) because a person asks for it, to one destination or where routes say."""

import uuid
from datetime import datetime

from dicom_router.archive import Archive, is_plain_file
from dicom_router.data_folder import check
from dicom_router.events import ForwardRequested
from dicom_router.ledger import enabled_destinations, lock_study, note, refresh_state
from dicom_router.log import Log, get_logger
from dicom_router.models import Study
from dicom_router.said import Said, images, joined, said
from services.forwarder import queries
from services.forwarder.deliveries import Deliveries
from services.forwarder.missing import Plan, everything, what_is_missing
from services.forwarder.owing import Owing, where_to
from services.forwarder.queries import Transaction
from services.forwarder.routing import Owed
from services.forwarder.writing import Writer

log = get_logger()


class Resending:
    """Does what `forward-requested` asks for, once: the timeline knows which it has done."""

    def __init__(
        self, writer: Writer, owing: Owing, deliveries: Deliveries, archive: Archive
    ) -> None:
        self._writer, self._owing, self._deliveries = writer, owing, deliveries
        self._archive = archive

    def forward(self, asked: ForwardRequested, request: str) -> list[str]:
        """Have the study sent; the destinations that get something by it.

        `request` is the id of the command, which may be delivered more than once. Raises
        `WrongFolder` while it can't be seen which images there are.
        """
        check(self._archive, self._writer.database)
        return self._writer.write(lambda session, now: self._forward(session, asked, request, now))

    def _forward(
        self, session: Transaction, asked: ForwardRequested, request: str, now: datetime
    ) -> list[str]:
        study = lock_study(session, asked.study_uid)
        if study is None or queries.was_requested(session, asked.study_uid, request):
            return []
        if not study.deleted:
            # What is owed by itself comes first: it is part of what is there or on its way.
            self._owing.route_locked(session, study, now)
        enabled = enabled_destinations(session)
        decision = where_to(session, study)
        names = list(decision.destinations) if asked.destination is None else [asked.destination]
        served = []
        for name in names:
            why_not = _why_not(study, name, enabled)
            plan = Plan() if why_not else self._plan(session, study, name, asked)
            self._carry_out(session, study, name, plan, now)
            gone = 0 if why_not else queries.out_of_reach(session, study, name)
            _note(session, study, name, asked, request, plan, why_not, gone, now)
            if plan.try_again or plan.send:
                served.append(name)
        if not names:
            why_not = (
                decision.sentence() if decision.verdicts else said("no destination is enabled")
            )
            _note(session, study, "", asked, request, Plan(), why_not, 0, now)
        if served:
            # What was sent by hand is owed to somebody: routing has nothing left to do with it.
            study.unrouted = study.unrouted and bool(queries.unowed(session, study))
        refresh_state(session, study, now)
        log.info(Log.STUDY_REQUESTED, study_uid=study.study_uid, destinations=served)
        return served

    def _plan(self, session: Transaction, study: Study, name: str, asked: ForwardRequested) -> Plan:
        at_hand = self._at_hand(session, study)
        entries = queries.entries(session, study.study_uid, name)
        return (what_is_missing if asked.only_missing else everything)(at_hand, entries)

    def _at_hand(self, session: Transaction, study: Study) -> list[str]:
        """The instances that can be sent; some of the rows may believe in files that are gone.

        So it is while an organizer that was killed has deleted the study and not recorded it.
        """
        files = queries.files_at_hand(session, study)
        return [
            receipt_id
            for receipt_id, name in files.items()
            if is_plain_file(self._archive.study_file(study.folder, name))
        ]

    def _carry_out(
        self, session: Transaction, study: Study, name: str, plan: Plan, now: datetime
    ) -> None:
        queries.hold_outage(session, name)  # before its deliveries are locked
        for delivery_id in plan.try_again:
            delivery = queries.get_delivery(session, delivery_id)
            if delivery is not None:
                self._deliveries.try_again(session, study, delivery, now)
        if not plan.send:
            return
        new = uuid.uuid4().hex
        for delivery_id in plan.replace:
            delivery = queries.get_delivery(session, delivery_id)
            if delivery is not None:
                self._deliveries.replace(session, delivery, new, now)
        self._owing.make(session, study, new, Owed(study.revision, name, plan.send), now)


def _why_not(study: Study, name: str, enabled: list[str]) -> Said | None:
    """Why nothing can be sent (any more) although the API had no objection; None if it can."""
    if study.deleted:
        return said("the study was deleted meanwhile")
    if name not in enabled:
        return said("{name} was disabled or deleted meanwhile", name=name)
    return None


def _note(
    session: Transaction,
    study: Study,
    name: str,
    asked: ForwardRequested,
    request: str,
    plan: Plan,
    why_not: Said | None,
    gone: int,
    now: datetime,
) -> None:
    to = name or said("every destination it goes to")
    wanted = (
        said("{by} asked to send what is missing to {to}", by=asked.by, to=to)
        if asked.only_missing
        else said("{by} asked to send everything again to {to}", by=asked.by, to=to)
    )
    if why_not:
        result = said("nothing is sent: {why}", why=why_not)
    elif plan.images:
        result = images(plan.images)
        if study.held:
            result = said("{images}, once the study is released", images=result)
    elif asked.only_missing:
        result = said("nothing is missing")
    else:
        result = said("nothing is sent: none of its images is on this disk any more")
    if gone:
        left = said("{count} that it was not sent are no longer on this disk", count=gone)
        result = joined("; ", [result, left])
    note(
        session,
        study.study_uid,
        now,
        "forward-requested",
        joined(": ", [wanted, result]),
        by=asked.by,
        destination=name or None,
        only_missing=asked.only_missing,
        images=plan.images,
        request=request,
    )
