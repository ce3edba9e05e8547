"""A router for integrators' programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.guide import blocks
from tests.client.typescript import HERE, Compiled
from tests.support.pacs import Pacs


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The client of the tests and the guide's example, compiled with a freshly generated client."""
    (example,) = blocks("typescript")
    programs = {"client": (HERE / "client.ts").read_text("utf-8"), "example": example}
    return Compiled(tmp_path_factory.mktemp("typescript"), programs)


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """A PACS on loopback that takes everything."""
    with Pacs() as pacs:
        yield pacs


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder in which an integrator works."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder
