"""A bounded run; `make contract` asks for longer, with other seeds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.names import ROLES
from tests.contract.run import Scene, scene

SEED = 4
# An administrator is asked what is at the edges of what the document allows; the others by chance.
BY_CHANCE = ("--phases", "examples,fuzzing", "--max-examples", "2")
AT_THE_EDGES = ("--phases", "examples,coverage")

pytestmark = pytest.mark.xdist_group("contract")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("contract")) as found:
        yield found


@pytest.mark.parametrize("role", ROLES)
def test_the_api_does_what_its_document_says(
    asked: Scene, role: str, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    options = AT_THE_EDGES if role == "admin" else BY_CHANCE
    result = asked.ask(role, tmp_path, "--seed", str(SEED), *options)
    figure(str(result))
    assert result.failures == 0, result.output
    assert result.operations > 60
