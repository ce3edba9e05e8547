"""The index that finds studies by any part of their words, where PostgreSQL can have one.

It needs the extension pg_trgm, which comes with PostgreSQL and which the owner of a database may
create since PostgreSQL 13. Without it studies are found all the same, by looking at each.
So it is no migration: where it is missing it is tried again whenever somebody migrates.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from dicom_router.database import Database

NAME = "ix_studies_search"
_LOCK = 7_203_105  # an arbitrary number among PostgreSQL's advisory locks
_TAKE = text("SELECT pg_try_advisory_lock(:lock)")
_LET_GO = text("SELECT pg_advisory_unlock(:lock)")
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
# What is new waits in a list (of so many KiB at most) that every search reads.
_CREATE = text(
    f"CREATE INDEX CONCURRENTLY {NAME} ON studies USING gin (search gin_trgm_ops) "
    "WITH (gin_pending_list_limit = 256)"
)


def ensure_index(database: Database) -> str | None:
    """Have the index made while others work; why there is none, if so, in one sentence.

    Takes about half a minute for each million studies, once. Nobody waits for one who does it: the
    index would wait in turn for all who wait in the database.
    """
    with database.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not autocommit.scalar(_TAKE, {"lock": _LOCK}):
            return None
        try:
            return _ensure(autocommit)
        finally:
            autocommit.execute(_LET_GO, {"lock": _LOCK})


def _ensure(connection: Connection) -> str | None:
    is_valid = connection.scalar(_IS_VALID, {"name": NAME})
    if is_valid:
        return None
    try:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError as error:
        return (
            "Searching among very many studies will be slow, since PostgreSQL's extension pg_trgm "
            f"can't be created ({_cause(error)}): have the database's administrator run "
            "`CREATE EXTENSION pg_trgm` in this database, then migrate again"
        )
    try:
        if is_valid is False:  # half made by one that was stopped
            connection.execute(text(f"DROP INDEX CONCURRENTLY {NAME}"))
        connection.execute(_CREATE)
    except DBAPIError as error:
        return (
            f"Searching among very many studies will be slow, since the index {NAME} could not be "
            f"made ({_cause(error)}): migrate again while nothing else uses the database for long"
        )
    return None


def _cause(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]
