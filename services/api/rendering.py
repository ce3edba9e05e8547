"""Draws small pictures of images, in a process of its own: `python -m services.api.rendering`.

Decoders are native code that reads what strangers sent. So this process has a bound on its
memory, may write no file, has no secrets in its environment, and can be killed at any time.
Requests come on standard input, a JSON line each; answers go to standard output: a JSON line, then
`size` bytes.
"""

import io
import json
import os
import resource
import select
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MOST_PIXELS = 256  # on the longer side
IDLE_SECONDS = 60.0  # then it ends: the libraries take some 100 MB
_MOST_MEMORY = 2 << 30  # bytes of address space, of which the libraries take a quarter
_MOST_SAMPLES = 64 << 20  # of one frame: the largest mammograms have a third of it
_READ_WHOLE = 64 << 20  # bytes; of larger files only the frame that is drawn
_NICENESS = 15  # the pipeline comes first
_LONGEST_SECONDS = 30  # if whoever asked is no more, and so can't say stop
_QUALITY = 80
_LOW, _HIGH = 0.5, 99.5  # percentiles, where an image says nothing of its window
_ODDEST_ASPECT = 8.0


class NoPicture(Exception):
    """Why an image can't be drawn, as a part of a sentence; nothing of the image is quoted."""


def main() -> int:
    """Answer requests until there are none for a minute, or the other side is gone."""
    _restrain()
    warnings.simplefilter("ignore")  # pydicom warns of values, which are patients' data
    answers = sys.stdout.buffer
    for request in _requests(sys.stdin.buffer):
        signal.alarm(_LONGEST_SECONDS)
        try:
            picture = draw(request["path"])
        except NoPicture as why:
            _answer(answers, {"why": str(why)}, b"")
        except OSError:
            _answer(answers, {"why": "its file can't be read"}, b"")
        except MemoryError:
            _answer(answers, {"why": "it takes too much memory"}, b"")
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises, told by its kind
            _answer(answers, {"why": f"it can't be decoded ({type(error).__name__})"}, b"")
        else:
            _answer(answers, {"size": len(picture)}, picture)
        signal.alarm(0)
    return 0


def draw(path: str) -> bytes:
    """A JPEG of an image's middle frame, windowed, at most 256 pixels wide and high."""
    from pydicom import dcmread  # noqa: PLC0415 - nothing heavy before memory is bounded

    is_small = Path(path).stat().st_size <= _READ_WHOLE
    image = dcmread(path, stop_before_pixels=not is_small)
    frames = _checked(image)
    if is_small and "PixelData" not in image:
        raise NoPicture("it has no pixels of a kind that is drawn")
    pixels = _frame(path, image if is_small else None, frames // 2)
    return _encoded(_grey_or_colour(pixels, image, frames // 2), _aspect(image, frames // 2))


def _checked(header: Any) -> int:
    """How many frames there are; `NoPicture` unless one can be drawn."""
    rows, columns = header.get("Rows") or 0, header.get("Columns") or 0
    if not rows or not columns or "PhotometricInterpretation" not in header:
        raise NoPicture("it has no pixels")
    if rows * columns * (header.get("SamplesPerPixel") or 1) > _MOST_SAMPLES:
        raise NoPicture(f"its frames are too large ({columns} x {rows})")
    return max(1, int(header.get("NumberOfFrames") or 1))


def _frame(path: str, image: Any, frame: int) -> Any:
    """One frame's values, colours as RGB: from the data set, or only its part of a large file."""
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

    if image is not None and _is_extended_12(image):
        return _by_gdcm_alone(path, image, frame)
    return pixel_array(path if image is None else image, index=frame)


def _is_extended_12(image: Any) -> bool:
    from pydicom.uid import JPEGExtended12Bit  # noqa: PLC0415

    syntax = image.file_meta.get("TransferSyntaxUID")
    return bool(syntax == JPEGExtended12Bit) and int(image.get("BitsStored") or 8) > 8


def _is_little_endian(image: Any) -> bool:
    return bool(image.file_meta.TransferSyntaxUID.is_little_endian)


def _by_gdcm_alone(path: str, image: Any, frame: int) -> Any:
    """JPEG of 12 bits: pydicom does not trust its own way into GDCM, which reads a whole file."""
    import gdcm  # noqa: PLC0415
    import numpy  # noqa: PLC0415

    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    if not reader.Read():
        raise NoPicture("it can't be decoded (GDCM)")
    content = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    shape = (-1, int(image.Rows), int(image.Columns))
    return numpy.frombuffer(content, dtype=numpy.uint16).reshape(shape)[frame]


def _grey_or_colour(pixels: Any, header: Any, frame: int) -> Any:
    """The frame as 8-bit grey or RGB."""
    import numpy  # noqa: PLC0415
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415

    meaning = str(header.PhotometricInterpretation)
    if meaning.startswith("MONOCHROME"):
        grey = _windowed(pixels, header, frame)
        return 255 - grey if meaning == "MONOCHROME1" else grey
    if meaning == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
        if not _is_little_endian(header) and pixels.dtype.itemsize == 2:
            pixels = pixels.byteswap()  # pydicom takes the tables as if they were not
        bits = 8 * pixels.dtype.itemsize
    else:
        bits = int(header.get("BitsStored") or 8)
    if pixels.ndim != 3 or pixels.shape[2] < 3:
        raise NoPicture(f"its colours are of a kind that is not drawn ({meaning})")
    colour = pixels[..., :3]
    return colour if bits <= 8 else (colour >> (bits - 8)).astype(numpy.uint8)


def _windowed(pixels: Any, header: Any, frame: int) -> Any:
    """Stored values through modality and VOI transformation (PS3.3 C.11.1, C.11.2), 0 to 255."""
    import numpy  # noqa: PLC0415
    from pydicom.pixels.processing import apply_modality_lut, apply_voi  # noqa: PLC0415

    transformation = _functional(header, frame, "PixelValueTransformationSequence")
    values = apply_modality_lut(pixels, transformation).astype(numpy.float64)
    voi = _functional(header, frame, "FrameVOILUTSequence")
    if voi.get("VOILUTSequence"):
        values = apply_voi(values.astype(numpy.int64), voi).astype(numpy.float64)
        bits = int(voi.VOILUTSequence[0].LUTDescriptor[2])
        return _scaled(values, 0.0, float(2**bits - 1))
    centre, width = _first(voi.get("WindowCenter")), _first(voi.get("WindowWidth"))
    if centre is None or width is None or width < 1:
        return _scaled(values, *_range_of(values, pixels, header))
    function = str(voi.get("VOILUTFunction") or "LINEAR")
    if function == "SIGMOID":
        return (255 / (1 + numpy.exp(-4 * (values - centre) / width))).astype(numpy.uint8)
    if function == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, 1e-6)
    return _scaled(values, centre - width / 2, centre + width / 2)


def _scaled(values: Any, low: float, high: float) -> Any:
    import numpy  # noqa: PLC0415

    span = max(high - low, 1e-9)
    return (numpy.clip((values - low) / span, 0, 1) * 255).astype(numpy.uint8)


def _range_of(values: Any, pixels: Any, header: Any) -> tuple[float, float]:
    """Where most values are, padding left aside (PS3.3 C.7.5.1.1.2)."""
    import numpy  # noqa: PLC0415

    padding = _first(header.get("PixelPaddingValue"))
    real = values if padding is None else values[pixels != padding]
    low, high = numpy.percentile(real if real.size else values, (_LOW, _HIGH))
    return float(low), float(high)


def _functional(header: Any, frame: int, sequence: str) -> Any:
    """A functional group of an enhanced image: the frame's, or what all share, or the image."""
    for groups, index in (
        (header.get("PerFrameFunctionalGroupsSequence"), frame),
        (header.get("SharedFunctionalGroupsSequence"), 0),
    ):
        if groups and len(groups) > index and groups[index].get(sequence):
            return groups[index].get(sequence)[0]
    return header


def _aspect(header: Any, frame: int) -> float:
    """How much taller than wide a pixel is."""
    given = header.get("PixelAspectRatio")
    measures = _functional(header, frame, "PixelMeasuresSequence")
    for each in (given, measures.get("PixelSpacing"), header.get("ImagerPixelSpacing")):
        if each and len(each) == 2 and float(each[0]) > 0 and float(each[1]) > 0:
            ratio = float(each[0]) / float(each[1])
            return ratio if 1 / _ODDEST_ASPECT <= ratio <= _ODDEST_ASPECT else 1.0
    return 1.0


def _encoded(pixels: Any, aspect: float) -> bytes:
    from PIL import Image  # noqa: PLC0415

    picture = Image.fromarray(pixels)
    width, height = float(picture.width), picture.height * aspect
    scale = min(1.0, MOST_PIXELS / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    kept = io.BytesIO()
    small.save(kept, "JPEG", quality=_QUALITY, optimize=True)
    return kept.getvalue()


def _first(value: Any) -> float | None:
    """The first of one or several numbers."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0]) if len(value) else None


def _restrain() -> None:
    """Take from this process what it does not need."""
    os.nice(_NICENESS)
    for what, most in (
        (resource.RLIMIT_AS, _MOST_MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _requests(source: BinaryIO) -> Iterator[dict[str, str]]:
    while select.select([source], [], [], IDLE_SECONDS)[0]:
        line = source.readline()
        if not line:
            return
        yield json.loads(line)


def _answer(target: BinaryIO, head: dict[str, Any], body: bytes) -> None:
    target.write(json.dumps(head).encode() + b"\n" + body)
    target.flush()


if __name__ == "__main__":
    sys.exit(main())
