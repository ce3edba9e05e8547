"""The one-shot `init` container: `python -m infra.init`, as root."""

import os
import sys
from pathlib import Path

from infra.init import data_folder
from infra.init.secret_files import GROUPS, SecretFiles

DATA = Path("/data")
SECRETS = Path("/secrets")
USER = 10001


def main() -> int:
    """Prepare both; the exit code, after one line that says what to do when it is not 0."""
    os.umask(0o077)
    try:
        given = data_folder.give(DATA, USER, USER)
    except OSError as error:
        print(
            f"The folder ./dicom can't be given to the router's user ({error.strerror}): "
            f"run `sudo chown -R {USER}:{USER} ./dicom`, then `docker compose up -d` again.",
            file=sys.stderr,
        )
        return 1
    if given:
        print(f"Gave ./dicom to the router's user {USER}: {given} files and folders had another.")
    try:
        made = SecretFiles(SECRETS, owner=0, groups=GROUPS).prepare()
    except OSError as error:
        print(f"The secrets can't be made: {error}.", file=sys.stderr)
        return 1
    if made:
        print(f"Made in the volume `secrets`: {', '.join(made)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
