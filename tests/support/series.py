"""A CT series made of a real slice: as many slices as a test needs, no two alike."""

import hashlib
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from pynetdicom.dsutils import split_dataset

from tests.support.development_data import RealFile


def ct_series(folder: Path, slices: int, **attributes: object) -> tuple[str, list[RealFile]]:
    """The Study Instance UID and the files; `attributes` are keywords for every slice."""
    folder.mkdir(parents=True, exist_ok=True)
    slice_ = dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    pixels = bytes(slice_.PixelData)
    common = {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "PatientID": "P001",
        "PatientName": "DOE^JOHN",
    } | attributes
    for keyword, value in common.items():
        setattr(slice_, keyword, value)
    files = []
    for number in range(1, slices + 1):
        uid = generate_uid()
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = uid
        slice_.InstanceNumber = number
        slice_.PixelData = number.to_bytes(4, "little") + pixels[4:]
        path = folder / f"{uid}.dcm"
        slice_.save_as(path, enforce_file_format=True)
        files.append(real_file(path))
    return str(common["StudyInstanceUID"]), files


def real_file(path: Path) -> RealFile:
    """A Part 10 file, what it is and the hash of its data set."""
    meta, offset = split_dataset(path)
    return RealFile(
        path,
        hashlib.sha256(path.read_bytes()[offset:]).hexdigest(),
        str(meta.MediaStorageSOPClassUID),
        str(meta.MediaStorageSOPInstanceUID),
        str(meta.TransferSyntaxUID),
        offset,
    )
