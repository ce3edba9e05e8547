"""/studies/{study_uid}/…: what people have done with a study.

To hold and to delete are answered once every forwarder must have seen it: what then goes out is the
image in hand at most.
"""

from fastapi import APIRouter

from dicom_router.events import ForwardRequested, StudyDelete, StudyRelease
from dicom_router.ledger import enabled_destinations, lock_study
from dicom_router.log import Log, get_logger
from dicom_router.models import Study as StudyRow
from dicom_router.said import joined, said
from services.api.context import Admin, Api, Operator
from services.api.problems import Problem
from services.api.queries import Session, decisions, destinations
from services.api.queries import forwarding as queries
from services.api.routes.studies import StudyUid, shown_study, unknown_study
from services.api.schemas import Accepted, NotSendable, Study, StudyDecision, StudyForward

router = APIRouter(prefix="/studies", tags=["studies"])

log = get_logger()


@router.post(
    "/{study_uid}/forward",
    status_code=202,
    summary="Send a study (again)",
    responses={
        409: {
            "description": "It can't be sent: deleted, still being received, or no longer on this "
            "disk; `have` says who has it.",
            "model": NotSendable,
        }
    },
)
def forward_study(api: Api, who: Operator, study_uid: StudyUid, given: StudyForward) -> Accepted:
    """To one destination or to all: what it has not got and is not being sent, or everything.

    Deliveries that have failed or were cancelled begin anew. With `only_missing: false` one new
    delivery takes the place of those that have not succeeded. The timeline tells what came of it.
    """
    who.about = given.destination or ""
    who.detail["only_missing"] = given.only_missing
    with api.change(who) as change:
        study = _locked(change.session, study_uid)
        _require_sendable(change.session, study)
        require_target(change.session, given.destination)
        command = ForwardRequested(
            study_uid=study_uid,
            destination=given.destination,
            only_missing=given.only_missing,
            by=who.name,
        )
        change.tell(command)
    return Accepted(id=study_uid, command=command.name)


@router.post("/{study_uid}/hold", summary="Hold a study back")
def hold_study(api: Api, who: Operator, study_uid: StudyUid, given: StudyDecision) -> Study:
    """Sending stops after the image in hand; nothing more goes out until it is released.

    It has taken effect when this answers. What is still received is organized as ever.
    """
    who.detail["reason"] = given.reason
    with api.forbidding(who) as change:
        study = _locked(change.session, study_uid)
        if study.deleted:
            raise Problem(409, said("This study was deleted: nothing of it goes out any more."))
        if study.held:
            raise Problem(
                409,
                said("This study is held already: {hold_reason}", hold_reason=study.hold_reason),
            )
        decisions.hold(change.session, study, who.name, given.reason, change.now)
        shown = shown_study(change.session, study)
    log.info(Log.STUDY_HELD, study_uid=study_uid, by=who.name)
    return shown


@router.post("/{study_uid}/release", summary="Let a study go out again")
def release_study(api: Api, who: Operator, study_uid: StudyUid, given: StudyDecision) -> Study:
    """What it owes goes out. It also says that a person has seen why it needed attention."""
    who.detail["reason"] = given.reason
    with api.change(who) as change:
        study = _locked(change.session, study_uid)
        if study.deleted:
            raise Problem(409, said("This study was deleted: there is nothing left to release."))
        if not study.held and not study.needs_attention:
            raise Problem(409, said("This study is not held, and nothing at it needs attention."))
        if study.held:
            change.tell(StudyRelease(study_uid=study_uid, by=who.name))
        decisions.release(change.session, study, who.name, given.reason, change.now)
        shown = shown_study(change.session, study)
    log.info(Log.STUDY_RELEASED, study_uid=study_uid, by=who.name)
    return shown


@router.delete("/{study_uid}", summary="Delete a study")
def delete_study(api: Api, who: Admin, study_uid: StudyUid, given: StudyDecision) -> Study:
    """Waiting deliveries are cancelled at once; its files go within moments (`on_disk`).

    The history stays and says so. A new image brings the study back, with what is new only.
    """
    who.detail["reason"] = given.reason
    with api.forbidding(who) as change:
        study = _locked(change.session, study_uid)
        if study.deleted:
            raise Problem(
                409,
                said(
                    "This study was deleted already, by {deleted_by}.", deleted_by=study.deleted_by
                ),
            )
        if not study.on_disk:
            raise Problem(
                409, said("This study is no longer on this disk: nothing is left to delete.")
            )
        cancelled = decisions.delete(change.session, study, who.name, given.reason, change.now)
        change.tell(StudyDelete(study_uid=study_uid, by=who.name))
        shown = shown_study(change.session, study)
    log.info(Log.STUDY_DISCARDED, study_uid=study_uid, by=who.name, cancelled=cancelled)
    return shown


def require_target(session: Session, name: str | None) -> None:
    """A `Problem` unless studies can be sent to a destination; without a name, to any."""
    if name is None:
        if not enabled_destinations(session):
            raise Problem(
                409,
                said(
                    "No destination is enabled: add one (POST /api/v1/destinations) or enable one."
                ),
            )
        return
    found = destinations.destination(session, name)
    if found is None:
        raise Problem.field(
            "destination",
            said("there is none called {name!r}; GET /api/v1/destinations lists them", name=name),
        )
    if not found.row.enabled:
        raise Problem(
            409,
            said(
                "The destination {name!r} is disabled: enable it first (PUT, `enabled: true`).",
                name=name,
            ),
        )


def _locked(session: Session, study_uid: str) -> StudyRow:
    study = lock_study(session, study_uid)
    if study is None:
        raise unknown_study()
    return study


def _require_sendable(session: Session, study: StudyRow) -> None:
    if study.deleted:
        raise Problem(409, said("This study was deleted: there is nothing left to send."))
    if not study.on_disk:
        raise _not_here(session, study)
    if study.revision == 0:
        raise Problem(409, said("This study is still being received; it goes out by itself."))


def _not_here(session: Session, study: StudyRow) -> Problem:
    """It was delivered and removed: who has it, and since when."""
    found = queries.holders(session, study.study_uid)
    have = [
        said(
            "{destination} has {images} of its {total} images since {since}",
            destination=each.destination,
            images=each.images,
            total=study.image_count,
            since=each.since.isoformat(timespec="seconds"),
        )
        for each in found
    ]
    if not have and study.taken_over_sent:
        have = [said("an earlier version of the router had sent it")]
    who = joined("; ", have or [said("no destination is known to have it")])
    return Problem(
        409,
        said("This study is no longer on this disk: {who}. Send it from there.", who=who),
        have=[
            {
                "destination": each.destination,
                "images": each.images,
                "since": each.since.isoformat(),
            }
            for each in found
        ],
    )
