"""Is this container's service well? Exit code 0 if so, else 1 and one line that says why.

    python -m infra.healthcheck dicom 11104 4100      each port answers in DICOM's own protocol,
                                                      those of ROUTER_DICOM_TLS_PORTS as well
    python -m infra.healthcheck connected 5672 5432   there are connections to these ports
    python -m infra.healthcheck ready 8501            the API says that it is ready

Imports nothing of the router, so that asking often costs little.
"""

import os
import socket
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 5.0
RELEASE_RQ = bytes.fromhex("05000000000400000000")  # PS3.8 9.3.6
ABORT = b"\x07"  # the type of an A-ABORT PDU, PS3.8 9.3.8
ESTABLISHED = "01"


def dicom(port: int) -> str | None:
    """What is wrong with a DICOM port.

    To release what was never associated must be answered with an A-ABORT (PS3.8 9.2, AA-1): proof
    that associations are served, which leaves none in the router's records. On a port for TLS it
    is answered the same, without a handshake.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            connection.settimeout(SECONDS)
            connection.sendall(RELEASE_RQ)
            answer = connection.recv(1)
    except OSError as error:
        return f"DICOM port {port}: {error}"
    return None if answer == ABORT else f"DICOM port {port} does not answer as it must"


def connected(port: int) -> str | None:
    """What is wrong with this container's connections to a port of another one.

    A service without its broker and its database does nothing, and RabbitMQ closes connections
    that no thread serves any more.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    if any(row[2].endswith(f":{port:04X}") and row[3] == ESTABLISHED for row in rows):
        return None
    return f"there is no connection to port {port}"


def ready(port: int) -> str | None:
    """What is wrong according to the API."""
    scheme = "https" if os.environ.get("ROUTER_HTTP_TLS_CERT") else "http"
    url = f"{scheme}://127.0.0.1:{port}/readyz"
    own = ssl._create_unverified_context()  # noqa: S323, SLF001 - the certificate names the outside
    try:
        with urllib.request.urlopen(url, timeout=SECONDS, context=own):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return error.read(500).decode(errors="replace")
    except OSError as error:
        return f"{url}: {error}"


CHECKS = {"dicom": dicom, "connected": connected, "ready": ready}


def main() -> int:
    """Check every port; the exit code."""
    check, ports = CHECKS[sys.argv[1]], sys.argv[2:]
    if check is dicom:
        ports += [each for each in os.environ.get("ROUTER_DICOM_TLS_PORTS", "").split(",") if each]
    troubles = [trouble for port in ports if (trouble := check(int(port)))]
    print("; ".join(troubles) or "well")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
