"""Free ports on loopback, for servers that must be told theirs before they start."""

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
BELOW_THE_EPHEMERAL = range(20_000, 32_000)
"""Linux hands out 32768 and up to outgoing connections, which would take a port between here and
the start of its server."""


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listened a moment ago, all different."""
    with ExitStack() as held:
        return [_hold_one(held) for _ in range(count)]


def free_port() -> int:
    """Return a port on which nothing listened a moment ago."""
    return free_ports(1)[0]


def _hold_one(held: ExitStack) -> int:
    for port in random.sample(BELOW_THE_EPHEMERAL, k=1000):
        candidate = held.enter_context(socket.socket())
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            continue
        return port
    raise OSError("No free port between 20000 and 32000.")
