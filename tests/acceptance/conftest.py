"""The peers of a whole router: a PACS that is not our code."""

from collections.abc import Iterator

import pytest

from tests.support.pacs import Pacs


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """A PACS on loopback that takes everything."""
    with Pacs() as pacs:
        yield pacs


def target(pacs: Pacs) -> dict[str, object]:
    """The settings that make it the destination `default`."""
    return {"TARGET_HOST": "127.0.0.1", "TARGET_PORT": pacs.port, "TARGET_AET": pacs.ae_title}
