"""Alembic migrations, run by `python -m dicom_router.migrations` before the services start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from dicom_router.database import Database
from dicom_router.errors import ConfigurationError
from dicom_router.migrations.trigrams import ensure_index
from dicom_router.said import said

_LOCK = 7_203_104  # an arbitrary number that means "migrating" among PostgreSQL's advisory locks


def migrate(database: Database) -> str | None:
    """Bring the schema to this version; two that try at once wait for each other.

    What could not be had, and what to do, in one sentence; the router works without it.
    """
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return None if database.is_sqlite else ensure_index(database)


def require_current(database: Database) -> None:
    """Raise `ConfigurationError` unless the schema is this version's."""
    with database.read() as session:
        found = MigrationContext.configure(session.connection()).get_current_revision()
    wanted = ScriptDirectory.from_config(configuration()).get_current_head()
    if found != wanted:
        raise ConfigurationError(
            said(
                "The database's schema is at {found}, this version needs {wanted}: run `python "
                "-m dicom_router.migrations`",
                found=found or said("nothing"),
                wanted=wanted,
            )
        )


def configuration() -> Config:
    """Alembic, told where the migrations are; give it a `connection` in its attributes."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
