"""A process that runs one seed after the other on servers of its own."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

from infra.private_services import PrivatePostgres, PrivateRabbitMQ
from tests.chaos.router import Zygote, environment_without_settings
from tests.chaos.run import REST_SECONDS, Outcome, Servers, carry_out

REST_SECONDS_WITH_BUG = 30.0  # most seeds never come to rest then


@dataclass
class Lane:
    """What one process needs to run one seed after the other."""

    servers: Servers
    zygote: Zygote
    place: Path


_lane: Lane | None = None


def open_lane(place: Path) -> None:
    """Start this process's servers; they end with it."""
    global _lane  # noqa: PLW0603 - the pool gives its processes no other place
    environment_without_settings()
    stack = ExitStack()
    own = place / f"lane-{os.getpid()}"
    own.mkdir()
    zygote = stack.enter_context(Zygote())
    rabbitmq = PrivateRabbitMQ(own / "rabbitmq")
    stack.callback(rabbitmq.close)
    rabbitmq.spawn()
    postgres = stack.enter_context(PrivatePostgres(own / "postgres", fsync=False))
    rabbitmq.wait_until_ready()
    _lane = Lane(Servers(rabbitmq, postgres), zygote, place)
    Finalize(_lane, stack.close, exitpriority=10)


def in_lane(seed: int, bug: str) -> Outcome:
    """Run a seed in this process."""
    assert _lane is not None
    rest_seconds = REST_SECONDS if not bug else REST_SECONDS_WITH_BUG
    return carry_out(seed, _lane.servers, _lane.zygote, _lane.place, bug, rest_seconds)
