"""Begins a migration from what the models say and the migrations do not yet.

`.venv/bin/python -m infra.new_migration "keep the reason"` writes
`dicom_router/migrations/versions/<next number>_keep_the_reason.py`, to be read and completed by
hand: Alembic sees added and removed tables, columns and indexes, not renamed ones or data.
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import dicom_router.migrations
from dicom_router.database import Database
from dicom_router.migrations import migrate


def main() -> int:
    """Write the file and say which; the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    config = Config()
    config.set_main_option("script_location", str(Path(dicom_router.migrations.__file__).parent))
    head = ScriptDirectory.from_config(config).get_current_head() or "0"
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Database(f"sqlite:///{folder}/empty.sqlite3")) as database,
    ):
        migrate(database)
        with database.engine.connect() as connection:
            config.attributes["connection"] = connection
            script = command.revision(
                config, sys.argv[1], autogenerate=True, rev_id=f"{int(head) + 1:04d}"
            )
    print(f"Now complete {getattr(script, 'path', script)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
