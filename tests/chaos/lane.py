"""A process that runs one seed after the other on servers of its own."""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

from infra.private_services import PrivatePostgres, PrivateRabbitMQ
from tests.chaos.router import Zygote, environment_without_settings
from tests.chaos.run import REST_SECONDS, Outcome, Servers, carry_out
from tests.chaos.verdict import Verdict

_PR_SET_PDEATHSIG = 1
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    environment_without_settings()
    stack = ExitStack()
    own = place / f"lane-{os.getpid()}"
    own.mkdir()
    zygote = stack.enter_context(Zygote())
    rabbitmq = PrivateRabbitMQ(own / "rabbitmq")
    postgres = PrivatePostgres(own / "postgres", fsync=False)
    stack.callback(rabbitmq.close)
    stack.callback(postgres.close)
    servers = Servers(rabbitmq, postgres)
    servers.repair()
    _lane = Lane(servers, zygote, place)
    Finalize(_lane, stack.close, exitpriority=10)


def in_lane(seed: int, bug: str) -> Outcome:
    """Run a seed in this process; an error of ours is a complaint like others."""
    assert _lane is not None
    rest_seconds = REST_SECONDS if not bug else REST_SECONDS_WITH_BUG
    begun = time.monotonic()
    try:
        return carry_out(seed, _lane.servers, _lane.zygote, _lane.place, bug, rest_seconds)
    except Exception:  # noqa: BLE001 - told, and the next seed comes
        verdict = Verdict(other=[f"the run broke off:\n{traceback.format_exc()}"])
        folder = str(_lane.place / f"seed-{seed}")
        return Outcome(seed, verdict, Counter(), time.monotonic() - begun, folder)
