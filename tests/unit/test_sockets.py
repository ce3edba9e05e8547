"""The guard that keeps unit tests off the network."""

import socket

import pytest

from tests.support.sockets import SocketUsed


def test_a_unit_test_that_connects_is_stopped() -> None:
    with socket.socket() as connection, pytest.raises(SocketUsed, match="opens no sockets"):
        connection.connect(("127.0.0.1", 9))


def test_a_unit_test_that_listens_is_stopped() -> None:
    with socket.socket() as listener, pytest.raises(SocketUsed, match="opens no sockets"):
        listener.bind(("127.0.0.1", 0))
