"""What a file alone tells of the C-STORE it came by, when no message did."""

from pathlib import Path

from dicom_router.archive import Archive, ReceiptId, data_set_sha256
from dicom_router.errors import Unprocessable
from dicom_router.events import InstanceStored
from dicom_router.part10 import FileMeta


def announcement(
    archive: Archive, path: Path, receipt_id: str, otherwise: FileMeta | None = None
) -> InstanceStored:
    """The event that a file's receiver published or would have, from the file alone.

    Raises `Unprocessable` for what is no DICOM file, unless there is a meta to say `otherwise`.
    """
    try:
        meta, size, sha256 = data_set_sha256(path)
    except Unprocessable:
        if otherwise is None:
            raise
        meta, size, sha256 = otherwise, path.stat().st_size, ""
    receipt = ReceiptId.parse(receipt_id)
    return InstanceStored(
        receipt_id=receipt_id,
        receiver=path.parent.name,
        association_id=receipt.association_id if receipt else "",
        calling_ae_title=meta.calling_ae_title,
        called_ae_title=meta.called_ae_title,
        peer_address=host_of(meta.peer_address),
        sop_class_uid=meta.sop_class_uid,
        sop_instance_uid=meta.sop_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        spool_path=archive.relative(path),
        size=size,
        sha256=sha256,
    )


def host_of(presentation_address: str) -> str:
    """The host in `dicom://host:port`."""
    authority = presentation_address.removeprefix("dicom://")
    return authority.rpartition(":")[0].strip("[]") or authority
