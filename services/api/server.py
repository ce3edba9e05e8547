"""The HTTP server: its socket, its thread, its address."""

import errno
import os
import re
import socket
import ssl
import threading

import uvicorn
from fastapi import FastAPI

from dicom_router.errors import ConfigurationError
from dicom_router.settings import Settings
from dicom_router.tls import SUITES

_BACKLOG = 512
_GRACE_SECONDS = 5  # for requests in hand when the server stops; an echo takes up to 4
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - recognized, not bound to


def bind(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say; `ConfigurationError` when it can't."""
    host, port = settings.http_host, settings.http_port
    try:
        flags = socket.AI_PASSIVE
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    except OSError as error:
        raise ConfigurationError(
            f"ROUTER_HTTP_HOST={host} can't be used: {_reason(error)}; it is a name or an address "
            "of this machine, 127.0.0.1, or 0.0.0.0 for all of them"
        ) from error
    family, kind, protocol, _name, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"ROUTER_HTTP_PORT={port} on {host} can't be used: {_reason(error)}; {_remedy(error)}"
        ) from error
    return listening


def address_of(settings: Settings) -> str:
    """The URL that a person on this machine opens."""
    host = settings.http_host
    if host in _ANY:
        name = socket.gethostname()
        # A container's name, twelve digits, is of no use outside it.
        host = "localhost" if re.fullmatch(r"[0-9a-f]{12}", name) else name
    scheme = "https" if settings.http_tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


class Server:
    """Serves an application in a thread of its own."""

    def __init__(self, app: FastAPI, settings: Settings, listening: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=settings.http_tls_cert,
            ssl_keyfile=settings.http_tls_key,
            ssl_ciphers=SUITES,  # uvicorn's own choice are those of TLS 1.0
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"ROUTER_HTTP_TLS_CERT={settings.http_tls_cert} and ROUTER_HTTP_TLS_KEY="
                f"{settings.http_tls_key} can't be used: {_reason(error)}; they are PEM files of a "
                "certificate chain and its key"
            ) from error
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="http", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Answer what is in hand, then close; whether it ended within `timeout` seconds."""
        self._server.should_exit = True
        self._thread.join(timeout)
        return not self._thread.is_alive()


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "it is not known here"
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]


def _remedy(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "end what listens there, or choose another port"
    if error.errno == errno.EACCES:
        return "ports below 1024 need a privilege: choose a higher one"
    return "ROUTER_HTTP_HOST is an address of this machine, or 0.0.0.0 for all of them"
