"""A world to forward in, and PACSs to forward to."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.forwarder.world import World
from tests.support.pacs import Pacs


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with closing(World(tmp_path, database_url)) as made:
        yield made


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as started:
        yield started
