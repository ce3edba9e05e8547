"""A short run of what `make chaos` does for long: known seeds, and one that nobody has seen."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.private_services import PrivatePostgres, PrivateRabbitMQ
from tests.chaos.plan import plan
from tests.chaos.router import Zygote
from tests.chaos.run import Servers, carry_out

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

NEW = secrets.randbelow(1_000_000)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """What the services are forked from."""
    with Zygote() as started:
        yield started


@pytest.fixture(scope="module")
def servers(rabbitmq: PrivateRabbitMQ, postgres: PrivatePostgres) -> Servers:
    """The session's servers, which run again when a seed is over."""
    return Servers(rabbitmq, postgres)


@pytest.mark.parametrize("seed", [8, 12, pytest.param(NEW, id="new")])
def test_nothing_acknowledged_is_lost_whatever_fails(
    tmp_path: Path, servers: Servers, zygote: Zygote, seed: int
) -> None:
    outcome = carry_out(seed, servers, zygote, tmp_path)
    complaints = "\n".join(outcome.verdict.complaints)
    again = f"make chaos ARGS='--first {seed} --seeds 1'"
    assert not complaints, f"{complaints}\nagain: {again}; {outcome.folder}\n{plan(seed)}"
    assert outcome.verdict.acknowledged


def test_a_seed_gives_the_same_plan_every_time() -> None:
    assert str(plan(7)) == str(plan(7))
    assert str(plan(7)) != str(plan(8))
