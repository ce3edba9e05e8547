"""Whether an image is of its study's patient: its PatientID beside the study's.

Compared exactly once trimmed (PS3.5 6.2: spaces around an LO mean nothing). Case, leading zeros and
issuer are not interpreted: whether `0042` is `42` is for a person of that hospital to say. An empty
PatientID says nothing.
"""

from datetime import datetime

from dicom_router.database import Session
from dicom_router.ledger import call_attention, note
from dicom_router.log import Log, get_logger
from dicom_router.models import Study
from dicom_router.said import Said, as_said, said

CONFLICT = "identity-conflict"

_MOST_NAMED = 5  # of the other IDs, in the text that calls for attention
_MOST_KEPT = 100  # other IDs: a sender that gives each image one of its own tells nothing by more
AND_MORE = "and more"
_UNKNOWN = "UNKNOWN"  # what an earlier version wrote where there was no PatientID

log = get_logger()


def check_identity(
    session: Session, study: Study, patient_id: str, now: datetime, *, receipt_id: str, hold: bool
) -> bool:
    """Whether an image's PatientID changes something at its study, whose lock the caller holds.

    The first one that is not empty becomes that of a study without any. Each that differs is told
    once; with `hold` the study then goes out no further until a person has decided.
    """
    found = patient_id.strip()
    own = study.patient_id.strip()
    if not found or found == own or found in study.other_patient_ids:
        return False
    if not own or (study.taken_over and own == _UNKNOWN):
        study.patient_id = found
        return True
    if AND_MORE not in study.other_patient_ids:
        kept = [*study.other_patient_ids, found]
        study.other_patient_ids = [*kept, AND_MORE] if len(kept) == _MOST_KEPT else kept
    elif study.held or (study.needs_attention and not hold):
        return False  # whether it came before is not known: told again once a person has looked
    log.warning(Log.IDENTITY_CONFLICT, study_uid=study.study_uid, receipt_id=receipt_id, held=hold)
    text = said(
        "The study is of PatientID {own!r}, and an image came with PatientID {found!r}",
        own=own,
        found=found,
    )
    note(
        session,
        study.study_uid,
        now,
        CONFLICT,
        text,
        patient_id=own,
        other_patient_id=found,
        receipt_id=receipt_id,
    )
    before = [each["text"] for each in study.attention if each["kind"] == CONFLICT]
    summary = _summary(own, study.other_patient_ids)
    call_attention(study, CONFLICT, summary, now)
    if study.held and study.hold_reason in before:
        study.hold_reason = summary
    if hold and not study.held:
        study.held, study.hold_reason = True, summary
        why = said("Nothing more of it goes out until an operator decides: {why}", why=text)
        note(session, study.study_uid, now, "held", why, by="router", reason=text)
    return True


def _summary(own: str, others: list[str]) -> Said:
    ids = [each for each in others if each != AND_MORE]
    named = ", ".join(repr(each) for each in ids[-_MOST_NAMED:])
    found = as_said(named)
    if len(ids) > _MOST_NAMED:
        found = said("{names} and {count} more", names=found, count=len(ids) - _MOST_NAMED)
    if len(ids) < len(others):
        found = said("{names} or yet more", names=found)
    return said(
        "The study is of PatientID {own!r}, but images came with {others}: see whether they are of "
        "the same patient",
        own=own,
        others=found,
    )
