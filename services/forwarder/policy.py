"""What an answer, an error or the end of an attempt means: pure decisions.

An outage is not a failure. A destination that can't be reached, rejects, aborts or is out of
resources is down: its deliveries wait and use up no attempts. An instance's own failure (any other
status, or the third abort at the same instance) is tried again later, a limited number of times.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from pydicom.uid import UID

from dicom_router.events import DeliveryReason
from dicom_router.retry import retry_delay
from dicom_router.said import Said, said

# An instance at which so many associations ended is to blame itself.
ABORTS_TO_BLAME = 3
# A destination that aborts whatever it is sent is to blame itself: within one outage no more than
# so many instances are.
BLAMED_IN_ONE_OUTAGE = 3

# PS3.7 Annex C and PS3.4 B.2.3: the data set is stored, though not all is well.
_SINGLE_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})


class Answer(Enum):
    """What the status of a C-STORE says."""

    STORED = auto()
    OUT_OF_RESOURCES = auto()  # says something about the destination, not about the instance
    REFUSED = auto()


def answer(status: int) -> Answer:
    """Sort a C-STORE status (PS3.4 B.2.3)."""
    if status == 0x0000 or status in _SINGLE_WARNINGS or status >> 12 == 0xB:
        return Answer.STORED
    return Answer.OUT_OF_RESOURCES if status >> 8 == 0xA7 else Answer.REFUSED


@dataclass(frozen=True, slots=True)
class Failure:
    """An instance's own failure. `comment` is the peer's, and may say anything about a patient."""

    reason: DeliveryReason
    comment: str = ""

    @property
    def detail(self) -> Said:
        """For those who may see patients' data."""
        if not self.comment:
            return self.reason.text
        return said("{why} ({comment})", why=self.reason.text, comment=self.comment)


def refused(destination: str, status: int, comment: str) -> Failure:
    """The peer answered with a failure status."""
    text = said(
        "{destination} refused an image with status 0x{status:04X}",
        destination=destination,
        status=status,
    )
    return Failure(DeliveryReason(kind="refused", dicom_status=status, text=text), comment)


def out_of_resources(destination: str, status: int) -> DeliveryReason:
    """The peer answered that it can't store anything now."""
    text = said(
        "{destination} is out of resources: it answered status 0x{status:04X}",
        destination=destination,
        status=status,
    )
    return DeliveryReason(kind="refused", dicom_status=status, text=text)


def not_accepted(destination: str, sop_class_uid: str, transfer_syntax_uid: str) -> Failure:
    """The peer took no presentation context for it."""
    sop_class, syntax = UID(sop_class_uid).name, UID(transfer_syntax_uid).name
    text = said(
        "{destination} does not accept {sop_class} in {syntax}",
        destination=destination,
        sop_class=sop_class,
        syntax=syntax,
    )
    return Failure(DeliveryReason(kind="not-accepted", text=text))


def failed_before(destination: str, status: int | None) -> Failure:
    """An instance failed in an earlier attempt; `status` is the peer's, if it gave one."""
    if status is not None:
        return refused(destination, status, "")
    text = said(
        "{destination} did not take every image: each one that is missing says why",
        destination=destination,
    )
    return Failure(DeliveryReason(kind="aborted", text=text))


def missing(why: Said) -> Failure:
    """There is nothing to send: never a success."""
    return Failure(
        DeliveryReason(kind="missing", text=said("An image can't be sent: {why}", why=why))
    )


def to_blame(reason: DeliveryReason) -> Failure:
    """Associations end whenever this instance is sent."""
    return Failure(
        DeliveryReason(
            kind=reason.kind, text=said("Sending an image failed: {why}", why=reason.text)
        )
    )


def aborts_count(receipt_id: str, blamed: Collection[str]) -> bool:
    """Whether one more abort at an instance counts against it; `blamed` as the outage has it."""
    return receipt_id in blamed or len(blamed) < BLAMED_IN_ONE_OUTAGE


@dataclass(frozen=True, slots=True)
class Tally:
    """How the instances of a delivery stand; those superseded are not counted.

    `attempts` is the most that one which still waits has used up.
    """

    total: int
    delivered: int
    failed: int
    waiting: int
    attempts: int


@dataclass(frozen=True, slots=True)
class TryLater:
    """Some instances failed and will be tried again."""

    attempt: int
    at: datetime


class Ended(Enum):
    """A delivery has come to its end."""

    DELIVERED = auto()
    FAILED = auto()


def ending(tally: Tally, now: datetime) -> TryLater | Ended:
    """What follows once every waiting instance of a delivery was tried."""
    if tally.waiting:
        delay = retry_delay(max(tally.attempts, 1))
        return TryLater(tally.attempts, now + delay) if delay else Ended.FAILED
    return Ended.FAILED if tally.failed else Ended.DELIVERED


def spoken(seconds: float) -> str:
    """A duration as a person says it: `under 1 s`, `12 s`, `3 min`, `14 h`."""
    if seconds < 1:
        return said("under 1 s")
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
