"""Each DICOM port: whether DICOM is answered there, by which addresses, and what a firewall says.

What can be seen depends on where the api runs. Beside the receiver it connects by every address of
the machine. In a container of its own it connects to the receiver's (ROUTER_RECEIVER_HOST), and
neither sees which port of the host leads there nor the host's firewall.
"""

import ipaddress
import socket

import psutil

from dicom_router.said import Said, cause_of, said
from services.api.checks import firewall
from services.api.checks.firewall import Firewall
from services.api.checks.outcomes import fail, warn, well
from services.api.context import Context
from services.api.schemas import Check

_CONNECT_SECONDS = 1.0
_MOST_ADDRESSES = 8
_ANY = ("0.0.0.0", "::")  # noqa: S104 - recognized, not bound to
_RELEASE_RQ = bytes.fromhex("05000000000400000000")  # PS3.8 9.3.6
_ABORT = b"\x07"  # the type of an A-ABORT PDU, PS3.8 9.3.8


def ports(context: Context) -> list[Check]:
    """Every port, plain and for TLS."""
    settings = context.settings
    beside = not settings.receiver_host
    rules = firewall.read() if beside else None
    numbered = [(port, said("DICOM port {port}", port=port)) for port in settings.dicom_ports]
    numbered += [
        (port, said("DICOM port {port} (TLS)", port=port)) for port in settings.dicom_tls_ports
    ]
    return [_port(context, port, title, rules) for port, title in numbered]


def _port(context: Context, port: int, title: Said, rules: Firewall | None) -> Check:
    settings = context.settings
    name = f"dicom-port:{port}"
    host = settings.receiver_host or _near(settings.dicom_host)
    trouble = answers_dicom(host, port)
    if trouble:
        fix = said(
            "Start the receiver, and see its log: a port that it can't have is named there. Who "
            "listens: sudo ss -ltnp 'sport = :{port}'",
            port=port,
        )
        return fail(name, title, said("{trouble}; no scanner can send to it", trouble=trouble), fix)
    if rules is None:
        detail = said(
            "DICOM is answered at {host}:{port}, inside the containers. Which port of the host "
            "leads there, and the host's firewall, can't be seen from here: docker compose port "
            "{host} {port}, and nc -vz from another machine",
            host=host,
            port=port,
        )
        return well(name, title, detail)
    return _from_elsewhere(name, title, port, settings.dicom_host, rules)


def _from_elsewhere(name: str, title: Said, port: int, bound: str, rules: Firewall) -> Check:
    """Of a port that is answered here: whether other machines reach it."""
    addresses = machine_addresses(bound)
    if not addresses and bound in _ANY:
        detail = said("DICOM is answered; this machine has no address now by which others reach it")
        return well(name, title, detail)
    if not addresses:
        detail = said(
            "DICOM is answered on {address} only, as ROUTER_DICOM_HOST says: other machines can't "
            "reach it",
            address=bound,
        )
        return warn(name, title, detail, said("Set ROUTER_DICOM_HOST to 0.0.0.0 and start again"))
    closed = ", ".join(each for each in addresses if not _connects(each, port))
    if closed:
        detail = said("DICOM is answered on this machine, but not by {addresses}", addresses=closed)
        return warn(name, title, detail, said("Set ROUTER_DICOM_HOST to 0.0.0.0 and start again"))
    is_open, why = rules.judge(port)
    detail = said(
        "DICOM is answered on {addresses}; {firewall}", addresses=", ".join(addresses), firewall=why
    )
    command = rules.command(port)
    if not is_open:
        return warn(name, title, detail, said("Open it: {command}", command=command))
    if rules.rules is None:
        detail = said(
            "{so_far}. If other machines can't: {command}", so_far=detail, command=command
        )
    return well(name, title, detail)


def answers_dicom(host: str, port: int) -> Said | None:
    """What is wrong with a DICOM port, if anything is.

    To release what was never associated must be answered with an A-ABORT (PS3.8 9.2, AA-1): proof
    that associations are served, which leaves none on record. On a port for TLS it is answered
    the same, without a handshake.
    """
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            connection.sendall(_RELEASE_RQ)
            answer = connection.recv(1)
    except ConnectionRefusedError:
        return said("Nobody listens at {host}:{port}", host=host, port=port)
    except TimeoutError:
        return said("There is no answer at {host}:{port}", host=host, port=port)
    except socket.gaierror:
        return said("The host {host} (ROUTER_RECEIVER_HOST) is not known here", host=host)
    except OSError as error:
        why = cause_of(error)
        return said("{host}:{port} can't be reached: {why}", host=host, port=port, why=why)
    if answer == _ABORT:
        return None
    return said("What listens at {host}:{port} does not speak DICOM", host=host, port=port)


def machine_addresses(bound: str) -> list[str]:
    """By which other machines might reach a socket that is bound to this address."""
    if bound not in _ANY:
        return [] if _is_loopback(bound) else [bound]
    family = socket.AF_INET6 if bound == "::" else socket.AF_INET
    found = (
        each.address
        for cards in psutil.net_if_addrs().values()
        for each in cards
        if each.family == family and not _is_local(each.address)
    )
    return sorted(found)[:_MOST_ADDRESSES]


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _near(bound: str) -> str:
    """By which a socket that is bound to this address is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104 - not bound to


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(address: str) -> bool:
    """Whether it is of use on this machine or this link only."""
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_link_local
