"""What becomes of a receipt beside what its study already has: a pure decision.

The rule, as administrators read it in `docs/operations.md`: the same bytes again are noted; other
bytes under the same SOP Instance UID supersede the older ones; the same bytes again, on another
association, after every destination had them, are delivered again.
"""

from enum import Enum, auto

from dicom_router.models import Receipt


class Placing(Enum):
    """What to do with a receipt's file."""

    PLACE = auto()  # into the folder: nothing is there under its UID
    NOTE = auto()  # a duplicate: keep the file that is there, drop this one
    REPLACE = auto()  # the same bytes, sent again: they take the older receipt's place
    SUPERSEDE = auto()  # other bytes: the older file goes to quarantine first


def decide(receipt: Receipt, current: Receipt | None, sent_revision: int) -> Placing:
    """How `receipt` stands to `current`, the study's organized receipt of the same instance.

    `sent_revision` is the study's last revision that every destination had.
    """
    if current is None:
        return Placing.PLACE
    if current.sha256 != receipt.sha256:
        return Placing.SUPERSEDE
    was_sent = current.revision is not None and current.revision <= sent_revision
    again = was_sent and current.association_id != receipt.association_id
    if again or not current.on_disk:
        return Placing.REPLACE
    return Placing.NOTE
