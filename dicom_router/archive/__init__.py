"""The data folder: every path in it and every atomic write to it is made here.

A name appears only when its bytes are safe (`durable`). Nothing here follows a symbolic link out of
the folder.
"""

from dicom_router.archive.archive import LEAST_FREE_BYTES, SPOOL, Archive, Space
from dicom_router.archive.durable import flush_folders, write_atomically, write_once
from dicom_router.archive.errors import DiskTrouble, WrongFolder
from dicom_router.archive.identity import ROUTER_ID
from dicom_router.archive.quarantine import QUARANTINE, Quarantine
from dicom_router.archive.reading import data_set_sha256, is_plain_file
from dicom_router.archive.receipts import ReceiptId, received_at
from dicom_router.archive.spool_file import SpoolFile, copy_data_set

__all__ = [
    "LEAST_FREE_BYTES",
    "QUARANTINE",
    "ROUTER_ID",
    "SPOOL",
    "Archive",
    "DiskTrouble",
    "Quarantine",
    "ReceiptId",
    "Space",
    "SpoolFile",
    "WrongFolder",
    "copy_data_set",
    "data_set_sha256",
    "flush_folders",
    "is_plain_file",
    "received_at",
    "write_atomically",
    "write_once",
]
