"""Unit tests open no sockets."""

from collections.abc import Iterator

import pytest

from tests.support.sockets import no_sockets


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    with no_sockets():
        yield
