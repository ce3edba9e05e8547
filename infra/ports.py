"""Free ports on loopback, for servers that must be told theirs before they start."""

import random
import socket
from collections import deque

LOOPBACK = "127.0.0.1"
BELOW_THE_EPHEMERAL = range(20_000, 32_000)
"""Linux hands out 32768 and up to outgoing connections, which would take a port between here and
the start of its server."""

CLAIMS = 100

_claims: deque[socket.socket] = deque()


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens, all different."""
    return [free_port() for _ in range(count)]


def free_port() -> int:
    """Return a port on which nothing listens, and claim it: no process here is given it as well.

    A claim is the same port of UDP, which no server of ours uses. It holds while the server is
    yet to start or stopped for a while: until this process ends or has claimed `CLAIMS` more.
    """
    for port in random.sample(BELOW_THE_EPHEMERAL, k=1000):
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((LOOPBACK, port))
            with socket.socket() as listener:
                listener.bind((LOOPBACK, port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        if len(_claims) > CLAIMS:
            _claims.popleft().close()
        return port
    raise OSError("No free port between 20000 and 32000.")
