"""Which data folder is the database's: what `.router-id` says in the one is recorded in the other.

A volume that is not mounted leaves an empty folder, a swapped one another router's. Who works on
either would write where nobody looks and take every file for lost. So every service asks here
before it works, and waits (`WrongFolder`) until the right folder is there or another was adopted.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from dicom_router.archive import Archive, WrongFolder
from dicom_router.database import Database, insert_or_ignore
from dicom_router.models import DataFolder, Milestone
from dicom_router.said import said

_TAKEOVER = "takeover"  # the milestone of a database that has been at work on a folder


def utcnow() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


def establish(archive: Archive, database: Database, clock: Callable[[], datetime] = utcnow) -> None:
    """Make sure that this is the database's folder, with all that belongs into it.

    Whoever comes first makes it so, with the id that the folder has or a new one. Raises
    `WrongFolder` when it is not, `DatabaseUnavailable` when that can't be told.
    """
    recorded, is_new = _recorded(database)
    archive.identity.expect(recorded)
    if recorded is None:
        if not (is_new or archive.has_spool()):
            raise WrongFolder(
                said(
                    "The data folder {root} has nothing of this router's in it: is its disk "
                    "mounted? If it is to begin here anew, POST /api/v1/data-folder/adopt",
                    root=archive.root,
                )
            )
        archive.identity.expect(_record(archive, database, clock()))
    archive.identity.require()
    archive.prepare()


def check(archive: Archive, database: Database) -> None:
    """Make sure that this is the database's folder, for who only reads it: write nothing.

    Raises what `establish` does.
    """
    learn(archive, database)
    archive.identity.require()


def learn(archive: Archive, database: Database) -> None:
    """Tell the archive which folder is the database's, and change nothing."""
    archive.identity.expect(_recorded(database)[0])


def _recorded(database: Database) -> tuple[str | None, bool]:
    """The id of the database's folder, and whether the database has not been at work on any."""
    with database.read() as session:
        row = session.get(DataFolder, 1)
        used = row is not None or session.get(Milestone, _TAKEOVER) is not None
        return row.router_id if row else None, not used


def _record(archive: Archive, database: Database, now: datetime) -> str:
    """Record the folder's id, made if need be; the one that counts if another was quicker."""
    archive.prepare()
    row = {"id": 1, "router_id": archive.identity.ensure(), "adopted_at": now}
    with database.write() as session:
        insert_or_ignore(session, DataFolder, [row])
        return session.get_one(DataFolder, 1).router_id
