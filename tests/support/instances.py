"""Small DICOM instances for tests, and how they get into a data folder's spool."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import count

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicom_router.archive import Archive, ReceiptId
from dicom_router.events import AssociationReleased, InstanceStored
from dicom_router.part10 import FileMeta

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


def data_set(**attributes: object) -> bytes:
    """An encoded data set, Explicit VR Little Endian; None leaves an attribute out."""
    made = Dataset()
    values = {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "SOPInstanceUID": generate_uid(),
        "SOPClassUID": CT_IMAGE_STORAGE,
        "PatientID": "P001",
        "PatientName": "DOE^JOHN",
        "Modality": "CT",
        "StudyDate": "20260122",
        "StudyTime": "141530.25",
    } | attributes
    for keyword, value in values.items():
        if value is not None:
            setattr(made, keyword, value)
    buffer = BytesIO()
    dcmwrite(buffer, made, implicit_vr=False, little_endian=True, force_encoding=True)
    return buffer.getvalue()


@dataclass
class Scanner:
    """Puts instances into a spool as a receiver does, one association at a time."""

    archive: Archive
    calling_ae_title: str = "CT1"
    association_id: str = "a" * 16
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    made: int = 0

    def store(
        self,
        encoded: bytes,
        sop_instance_uid: str,
        at: datetime | None = None,
        transfer_syntax_uid: str = ExplicitVRLittleEndian,
    ) -> InstanceStored:
        """One C-STORE answered with success: the event that announces it."""
        receipt = ReceiptId(at or datetime.now(UTC), self.association_id, next(self.numbers))
        meta = FileMeta(
            sop_class_uid=CT_IMAGE_STORAGE,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            calling_ae_title=self.calling_ae_title,
            called_ae_title="DICOMROUTER",
            peer_address="dicom://10.0.0.5:5000",
            receipt_id=str(receipt),
        )
        file = self.archive.new_spool_file("host-1", receipt, meta)
        file.write([memoryview(encoded)])
        file.commit()
        self.made += 1
        return InstanceStored(
            receipt_id=str(receipt),
            receiver="host-1",
            association_id=self.association_id,
            calling_ae_title=self.calling_ae_title,
            called_ae_title="DICOMROUTER",
            peer_address="10.0.0.5",
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            spool_path=self.archive.relative(file.path),
            size=file.size,
            sha256=file.sha256,
        )

    def release(self, outcome: str = "released") -> AssociationReleased:
        """The end of the association."""
        return AssociationReleased.model_validate(
            {
                "receiver": "host-1",
                "association_id": self.association_id,
                "calling_ae_title": self.calling_ae_title,
                "called_ae_title": "DICOMROUTER",
                "peer_address": "10.0.0.5",
                "outcome": outcome,
                "receipts": self.made,
                "refused": 0,
                "opened_at": datetime.now(UTC),
                "closed_at": datetime.now(UTC),
            }
        )
