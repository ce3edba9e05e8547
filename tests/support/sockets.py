"""Keeps unit tests off the network: Python tells of each socket operation before it happens."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_EVENTS = {"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"}
_forbidden = False
_hooked = False


class SocketUsed(Exception):
    """A test that must not use the network did."""


@contextmanager
def no_sockets() -> Iterator[None]:
    """Raise `SocketUsed` at whoever uses a socket while the block runs."""
    global _forbidden, _hooked  # noqa: PLW0603 - an audit hook cannot be removed, only told to rest
    if not _hooked:
        sys.addaudithook(_refuse)
        _hooked = True
    _forbidden = True
    try:
        yield
    finally:
        _forbidden = False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _forbidden and event in _EVENTS:
        raise SocketUsed(f"{event}{arguments[1:]}: a unit test opens no sockets")
