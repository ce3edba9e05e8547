"""Puts a file that lies elsewhere into the spool, as a receiver does with what it is sent."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from dicom_router.archive import Archive, ReceiptId, SpoolFile, copy_data_set
from dicom_router.errors import Unprocessable
from dicom_router.events import AssociationReleased, InstanceStored, Message, message
from dicom_router.part10 import FileMeta, read_file_meta
from dicom_router.said import said


def copy_to_spool(
    archive: Archive,
    path: Path,
    receiver: str,
    receipt: ReceiptId,
    provenance: Callable[[FileMeta], FileMeta],
) -> tuple[SpoolFile, FileMeta]:
    """Copy a file's data set, durably, under a receipt and the meta that `provenance` makes of its.

    Raises `Unprocessable` when it is no DICOM file, `FileNotFoundError` when it is not there.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found, offset = read_file_meta(descriptor)
        if not found.sop_instance_uid or not found.transfer_syntax_uid:
            raise Unprocessable(said("its file meta lacks the SOP Instance or Transfer Syntax UID"))
        meta = provenance(found)
        file = archive.new_spool_file(receiver, receipt, meta)
        try:
            copy_data_set(descriptor, offset, file)
            file.commit()
        except OSError:
            file.discard()
            raise
        return file, meta
    finally:
        os.close(descriptor)


def announced(
    stored: InstanceStored, receipt: ReceiptId, source: str, now: datetime
) -> list[Message]:
    """An instance that is all its association brought: the two messages of a receiver."""
    end = AssociationReleased(
        receiver=stored.receiver,
        association_id=receipt.association_id,
        calling_ae_title=stored.calling_ae_title,
        called_ae_title=stored.called_ae_title,
        peer_address=stored.peer_address,
        outcome="released",
        receipts=1,
        refused=0,
        opened_at=receipt.received_at,
        closed_at=now,
    )
    end_id = f"{receipt.association_id}-end"
    return [
        message(stored, id=str(receipt), source=source, time=receipt.received_at),
        message(end, id=end_id, source=source, time=now),
    ]
