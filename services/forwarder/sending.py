"""Sends what a claimed delivery lacks, over as few associations as possible.

Every image is tried once. What has arrived is recorded a handful at a time, so that after a crash
hardly anything is sent twice; with every record the forwarder learns whether it may go on.
"""

import errno
import math
import os
import ssl
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from dicom_router.archive import Archive, DiskTrouble
from dicom_router.dimse import (
    Association,
    PeerAddress,
    PeerError,
    ReadAhead,
    RequestorTimeouts,
    Stopped,
    StoreStatus,
)
from dicom_router.errors import Unprocessable
from dicom_router.events import DeliveryReason
from dicom_router.part10 import read_file_meta
from dicom_router.said import Said, as_said, cause_of, said
from services.forwarder import policy
from services.forwarder.deliveries import Deliveries
from services.forwarder.outages import Outages, reason_of
from services.forwarder.policy import Answer, Failure
from services.forwarder.queries import Claim, Delivered, Item
from services.forwarder.writing import Stopping

MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: the odd numbers up to 255
RECORD_AT_MOST = 8  # images of a destination that a crash may have sent a second time
RECORD_EVERY_SECONDS = 0.25
LARGE_BYTES = 4 << 20  # such an image takes a while: what came before is recorded first

# What says something about one file. Any other error says that the disk can't be used now.
_FILE_ERRORS = frozenset(
    {
        None,
        errno.ENOENT,
        errno.ELOOP,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EIO,  # a bad sector: whether the disk is away, the folder's id tells
    }
)

Context = tuple[str, str]  # SOP class, transfer syntax


class Why(Enum):
    """How a step of an attempt, or the attempt, ended."""

    TRIED = auto()  # one way or another; go on
    REOPEN = auto()  # tried, and the association is over
    DOWN = auto()  # the destination is
    NOT_LET_IN = auto()  # a guest is, which says nothing of the destination
    WITHDRAWN = auto()  # the lease is lost, or a person said stop
    STOPPED = auto()  # the forwarder is


@dataclass(frozen=True, slots=True)
class End:
    """How it ended; the reason if the destination is down or lets no guest in."""

    why: Why
    reason: DeliveryReason | None = None


_TRIED, _REOPEN = End(Why.TRIED), End(Why.REOPEN)
_WITHDRAWN, _STOPPED = End(Why.WITHDRAWN), End(Why.STOPPED)


@dataclass(frozen=True, slots=True)
class Sender:
    """What sending needs beside the claim."""

    archive: Archive
    deliveries: Deliveries
    outages: Outages
    stopping: Stopping
    timeouts: RequestorTimeouts
    check_seconds: float  # at least so long between two looks at whether to go on


def next_association(items: Sequence[Item]) -> tuple[list[Context], list[Item], list[Item]]:
    """The contexts to propose, the items that go with them, and those for another association."""
    contexts: dict[Context, None] = {}
    now, later = list[Item](), list[Item]()
    for item in items:
        context = _context(item)
        if context in contexts or len(contexts) < MOST_CONTEXTS:
            contexts[context] = None
            now.append(item)
        else:
            later.append(item)
    return list(contexts), now, later


class Attempt:
    """One attempt at a claimed delivery; for one thread.

    `on_answer`, given where the destination was down, is called once: when it has answered a
    C-STORE with anything but being out of resources. `on_connected` is told when there is an
    association and when there is none any more. `has_company` says whether another attempt has one
    to the same destination. A guest that gets none leaves it at that.
    """

    def __init__(
        self,
        sender: Sender,
        claim: Claim,
        peer: PeerAddress,
        tls: ssl.SSLContext | None,
        on_answer: Callable[[], None] | None,
        on_connected: Callable[[bool], None],
        has_company: Callable[[], bool],
        *,
        is_guest: bool,
    ) -> None:
        self._sender, self._claim, self._peer, self._tls = sender, claim, peer, tls
        self._on_answer, self._on_connected = on_answer, on_connected
        self._has_company, self._is_guest = has_company, is_guest
        self._ahead: tuple[Item, ReadAhead] | None = None  # the next image, open
        self._unrecorded: list[Delivered] = []
        self._recorded_at = time.monotonic()
        self._checked_at = -math.inf  # the claim may be older than it seems: look before the first
        self.last_failure: Failure | None = None

    def run(self) -> End:
        """Try every item once: `TRIED` if nothing came between.

        Raises `DiskTrouble` when the data folder can't be read, `Unavailable` when the database is
        away until the forwarder stops.
        """
        todo = list(self._claim.items)
        while todo:
            contexts, now, later = next_association(todo)
            batch = deque(now)
            end = self._over_one_association(contexts, batch)
            if end.why not in (Why.TRIED, Why.REOPEN):
                return end
            todo = [*batch, *later]
        return _TRIED

    @property
    def _probing(self) -> bool:
        return self._on_answer is not None

    def _over_one_association(self, contexts: Sequence[Context], batch: deque[Item]) -> End:
        try:
            association = Association.open(
                self._peer,
                contexts,
                self._sender.timeouts,
                self._tls,
                self._sender.stopping.signal,
            )
        except Stopped:
            return _STOPPED
        except PeerError as error:
            if self._is_guest:
                return End(Why.NOT_LET_IN, reason_of(error))
            self._sender.outages.went_down(
                self._claim.destination, reason_of(error), probing=self._probing
            )
            return End(Why.DOWN, reason_of(error))
        with association:
            self._on_connected(True)
            try:
                return self._send_all(association, association.accepted, batch)
            finally:
                self._on_connected(False)
                self._drop_ahead()
                if self._unrecorded:
                    self._record()

    def _send_all(
        self, association: Association, accepted: Collection[Context], batch: deque[Item]
    ) -> End:
        """Send the items of the batch, taking each from it; until none is left or until told."""
        while batch:
            if self._sender.stopping.is_set():
                return _STOPPED
            if not self._may_go_on(batch[0]):
                return _WITHDRAWN
            item = batch.popleft()
            if _context(item) in accepted:
                end = self._send(association, item, batch)
            else:
                failure = policy.not_accepted(self._claim.destination, *_context(item))
                end = self._fail(item, failure)
            if end.why is not Why.TRIED:
                return end
        return _TRIED

    def _send(self, association: Association, item: Item, following: Sequence[Item]) -> End:
        try:
            descriptor, ahead = self._take(item)
        except OSError as error:
            return self._fail(item, self._unreadable(error))
        try:
            status = association.store(
                ahead or descriptor,
                ahead.offset if ahead else _data_set_offset(descriptor, item),
                item.sop_class_uid,
                item.sop_instance_uid,
                item.transfer_syntax_uid,
                lambda: self._read_ahead(association, following),
            )
        except Unprocessable as error:
            return self._fail(item, self._missing(as_said(error)))
        except PeerError as error:
            return self._on_broken(item, error)
        except Stopped:
            return _STOPPED
        except OSError as error:  # the peer has got a part of it
            self._fail(item, self._unreadable(error))
            return _REOPEN
        finally:
            os.close(descriptor)
        return self._on_status(item, status)

    def _take(self, item: Item) -> tuple[int, ReadAhead | None]:
        """The open file of an image, and what was read of it already."""
        if self._ahead is not None and self._ahead[0] is item:
            ahead, self._ahead = self._ahead[1], None
            return ahead.descriptor, ahead
        self._drop_ahead()
        return self._open(item), None

    def _read_ahead(self, association: Association, following: Sequence[Item]) -> None:
        """Have the next image at hand once the peer has answered; its turn tells what is wrong."""
        if not following:
            return
        item = following[0]
        try:
            descriptor = self._open(item)
        except OSError:
            return
        try:
            offset = _data_set_offset(descriptor, item)
            self._ahead = item, association.read_ahead(descriptor, offset)
        except (OSError, Unprocessable):
            os.close(descriptor)

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            os.close(self._ahead[1].descriptor)
            self._ahead = None

    def _on_status(self, item: Item, status: StoreStatus) -> End:
        meaning = policy.answer(status.code)
        if meaning is Answer.OUT_OF_RESOURCES:
            reason = policy.out_of_resources(self._claim.destination, status.code)
            self._sender.outages.refused_for_now(self._claim, item, reason, probing=self._probing)
            return End(Why.DOWN, reason)
        if self._on_answer is not None:
            self._on_answer()
            self._on_answer = None
        if meaning is Answer.REFUSED:
            failure = policy.refused(self._claim.destination, status.code, status.comment)
            return self._fail(item, failure)
        self._unrecorded.append(Delivered(item.receipt_id, status.code))
        return _TRIED

    def _on_broken(self, item: Item, error: PeerError) -> End:
        reason = reason_of(error)
        if self._sender.outages.aborted(self._claim, item, reason, probing=self._probing):
            self._fail(item, policy.to_blame(reason))
            return _REOPEN
        return End(Why.DOWN, reason)

    def _fail(self, item: Item, failure: Failure) -> End:
        self.last_failure = failure
        self._sender.deliveries.fail(self._claim, item, failure)
        return _TRIED

    def _may_go_on(self, following: Item) -> bool:
        """Record what is to be recorded; whether the following image may be sent."""
        now = time.monotonic()
        if self._is_time_to_record(now, following):
            return self._record()
        if now - self._checked_at < self._sender.check_seconds:
            return True
        self._checked_at = now
        return self._sender.deliveries.may_go_on(self._claim)

    def _is_time_to_record(self, now: float, following: Item) -> bool:
        if not self._unrecorded:
            return False
        most = RECORD_AT_MOST // 2 if self._has_company() else RECORD_AT_MOST
        many = len(self._unrecorded) >= most
        return (
            many or following.size >= LARGE_BYTES or now - self._recorded_at >= RECORD_EVERY_SECONDS
        )

    def _record(self) -> bool:
        """Record what has arrived since the last time; whether to go on."""
        self._checked_at = time.monotonic()  # before, as what is seen may be as old as that
        may_go_on = self._sender.deliveries.record(self._claim, self._unrecorded)
        self._unrecorded.clear()
        self._recorded_at = time.monotonic()
        return may_go_on

    def _open(self, item: Item) -> int:
        path = self._sender.archive.study_file(self._claim.folder, item.file_name)
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _unreadable(self, error: OSError) -> Failure:
        """A file may be gone; a data folder that is gone is no image's fault: `DiskTrouble`."""
        archive = self._sender.archive
        if error.errno not in _FILE_ERRORS or not archive.identity.is_right():
            raise DiskTrouble(
                f"The data folder {archive.root} can't be read: {error.strerror}"
            ) from error
        if isinstance(error, FileNotFoundError):
            return self._missing(said("its file is not on the disk any more"))
        return self._missing(cause_of(error))

    def _missing(self, why: Said) -> Failure:
        """What there is to say of a file, unless another disk is in the place of its own."""
        self._sender.archive.identity.require()
        return policy.missing(why)


def _data_set_offset(descriptor: int, item: Item) -> int:
    """Where the data set begins; `Unprocessable` if the bytes are not those of the receipt."""
    meta, offset = read_file_meta(descriptor)
    if meta.receipt_id not in ("", item.receipt_id):
        raise Unprocessable(said("another image took the place of its file"))
    if meta.transfer_syntax_uid != item.transfer_syntax_uid:
        raise Unprocessable(said("its file is not in the transfer syntax it was received in"))
    return offset


def _context(item: Item) -> Context:
    return item.sop_class_uid, item.transfer_syntax_uid
