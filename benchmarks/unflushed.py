"""The receiver without flushing to disk: `python -m benchmarks.unflushed`, for comparison alone.

What is measured beside DCMTK's storescp, which flushes nothing, has to flush nothing as well. The
router has no such setting and is not to have one. So this process puts functions that do nothing in
the place of `os.fsync` and `os.fdatasync`, then becomes a receiver like any other.
"""

import os
import sys

from services.receiver.__main__ import main


def flush_nothing() -> None:
    """From now on."""
    os.fsync = os.fdatasync = _flush_nothing


def _flush_nothing(fd: object) -> None:
    """In the place of what makes a file durable."""
    del fd


if __name__ == "__main__":
    flush_nothing()
    sys.exit(main())
