"""A connection over TLS: what it waits for when TLS already holds bytes that no socket shows."""

import select
import socket
import ssl
import threading
from pathlib import Path

from dicom_router.dimse.connection import Connection
from dicom_router.tls import TlsFiles, client_context, server_context
from tests.support.certificates import Authority


def test_bytes_that_tls_has_decrypted_are_not_waited_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign()
    ours, theirs = socket.socketpair()
    files = TlsFiles(pair.certificate, pair.key, None)
    trusting = client_context(TlsFiles(None, None, authority.certificate))
    with Connection(ours, timeout=5) as connection, theirs:
        shaking = threading.Thread(target=connection.secure, args=(server_context(files),))
        shaking.start()
        with trusting.wrap_socket(theirs, server_hostname="localhost") as peer:
            shaking.join(10)
            peer.sendall(b"x" * 100)
            assert connection.receive_into(memoryview(bytearray(10))) == 10
            assert connection.wait(select.POLLIN) == select.POLLIN
            assert isinstance(connection._socket, ssl.SSLSocket)
