"""Prints a link that signs the administrator in, once, within ten minutes.

`make signin`, or where the api runs: `python -m services.api.signin`. It needs the router's
settings and its database, which is what shows that whoever runs it may: no token, no password.
"""

import secrets
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from dicom_router import process
from dicom_router.database import Database
from dicom_router.errors import ConfigurationError, RouterError
from dicom_router.migrations import require_current
from dicom_router.settings import Settings, load_settings
from services.api.access import LINK_LASTS, hash_of
from services.api.actions import Action
from services.api.actor import CONSOLE, Actor
from services.api.audit import record
from services.api.queries import access as queries
from services.api.server import address_of


def make_link(settings: Settings, database: Database, now: datetime) -> str:
    """A new link; of its token a hash is kept."""
    token = secrets.token_urlsafe(32)
    with database.write() as session:
        queries.add_link(session, hash_of(token), now + LINK_LASTS)
        record(session, Actor(principal=CONSOLE, action=Action.SIGNIN_LINK), now)
    return f"{address_of(settings)}/#token={token}"


def main() -> int:
    """Print the link; the exit code."""
    try:
        settings = load_settings()
        require_started(settings)
        with closing(Database(settings.database)) as database:
            require_current(database)
            link = make_link(settings, database, datetime.now(UTC))
    except RouterError as error:
        return process.refuse(error)
    minutes = int(LINK_LASTS.total_seconds() // 60)
    print(f"Open {link}\nIt signs the administrator in, once, within {minutes} minutes.")
    return 0


def require_started(settings: Settings) -> None:
    """Raise `ConfigurationError` where there is no database yet, instead of making an empty one."""
    path = Path(settings.database.removeprefix("sqlite:///"))
    if settings.database.startswith("sqlite") and not path.is_file():
        raise ConfigurationError(
            f"There is no router's database at {path}: start the router first, and set "
            "ROUTER_DATA_DIR and ROUTER_DATABASE_URL as it has them"
        )


if __name__ == "__main__":
    sys.exit(main())
