"""The steps from the first byte of a C-STORE to the deletion of its study, and where each is.

`docs/reliability.md` tells of the same steps, by the same names and in the same order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Moment:
    """When a function of the product is entered, or left, for the nth time that counts."""

    function: str  # module:Class.function
    entering: bool
    call: int = 1
    counts: Callable[..., bool] = lambda *_: True


@dataclass(frozen=True)
class Step:
    """The last moment before it and the first one after it."""

    before: Moment
    after: Moment


def around(function: str, call: int = 1, counts: Callable[..., bool] = lambda *_: True) -> Step:
    """The step that one function does."""
    return Step(Moment(function, True, call, counts), Moment(function, False, call, counts))


def between(before: str, after: str, call: int = 1) -> Step:
    """The step that is done once `before` has returned, and has been when `after` returns."""
    return Step(Moment(before, False, call), Moment(after, False, call))


def _is_of_a_study(_relay: Any, rows: Any) -> bool:
    return any("study-complete" in row.type for row in rows)


def _is_the_history(temporary: Any, _target: Any) -> bool:
    return (
        temporary.name.startswith("..metadata.json") and b'"sent": true' in temporary.read_bytes()
    )


_INTAKE, _ARCHIVE = "services.organizer.intake:Intake", "dicom_router.archive:Archive"
_DELIVERIES = "services.forwarder.deliveries:Deliveries"
_RECEPTION = "services.receiver.reception"

STEPS = {
    "received": Step(
        Moment(f"{_RECEPTION}:Reception.on_store", True, 3),
        Moment("dicom_router.archive:SpoolFile.write", False, 3),
    ),
    "spooled": around("dicom_router.archive:SpoolFile.commit", 3),
    "answered": Step(
        Moment(f"{_RECEPTION}:Acceptance.finish", False, 3),
        Moment(f"{_RECEPTION}:Reception.stored", True, 3),
    ),
    "announced": around(f"{_RECEPTION}:Reception.stored", 3),
    "assigned": around(f"{_INTAKE}._assign"),
    "moved": around(f"{_ARCHIVE}.place", 3),
    "recorded": between(f"{_INTAKE}._move", f"{_INTAKE}._finish"),
    "quarantined": between("dicom_router.archive:Quarantine.put", f"{_INTAKE}._record_set_aside"),
    "completed": around("services.organizer.completing:Completing._complete"),
    "study announced": around("dicom_router.outbox:OutboxRelay._publish", counts=_is_of_a_study),
    "owed": around("services.forwarder.owing:Owing.route"),
    "sent": around("dicom_router.dimse.requestor:Association.store", 3),
    "sending recorded": around(f"{_DELIVERIES}.record"),
    "delivered": around(f"{_DELIVERIES}.conclude"),
    "deleted": around(f"{_ARCHIVE}.remove_study_files"),
    "history written": around("pathlib:Path.rename", counts=_is_the_history),
}
