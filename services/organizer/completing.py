"""Finds the studies that have come to rest and announces them, exactly once each."""

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from dicom_router.database import Database, Session
from dicom_router.events import StudyComplete, message
from dicom_router.ledger import lock_study, note, refresh_state
from dicom_router.log import Log, get_logger
from dicom_router.models import Study
from dicom_router.outbox import OutboxRelay, enqueue
from dicom_router.said import images, said
from dicom_router.tasks import for_each
from services.organizer import queries
from services.organizer.completeness import CLOCK_SET_BACK, Evidence, judge

log = get_logger()


class Completing:
    """Decides in the database, never from memory: any organizer may find a complete study."""

    def __init__(
        self,
        database: Database,
        relay: OutboxRelay,
        source: str,
        clock: Callable[[], datetime],
        *,
        settle_seconds: float,
        idle_seconds: float,
        ready: threading.Event,
    ) -> None:
        self._database, self._relay, self._source, self._clock = database, relay, source, clock
        self._settle_seconds, self._idle_seconds = settle_seconds, idle_seconds
        self._ready = ready  # the first sweep is done: nothing waits in the spool unseen

    def complete_quiet_studies(self) -> None:
        """Complete every study whose evidence suffices now."""
        if not self._ready.is_set():
            return
        with self._database.read() as session:
            of_senders = queries.sender_settle_seconds(session).values()
            shortest = min(self._settle_seconds, self._idle_seconds, *of_senders)
            now = self._clock()
            since = now - timedelta(seconds=shortest)
            quiet = queries.quiet_studies(session, since, now + CLOCK_SET_BACK)
            judged = [uid for uid in quiet if self._evidence(session, session.get(Study, uid))]
        for_each("completing", judged, self._complete)

    def _evidence(self, session: Session, study: Study | None) -> Evidence | None:
        if study is None or not study.receiving or study.deleted:
            return None
        return judge(
            study.last_activity_at,
            queries.association_views(session, study.study_uid),
            self._clock(),
            settle_seconds=self._settle_seconds,
            idle_seconds=self._idle_seconds,
        )

    def _complete(self, study_uid: str) -> None:
        """Under the study's lock: look again, freeze the revision, announce it by the outbox."""
        now = self._clock()
        with self._database.write() as session:
            study = lock_study(session, study_uid)
            evidence = self._evidence(session, study)
            if study is None or evidence is None:
                return
            new = queries.freeze_revision(session, study)
            study.receiving = False
            if new:
                self._announce(session, study, new, evidence, now)
            refresh_state(session, study, now)
        self._relay.wake()
        if new:
            log.info(Log.STUDY_COMPLETE, study_uid=study_uid, rule=evidence.rule, images=new)

    def _announce(
        self, session: Session, study: Study, new: int, evidence: Evidence, now: datetime
    ) -> None:
        study.revision += 1
        study.completeness = evidence.as_json() | {
            "revision": study.revision,
            "decided_at": now.isoformat(),
        }
        note(
            session,
            study.study_uid,
            now,
            "completed",
            said(
                "Revision {revision} is complete, {images} new: {why}",
                revision=study.revision,
                images=images(new),
                why=evidence.text,
            ),
            revision=study.revision,
            new_instances=new,
            evidence=evidence.as_json(),
        )
        event = StudyComplete(
            study_uid=study.study_uid,
            accession_number=study.accession_number,
            modalities=study.modalities,
            calling_ae_titles=queries.calling_ae_titles(session, study.study_uid),
            revision=study.revision,
            image_count=study.image_count,
            new_instances=new,
            evidence=evidence.as_json(),
        )
        enqueue(
            session,
            "organizer",
            [
                message(
                    event,
                    id=uuid.uuid4().hex,  # a UID may be longer than AMQP allows an id to be
                    source=self._source,
                    time=now,
                    modality=study.modality,
                )
            ],
        )
