"""The receiver with neither flushing nor SHA-256: `python -m benchmarks.unhashed`.

It shows what of a missed bar hashing is to blame for. What it announces is of no use.
"""

import hashlib
import sys

from benchmarks.unflushed import flush_nothing
from services.receiver.__main__ import main


class _Unhashed:
    """In the place of SHA-256."""

    def update(self, data: object) -> None:
        """Look at nothing."""

    def hexdigest(self) -> str:
        """As long as one."""
        return "0" * 64


if __name__ == "__main__":
    flush_nothing()
    vars(hashlib)["sha256"] = _Unhashed
    sys.exit(main())
