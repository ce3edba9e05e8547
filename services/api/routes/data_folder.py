"""/data-folder: whether the disk is the right one, and going on with another."""

from fastapi import APIRouter

from dicom_router.data_folder import learn
from dicom_router.ledger import FILES_MISSING, call_attention, note, refresh_state
from dicom_router.log import Log, get_logger
from dicom_router.models import Study
from dicom_router.said import said
from services.api.context import Admin, Api, Change, Viewer
from services.api.problems import Problem
from services.api.queries import data_folder as queries
from services.api.queries import locks
from services.api.schemas import (
    Adopted,
    Adoption,
    DataFolder,
    DataFolderStatus,
    MissingStudy,
)

MOST_LISTED = 500

router = APIRouter(prefix="/data-folder", tags=["data-folder"])

log = get_logger()


@router.get("", summary="Is the data folder the right one?")
def get_data_folder(api: Api, who: Viewer) -> DataFolder:
    """What its `.router-id` says beside what the database has, as this API's host sees it.

    While it is not the right one, also which studies would be given up by adopting it.
    """
    with api.database.read() as session:
        row = queries.data_folder(session)
        expected, found = row.router_id if row else None, api.archive.identity.found()
        status, missing = _status(expected, found), []
        if status is not DataFolderStatus.OK:
            missing = queries.missing(session, _present(api))
    if not missing:
        who.shows_no_patient()
    return DataFolder(
        path=str(api.archive.root),
        status=status,
        missing=len(missing),
        studies=[MissingStudy(study_uid=uid, folder=name) for uid, name in missing[:MOST_LISTED]],
        expected_id=expected,
        found_id=found,
        adopted_at=row.adopted_at if row else None,
    )


@router.post("/adopt", summary="Go on with the folder that is there")
def adopt_data_folder(api: Api, who: Admin, given: Adoption) -> Adopted:
    """When the right disk is gone for good; never when it can be mounted again.

    Studies whose folder is not in it count as no longer on disk and need attention. What they still
    owe fails as `missing`.
    """
    who.about, who.detail["reason"] = given.instead_of or "", given.reason
    with api.change(who) as change:
        locks.lock(change.session, locks.CONFIGURATION)
        row = queries.data_folder(change.session)
        expected, found = row.router_id if row else None, api.archive.identity.found()
        if _status(expected, found) is DataFolderStatus.OK:
            raise Problem(
                409, said("The data folder is the database's already: there is nothing to do.")
            )
        if given.instead_of != expected:
            raise Problem(
                409,
                said(
                    "`instead_of` is not the id of the folder that would be given up: GET "
                    "/api/v1/data-folder has it as `expected_id`."
                ),
            )
        api.archive.prepare()
        router_id = found or api.archive.identity.ensure()
        queries.record(change.session, router_id, change.now)
        missing = _give_up_missing(api, change, who.name, given.reason)
    learn(api.archive, api.database)
    log.warning(
        Log.DATA_FOLDER_ADOPTED,
        router_id=router_id,
        before=expected,
        by=who.name,
        missing=len(missing),
    )
    return Adopted(
        router_id=router_id,
        adopted_at=change.now,
        missing=len(missing),
        studies=[
            MissingStudy(study_uid=each.study_uid, folder=each.folder)
            for each in missing[:MOST_LISTED]
        ],
    )


def _status(expected: str | None, found: str | None) -> DataFolderStatus:
    if found is None:
        return DataFolderStatus.MISSING
    return DataFolderStatus.OK if found == expected else DataFolderStatus.OTHER


def _present(api: Api) -> set[str]:
    return {path.name for path in api.archive.study_folders()}


def _give_up_missing(api: Api, change: Change, by: str, reason: str) -> list[Study]:
    """Tell of every study whose folder is not here."""
    missing = queries.lock_missing(change.session, _present(api))
    text = said(
        "Its files are not in the data folder that was adopted on {at}",
        at=f"{change.now.astimezone():%Y-%m-%d %H:%M}",
    )
    for study in missing:
        queries.mark_gone(change.session, study)
        if study.deleted:
            continue
        call_attention(study, FILES_MISSING, text, change.now)
        note(change.session, study.study_uid, change.now, FILES_MISSING, text, by=by, reason=reason)
        refresh_state(change.session, study, change.now)
    return missing
