"""What organizer and API both say of files in quarantine."""

from enum import StrEnum

from dicom_router.archive import ReceiptId
from dicom_router.models import Receipt, ReceiptState
from dicom_router.said import said

NO_STUDY = said("it has no Study Instance UID")

# The part of the spool, and the receiver's name, of what is taken in again.
RECEIVER = "quarantine"
LOOSE_RECEIVER = "folder"


class Kind(StrEnum):
    """Why a file is in quarantine, in a word."""

    UNREADABLE = "unreadable"  # no DICOM file, or one that ends too early
    NO_STUDY = "no-study"
    SUPERSEDED = "superseded"  # newer bytes came under its SOP Instance UID
    LOOSE = "loose"  # somebody put it into the data folder
    STRAY = "stray"  # a file that no C-STORE is known of


def kind_of(receipt: Receipt) -> Kind:
    """The kind of a receipt that ended in quarantine."""
    if receipt.state == ReceiptState.SUPERSEDED:
        return Kind.SUPERSEDED
    if f"/{LOOSE_RECEIVER}/" in receipt.spool_path:
        return Kind.LOOSE
    if ReceiptId.parse(receipt.receipt_id) is None:
        return Kind.STRAY
    return Kind.NO_STUDY if (receipt.reason or "").startswith(NO_STUDY) else Kind.UNREADABLE
