"""Files that are not wanted any more are emptied, and removed only when all has been measured.

ext4 gives the inode of a removed file to no new one for minutes, and has to look past each
(`recently_deleted` in fs/ext4/ialloc.c). Who creates a thousand files where a thousand were just
removed is measured at that, and each run the more.
"""

import os
import secrets
from pathlib import Path


def put_away(folder: Path, spent: Path) -> None:
    """Empty every file in and below a folder, and move the folder into another."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    spent.mkdir(exist_ok=True)
    folder.rename(spent / secrets.token_hex(8))
