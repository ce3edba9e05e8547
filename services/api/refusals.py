"""What to do about a caller that was refused, and where the guide tells more."""

from collections.abc import Callable

from dicom_router.events import RefusalKind
from dicom_router.models import Association
from dicom_router.said import Said, said

_REJECTED = "rejected"
_FIXES: dict[RefusalKind, Callable[[Association], Said]] = {
    RefusalKind.UNKNOWN_CALLER: lambda row: said(
        "If {address} belongs to the site, admit {title} as a known scanner",
        title=row.calling_ae_title,
        address=row.peer_address,
    ),
    RefusalKind.RENAMED_CALLER: lambda row: said(
        "Give the scanner its old AE title back, or change the known scanner's to {title}",
        title=row.calling_ae_title,
    ),
    RefusalKind.WRONG_ADDRESS: lambda row: said(
        "If {title} has moved, add {address} to its addresses; else find out who uses its name",
        title=row.calling_ae_title,
        address=row.peer_address,
    ),
    RefusalKind.SENDERS_NOT_READ: lambda _: said(
        "See that the database answers; the scanner's next attempt gets through"
    ),
    RefusalKind.CALLED_AE_TITLE: lambda row: said(
        "Have the scanner call the router by its own AE title instead of {called}, or set "
        "ROUTER_REQUIRE_CALLED_AE=false",
        called=row.called_ae_title,
    ),
    RefusalKind.TOO_MANY_ASSOCIATIONS: lambda _: said(
        "It may try again soon. If it happens often, see who holds so many open, or raise "
        "ROUTER_DICOM_MAX_ASSOCIATIONS"
    ),
    RefusalKind.NOTHING_ACCEPTED: lambda row: said(
        "At {title}, let this service point to the system that offers it: the router stores "
        "images and answers C-ECHO",
        title=row.calling_ae_title,
    ),
    RefusalKind.PROTOCOL: lambda row: said(
        "See what {address} is: it does not speak DICOM 3.0", address=row.peer_address
    ),
    RefusalKind.TLS_FAILED: lambda row: said(
        "See that {address} speaks TLS 1.2 or newer, trusts the router's certificate, and presents "
        "one that ROUTER_DICOM_TLS_CA trusts if that is set",
        address=row.peer_address,
    ),
    RefusalKind.PLAIN_ON_TLS_PORT: lambda row: said(
        "Switch TLS on at {title}, or let it send to a plain port", title=row.calling_ae_title
    ),
}


def fix(row: Association) -> Said:
    """What to do, as a sentence; empty where nobody was refused."""
    if row.outcome != _REJECTED:
        return said("")
    if row.refusal is None:  # by an earlier version
        return said("The reason says what is not right")
    return _FIXES[RefusalKind(row.refusal)](row)


def help_of(row: Association) -> str | None:
    """Its section of the guide; None where nobody was refused."""
    if row.outcome != _REJECTED:
        return None
    return f"/help#{row.refusal or 'association-rejected'}"
