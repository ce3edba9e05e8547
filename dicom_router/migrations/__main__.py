"""Brings the database's schema to this version: `python -m dicom_router.migrations`."""

import sys

from dicom_router.database import Database
from dicom_router.errors import RouterError
from dicom_router.migrations import migrate
from dicom_router.settings import load_settings


def main() -> int:
    """Migrate and say so; the exit code."""
    try:
        database = Database(load_settings().database)
        remark = migrate(database)
        database.close()
    except RouterError as error:
        print(error, file=sys.stderr)
        return 2
    print("The database's schema is current.")
    if remark:
        print(f"{remark}.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
