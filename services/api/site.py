"""The time zone of the site: that of the process, by the name that browsers know it by."""

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCAL_TIME = Path("/etc/localtime")
_DATABASE = "zoneinfo/"  # what comes behind it in the path of a zone's file is its name


def time_zone() -> str:
    """An IANA name such as America/Sao_Paulo; where there is none, the offset now (Etc/GMT+3)."""
    given = os.environ.get("TZ", "").removeprefix(":")
    if given:
        return given if _is_known(given) else _offset()
    name = str(_LOCAL_TIME.resolve()).partition(_DATABASE)[2]
    return name if name and _is_known(name) else _offset()


def _is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _offset() -> str:
    offset = f"{datetime.now().astimezone():%z}"
    hours, minutes = int(offset[:3]), offset[3:5]
    # POSIX counts westward: three hours behind Greenwich is +3. Every browser knows these.
    return f"Etc/GMT{-hours:+d}" if minutes == "00" else f"{offset[:3]}:{minutes}"
