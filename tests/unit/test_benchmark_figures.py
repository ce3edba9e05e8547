"""What benchmarks make of their figures, and that they notice a byte that did not arrive."""

import shutil
from pathlib import Path

import pytest

from benchmarks.arrivals import Lost, require_all
from benchmarks.bars import Bar, report
from benchmarks.images import Images, make_images, make_large_image
from benchmarks.latency import percentile
from benchmarks.rounds import Figures, take_turns


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return make_images(tmp_path / "images", 6, studies=3, associations=2)


def test_images_are_of_so_many_studies_and_no_two_alike(images: Images) -> None:
    assert len({each.study_uid for each in images.all}) == 3
    assert len({each.sop_instance_uid for each in images.all}) == 6
    assert len({each.sha256 for each in images.all}) == 6
    assert [len(list(part.iterdir())) for part in images.parts] == [3, 3]
    assert all(520_000 < each.size < 530_000 for each in images.all)


def test_a_large_image_is_as_large_as_it_is_to_be(tmp_path: Path) -> None:
    image = make_large_image(tmp_path / "large.dcm", megabytes=3)
    assert 3_000_000 < image.size < 4_000_000
    require_all([image], tmp_path)


def test_all_bytes_that_arrived_are_found_wherever_they_are(images: Images) -> None:
    require_all(images.all, images.folder)


def test_one_other_byte_is_noticed(images: Images, tmp_path: Path) -> None:
    arrived = shutil.copytree(images.folder, tmp_path / "arrived")
    path = next(arrived.rglob("*.dcm"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Lost, match=r"1 of 6 images .* has other bytes"):
        require_all(images.all, arrived)


def test_a_missing_image_is_noticed(images: Images, tmp_path: Path) -> None:
    arrived = shutil.copytree(images.folder, tmp_path / "arrived")
    next(arrived.rglob("*.dcm")).unlink()
    with pytest.raises(Lost, match=r"1 of 6 images .* is not there"):
        require_all(images.all, arrived)


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    figures = take_turns({"a": lambda: run("a"), "b": lambda: run("b")}, 3, "turns")
    assert order == ["a", "b"] * 3
    assert list(figures["a"].values) == [1, 3, 5]
    assert figures["b"].median == 4


def test_figures_show_their_median_and_their_spread() -> None:
    assert str(Figures((1234.0, 90.5, 333.0))) == "333 (90.5 to 1,234)"


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100)])
def test_so_many_percent_are_not_above_a_percentile(percent: int, value: int) -> None:
    assert percentile(range(1, 101), percent) == value


def test_a_bar_that_is_missed_is_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([Bar("quick", 1.2, 1.2, "at least"), Bar("small", 150, 150, "at most")]) == 0
    assert report([Bar("quick", 1.19, 1.2, "at least")]) == 1
    assert report([Bar("small", 151, 150, "at most")]) == 1
    assert capsys.readouterr().out.count("MISSED") == 2
