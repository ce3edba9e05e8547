"""CT images made of a real slice, as many as wanted: valid UIDs of their own, no two alike.

And one object as large as that. Nothing of it is kept: it goes where a benchmark has its folder.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicom_router.part10 import FileMeta, encode_file_meta

_SLICE = "693_UNCI.dcm"  # of the package pydicom-data: 512 × 512 pixels of 16 bits
_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.3"  # Multi-frame Grayscale Word Secondary Capture
_PIXEL_DATA = struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OW", 0)  # its length follows (PS3.5 7.1.2)


@dataclass(frozen=True, slots=True)
class Image:
    """A Part 10 file that can be sent."""

    path: Path
    study_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size: int  # bytes of the data set, which begins after the file meta
    sha256: str  # of the data set


@dataclass(frozen=True, slots=True)
class Images:
    """Images in one folder for each association that sends them."""

    folder: Path
    parts: tuple[Path, ...]
    all: tuple[Image, ...]

    @property
    def size(self) -> int:
        """Bytes of all data sets."""
        return sum(each.size for each in self.all)

    def folders(self, associations: int) -> Sequence[Path]:
        """What each of so many associations sends: everything by one, or each its part."""
        if associations == 1:
            return (self.folder,)
        assert associations == len(self.parts), "images are dealt out when they are made"
        return self.parts


def make_images(folder: Path, count: int, *, studies: int = 1, associations: int = 4) -> Images:
    """Write images of so many studies, one study after the other, in as many parts as wanted.

    A part is what comes in a row: a study that falls between two parts arrives by both.
    """
    slice_, pixels = _slice()
    parts = tuple(folder / f"part-{number}" for number in range(associations))
    for part in parts:
        part.mkdir(parents=True)
    uids = [(generate_uid(), generate_uid()) for _ in range(studies)]
    made = []
    for number in range(count):
        study, series = uids[number * studies // count]
        patient = f"BENCH{number * studies // count:04}"
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
        slice_.PatientID = slice_.AccessionNumber = patient
        slice_.PatientName = f"BENCHMARK^{patient}"
        slice_.SOPInstanceUID, slice_.InstanceNumber = generate_uid(), number + 1
        at = 2 * (number * 977 % (len(pixels) // 2))
        file = parts[number * associations // count] / f"{number:06}.dcm"
        made.append(_write(file, slice_, (pixels[at:], pixels[:at]), len(pixels)))
    return Images(folder, parts, tuple(made))


def make_large_image(path: Path, megabytes: int) -> Image:
    """Write one multi-frame object whose pixels take so many megabytes (of 1,000,000 bytes)."""
    slice_, pixels = _slice()
    frames = -(-megabytes * 1_000_000 // len(pixels))
    slice_.SOPClassUID, slice_.Modality = _MULTI_FRAME, "OT"
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = generate_uid(), generate_uid()
    slice_.PatientID, slice_.PatientName = "BENCH", "BENCHMARK^LARGE"
    slice_.SOPInstanceUID, slice_.NumberOfFrames = generate_uid(), frames
    each = (number.to_bytes(8, "little") + pixels[8:] for number in range(frames))
    return _write(path, slice_, each, frames * len(pixels))


def _slice() -> tuple[Dataset, bytes]:
    """A real slice without its pixels, and these.

    Without group lengths and sequences, so that DCMTK, Orthanc and pynetdicom, which send and keep
    what they have read and written again, make the same bytes of it.
    """
    found = dcmread(str(get_testdata_file(_SLICE, download=False)))
    pixels = bytes(found.PixelData)
    slice_ = Dataset()
    for element in found:
        if element.tag.element != 0 and element.VR != "SQ" and element.keyword != "PixelData":
            slice_.add(element)
    return slice_, pixels


def _write(path: Path, slice_: Dataset, pixels: Iterable[bytes], pixel_bytes: int) -> Image:
    header = BytesIO()
    dcmwrite(header, slice_, implicit_vr=False, little_endian=True)
    header.write(_PIXEL_DATA + struct.pack("<I", pixel_bytes))
    uids = str(slice_.SOPClassUID), str(slice_.SOPInstanceUID), str(ExplicitVRLittleEndian)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        file.write(encode_file_meta(FileMeta(*uids)))
        for piece in chain((header.getvalue(),), pixels):
            digest.update(piece)
            size += file.write(piece)
    return Image(path, str(slice_.StudyInstanceUID), *uids, size, digest.hexdigest())
