"""The id of a receipt, which is also the name of its file in the spool."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_RECEIPT_ID = re.compile(r"([0-9]{8}T[0-9]{6}\.[0-9]{6})Z_([0-9A-Za-z-]{1,64})_([0-9]{6,12})")


@dataclass(frozen=True, slots=True)
class ReceiptId:
    """`<received-at>_<association>_<n>`: a spool file's name and its event's CloudEvents id."""

    received_at: datetime
    association_id: str
    number: int

    def __str__(self) -> str:
        at = self.received_at.replace(tzinfo=None).isoformat(timespec="microseconds")
        at = at.replace("-", "").replace(":", "")  # strftime takes ten times as long
        return f"{at}Z_{self.association_id}_{self.number:06d}"

    @classmethod
    def parse(cls, text: str) -> "ReceiptId | None":
        """The parts of a receipt's id, or None if `text` is none."""
        match = _RECEIPT_ID.fullmatch(text)
        if not match:
            return None
        try:
            at = datetime.fromisoformat(f"{match[1]}Z")
        except ValueError:
            return None
        return cls(at, match[2], int(match[3]))


def received_at(path: Path) -> datetime:
    """When a file in the spool was received, by its name; long ago if that does not say."""
    receipt = ReceiptId.parse(path.stem)
    return receipt.received_at if receipt else datetime.fromtimestamp(0, UTC)
