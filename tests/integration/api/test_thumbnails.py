"""Thumbnails: drawn from whatever a scanner sent, and never in anybody's way."""

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicom_router.models import Receipt, Series, Study
from services.api.problems import Problem
from services.api.rendering import MOST_PIXELS, NoPicture, draw
from services.api.thumbnails import Picture, Thumbnails
from tests.integration.api.conftest import NOON, Api, a_study
from tests.support.development_data import RealFile, development_data

# What is not an image that can be drawn, and why. All else of the development data is.
BROKEN = {
    "JPEG2000-embedded-sequence-delimiter.dcm",  # GDCM stops at the delimiter within the code
    "MR_truncated.dcm",
    "badVR.dcm",
}


def named(name: str) -> Path:
    return next(each.path for each in development_data() if each.path.name == name)


def picture_of(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(draw(str(path))))


def an_image(path: Path, **values: Any) -> Path:
    """A grey image of 8 x 8: its left half 100, its right half 300."""
    image = dcmread(named("CT_small.dcm"))
    for name in ("WindowCenter", "WindowWidth", "PixelPaddingValue", "PixelSpacing"):
        if name in image:
            delattr(image, name)
    image.Rows = image.Columns = 8
    image.RescaleSlope, image.RescaleIntercept = 1, 0
    image.PixelData = ((100).to_bytes(2, "little") * 4 + (300).to_bytes(2, "little") * 4) * 8
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name, value in values.items():
        setattr(image, name, value)
    image.save_as(path)
    return path


def halves(path: Path) -> str:
    """The two halves of the picture: `dark` or `bright`, as far as a JPEG can tell."""
    grey = picture_of(path).convert("L")
    pixels = grey.tobytes()
    row = pixels[grey.height // 2 * grey.width :][: grey.width]
    return " ".join(
        "dark" if each < 8 else "bright" if each > 247 else "grey" for each in (row[1], row[-2])
    )


def _with_pixels() -> list[RealFile]:
    found = []
    for each in development_data():
        if each.sop_class_uid and each.path.name not in BROKEN:
            header = dcmread(each.path, specific_tags=["Rows", "PixelData", "FloatPixelData"])
            if header.get("Rows") and ("PixelData" in header):
                found.append(each)
    return found


@pytest.mark.filterwarnings("ignore")
def test_every_image_of_the_development_data_is_drawn() -> None:
    files = _with_pixels()
    syntaxes = {each.transfer_syntax_uid for each in files}
    assert len(files) > 160
    assert len(syntaxes) >= 12
    for each in files:
        try:
            picture = picture_of(each.path)
        except NoPicture as why:
            pytest.fail(f"{each.path.name}: {why}")
        assert max(picture.size) <= MOST_PIXELS
        low, high = picture.convert("L").getextrema()
        assert low != high or max(picture.size) < 32, each.path.name  # small ones are all white


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["OBXXXX1A.dcm", "OBXXXX1A_expb.dcm", "SC_rgb_rle.dcm"])
def test_colours_are_colours(name: str) -> None:
    red, green, blue = picture_of(named(name)).split()
    assert not red.tobytes() == green.tobytes() == blue.tobytes()


def test_an_image_is_windowed_as_it_says(tmp_path: Path) -> None:
    wide = an_image(tmp_path / "w", WindowCenter=200, WindowWidth=2001)
    assert halves(wide) == "grey grey"
    window = an_image(tmp_path / "a", WindowCenter=250, WindowWidth=101)
    assert halves(window) == "dark bright"
    rescaled = an_image(tmp_path / "b", WindowCenter=-750, WindowWidth=101, RescaleIntercept=-1000)
    assert halves(rescaled) == "dark bright"
    nothing = an_image(tmp_path / "c")
    assert halves(nothing) == "dark bright"


def test_an_image_in_which_more_is_darker_is_turned_over(tmp_path: Path) -> None:
    negative = an_image(tmp_path / "a", PhotometricInterpretation="MONOCHROME1")
    assert halves(negative) == "bright dark"


def test_pixels_that_are_not_square_are_drawn_so(tmp_path: Path) -> None:
    picture = picture_of(an_image(tmp_path / "a", PixelSpacing=["2", "1"]))
    assert picture.size == (8, 16)


def test_what_can_not_be_drawn_says_why(tmp_path: Path) -> None:
    huge = an_image(tmp_path / "huge", Rows=60000, Columns=60000)
    with pytest.raises(NoPicture, match="too large"):
        draw(str(huge))
    with pytest.raises(NoPicture, match="no pixels"):
        draw(str(named("rtplan.dcm")))


# -- the process that draws --------------------------------------------------------------------


def drawn(thumbnails: Thumbnails, path: Path, source: str = "r1") -> Picture:
    return asyncio.run(thumbnails.draw(("1.2", "1.2.3"), source, path))


def test_a_picture_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck.py"
    stuck.write_text("import sys\nfor line in sys.stdin: sys.stdin.readline()\n")
    thumbnails = Thumbnails(longest_seconds=0.2, program=(sys.executable, str(stuck)))
    assert "more than 0.2 seconds" in drawn(thumbnails, tmp_path).why
    thumbnails.close()


def test_a_decoder_that_dies_takes_nobody_along(tmp_path: Path) -> None:
    dying = tmp_path / "dying.py"
    dying.write_text("import os, sys\nsys.stdin.readline()\nos.abort()\n")
    thumbnails = Thumbnails(program=(sys.executable, str(dying)))
    assert "gave up" in drawn(thumbnails, tmp_path).why
    thumbnails.close()


def test_a_decoder_that_has_ended_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    once = tmp_path / "once.py"
    once.write_text(
        "import sys\nsys.stdin.readline()\n"
        "print('{\"size\": 2}', flush=True)\nprint('ab', end='', flush=True)\n"
    )
    thumbnails = Thumbnails(program=(sys.executable, str(once)))
    for number in range(3):
        assert drawn(thumbnails, tmp_path, f"r{number}").jpeg == b"ab"
    thumbnails.close()


def test_pictures_are_kept_within_bounds(tmp_path: Path) -> None:
    source = an_image(tmp_path / "a")
    most = 3 * len(draw(str(source)))
    thumbnails = Thumbnails(most_bytes=most)

    async def draw_some() -> list[Picture | None]:
        for number in range(4):
            await thumbnails.draw(("1.2", str(number)), "r", source)
        return [thumbnails.kept(("1.2", str(number))) for number in range(4)]

    kept = asyncio.run(draw_some())
    thumbnails.close()
    assert kept[0] is None
    assert kept[-1] is not None
    assert sum(len(each.jpeg) for each in kept if each) == most


def test_when_too_many_want_a_picture_some_are_sent_away(tmp_path: Path) -> None:
    thumbnails = Thumbnails(most_waiting=0)
    with pytest.raises(Problem, match="try again"):
        drawn(thumbnails, tmp_path)


# -- the API -----------------------------------------------------------------------------------


def add_series(api: Api, **study: Any) -> str:
    """A study of three images, of which the middle one can be told from the others."""
    row = a_study("1.2", folder="a_study", revision=1, receiving=False, **study)
    folder = api.settings.data_dir / "a_study"
    folder.mkdir()
    receipts = []
    for number in (10, 9, 2):
        values = {"PhotometricInterpretation": "MONOCHROME1"} if number == 9 else {}
        an_image(folder / f"CT.{number}.dcm", **values)
        receipts.append(_receipt(number))
    series = Series(
        study_uid="1.2", series_uid="1.2.3", modality="CT", series_number="", series_description=""
    )
    api.add(row, series, *receipts)
    return "/api/v1/studies/1.2/series/1.2.3/thumbnail"


def _receipt(number: int) -> Receipt:
    return Receipt(
        receipt_id=f"r{number}",
        association_id="a",
        state="organized",
        study_uid="1.2",
        series_uid="1.2.3",
        sop_class_uid="1",
        sop_instance_uid=f"1.{number}",
        transfer_syntax_uid="1",
        instance_number=str(number),
        size=1,
        sha256="",
        spool_path="",
        file_name=f"CT.{number}.dcm",
        received_at=NOON,
    )


def change(api: Api, **values: Any) -> None:
    with api.database.write() as session:
        row = session.get_one(Study, "1.2")
        for name, value in values.items():
            setattr(row, name, value)
        if not row.on_disk:
            for number in (10, 9, 2):
                session.get_one(Receipt, f"r{number}").on_disk = False


def test_the_middle_image_of_a_series_is_shown(api: Api) -> None:
    path = add_series(api)
    answer = api.client.get(path, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, no-cache"
    grey = Image.open(io.BytesIO(answer.content)).convert("L")
    assert grey.tobytes()[0] > 247  # the one that is turned over
    again = api.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = api.client.get(path, headers={"If-None-Match": '"another"'})
    assert other.content == answer.content


def test_a_study_no_longer_on_disk_is_shown_only_if_it_was_before(api: Api) -> None:
    path = add_series(api)
    change(api, on_disk=False)
    assert "no longer on this disk" in api.client.get(path).json()["detail"]
    _back(api)
    assert api.client.get(path, timeout=30).status_code == 200
    change(api, on_disk=False)
    assert api.client.get(path).status_code == 200
    change(api, deleted=True)
    assert "deleted" in api.client.get(path).json()["detail"]
    change(api, deleted=False)
    assert api.client.get(path).status_code == 404


def test_a_series_that_can_not_be_drawn_says_why(api: Api) -> None:
    path = add_series(api)
    (api.settings.data_dir / "a_study" / "CT.9.dcm").write_bytes(b"no DICOM")
    answer = api.client.get(path, timeout=30)
    assert answer.status_code == 404
    assert "can't be decoded" in answer.json()["detail"]
    api.get("/studies/1.2/series/9.9/thumbnail", 404)
    api.get("/studies/9.9/series/1.2.3/thumbnail", 404)


def _back(api: Api) -> None:
    change(api, on_disk=True)
    with api.database.write() as session:
        for number in (10, 9, 2):
            session.get_one(Receipt, f"r{number}").on_disk = True
