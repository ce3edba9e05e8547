"""Gives the data folder to the router's user: the earlier version ran as root."""

import os
from pathlib import Path


def give(folder: Path, uid: int, gid: int) -> int:
    """Change the owner of the folder and all in it, where it is another; how often it was.

    Follows no symbolic link. Raises `OSError` for the first thing that can't be given away; what
    root may not even look into (NFS, where root is nobody) is left to the services to try.
    """
    given = 0
    for path, folders, files, parent in os.fwalk(folder, follow_symlinks=False):
        for name in ("." if Path(path) == folder else None, *folders, *files):
            if name is not None:
                given += _give_one(name, parent, uid, gid)
    return given


def _give_one(name: str, parent: int, uid: int, gid: int) -> bool:
    try:
        if os.stat(name, dir_fd=parent, follow_symlinks=False).st_uid == uid:
            return False
        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:  # moved on by a router that runs already
        return False
    return True
