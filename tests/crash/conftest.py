"""A PACS that is not our code."""

from collections.abc import Iterator

import pytest

from tests.support.pacs import Pacs


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """A PACS on loopback that takes everything."""
    with Pacs() as pacs:
        yield pacs
