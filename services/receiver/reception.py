"""One association's instances: from the line into the spool, durable, answered, announced.

The order is the promise: a success is answered only after the file is safe under its name. The
announcement comes last, when the scanner is at work again, and may be lost, since the organizer
also finds what is in the spool.
"""

import errno
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_router.archive import (
    LEAST_FREE_BYTES,
    Archive,
    DiskTrouble,
    ReceiptId,
    Space,
    SpoolFile,
)
from dicom_router.bus import Bus
from dicom_router.dimse import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    LOCAL_LIMIT_EXCEEDED,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
    AssociationEnd,
    AssociationRequest,
    Rejection,
    StoreRequest,
    StoreSink,
    StoreStatus,
)
from dicom_router.events import (
    AssociationRejected,
    AssociationReleased,
    InstanceRejected,
    InstanceStored,
    Payload,
    RefusalKind,
    message,
)
from dicom_router.log import Log, get_logger
from dicom_router.part10 import FileMeta
from dicom_router.said import packed, said
from dicom_router.settings import Settings
from services.receiver.callers import KnownSender, Refused, refusal
from services.receiver.refusals import Refusals, refused_below, useless

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_MOUNTED = StoreStatus(OUT_OF_RESOURCES, "The data folder is not mounted")

log = get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """What every association of a receiver shares."""

    receiver: str
    settings: Settings
    archive: Archive
    bus: Bus
    senders: Callable[[], Sequence[KnownSender] | None]  # None: not known yet
    # Takes a place among the associations, and gives it back; False when there is none left.
    enter: Callable[[], bool]
    leave: Callable[[], None]
    refusals: Refusals


def lacks_space(space: Space, least_percent: float) -> bool:
    """Whether incoming objects are to be refused."""
    return space.free_percent < least_percent or space.free < LEAST_FREE_BYTES


class Reception:
    """The handler of one association; see `dicom_router.dimse.AssociationHandler`."""

    def __init__(self, place: Place, peer_address: str) -> None:
        self._place, self._peer_address = place, peer_address
        self.association_id = secrets.token_hex(8)
        self._opened_at = datetime.now(UTC)
        self._request: AssociationRequest | None = None
        self._turned_away: Refused | None = None
        self._accepted = False
        self._number = 0
        self._receipts = 0
        self._refused = 0

    @property
    def is_accepted(self) -> bool:
        """Whether it has got its association."""
        return self._accepted

    # -- what dimse asks -----------------------------------------------------------------------

    def on_request(self, request: AssociationRequest) -> Rejection | None:
        """Whether this caller gets an association."""
        self._request = request
        rejection, self._turned_away = self._judge(request)
        if rejection is None:
            self._accepted = True
            self._turned_away = useless(request.contexts)
        if self._turned_away is None:
            log.info(Log.ASSOCIATION_ACCEPTED, **self._who())
        return rejection

    def on_store(self, request: StoreRequest) -> StoreSink:
        """Where the data set of one C-STORE goes."""
        archive = self._place.archive
        if not archive.identity.is_right():
            return Refusal(self, request, _NOT_MOUNTED)
        if lacks_space(archive.space(), self._place.settings.disk_min_free_percent):
            return Refusal(self, request, StoreStatus(OUT_OF_RESOURCES, "The disk is full"))
        self._number += 1
        receipt = ReceiptId(datetime.now(UTC), self.association_id, self._number)
        try:
            file = archive.new_spool_file(
                self._place.receiver, receipt, self._meta(request, str(receipt))
            )
        except (OSError, DiskTrouble) as error:
            return Refusal(self, request, self.status_of(error), error)
        return Acceptance(self, request, receipt, file)

    def end(self, end: AssociationEnd) -> None:
        """The association is over: tell it, with what it made."""
        if self._accepted:
            self._place.leave()
        if self._turned_away or end.outcome in ("rejected", "not-secured"):
            self._tell_refusal(end, self._turned_away or refused_below(end))
        elif self._accepted:
            self._announce_end(end)

    # -- what its sinks tell -------------------------------------------------------------------

    def stored(self, request: StoreRequest, receipt: ReceiptId, file: SpoolFile) -> None:
        """An instance is durable: count it and announce it."""
        self._receipts += 1
        who = self._required_request()
        event = InstanceStored(
            receipt_id=str(receipt),
            receiver=self._place.receiver,
            association_id=self.association_id,
            calling_ae_title=who.calling_ae_title,
            called_ae_title=who.called_ae_title,
            peer_address=who.peer_address,
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            spool_path=self._place.archive.relative(file.path),
            size=file.size,
            sha256=file.sha256,
        )
        self._publish(event, id_=str(receipt), time=receipt.received_at)

    def require_folder(self) -> None:
        """Raise `WrongFolder` unless the disk is (still) the right one."""
        self._place.archive.identity.require()

    def status_of(self, error: OSError | DiskTrouble) -> StoreStatus:
        """What to answer when the disk did not take an instance."""
        if not self._place.archive.identity.is_right():
            return _NOT_MOUNTED
        if isinstance(error, OSError) and error.errno in _FULL:
            return StoreStatus(OUT_OF_RESOURCES, "The disk is full")
        return StoreStatus(PROCESSING_FAILURE, "The object could not be written to disk")

    def refused(
        self, request: StoreRequest, status: StoreStatus, error: OSError | DiskTrouble | None
    ) -> None:
        """An instance was answered with a failure: nothing of it is kept."""
        self._refused += 1
        why = f"answered 0x{status.code:04X}: {error or status.comment}"
        log.warning(
            Log.INSTANCE_REFUSED,
            association_id=self.association_id,
            sop_instance_uid=request.sop_instance_uid,
            why=why,
        )
        event = InstanceRejected(
            receipt_id="",
            association_id=self.association_id,
            calling_ae_title=self._required_request().calling_ae_title,
            sop_instance_uid=request.sop_instance_uid,
            why=why,
        )
        self._publish(event, id_=f"{self.association_id}-refused-{self._refused}")

    # -- the rest ------------------------------------------------------------------------------

    def _judge(self, request: AssociationRequest) -> tuple[Rejection | None, Refused | None]:
        settings = self._place.settings
        if settings.require_called_ae and request.called_ae_title != settings.ae_title:
            why = said(
                "called AE title {called!r} is not {own!r}, and ROUTER_REQUIRE_CALLED_AE is set",
                called=request.called_ae_title,
                own=settings.ae_title,
            )
            return CALLED_AE_TITLE_NOT_RECOGNIZED, Refused(RefusalKind.CALLED_AE_TITLE, why)
        refused = self._caller_refusal(request)
        if refused:
            return CALLING_AE_TITLE_NOT_RECOGNIZED, refused
        if not self._place.enter():
            why = said(
                "{count} associations are open already (ROUTER_DICOM_MAX_ASSOCIATIONS)",
                count=settings.dicom_max_associations,
            )
            return LOCAL_LIMIT_EXCEEDED, Refused(RefusalKind.TOO_MANY_ASSOCIATIONS, why)
        return None, None

    def _caller_refusal(self, request: AssociationRequest) -> Refused | None:
        rule = self._place.settings.accept_callers
        senders = self._place.senders()
        if senders is None and rule == "known":
            why = said("the known senders can't be read from the database yet")
            return Refused(RefusalKind.SENDERS_NOT_READ, why)
        return refusal(rule, senders or (), request.calling_ae_title, request.peer_address)

    def _meta(self, request: StoreRequest, receipt_id: str) -> FileMeta:
        who = self._required_request()
        return FileMeta(
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            calling_ae_title=who.calling_ae_title,
            called_ae_title=who.called_ae_title,
            peer_address=f"dicom://{_authority(who.peer_address)}:{who.peer_port}",
            receiving_address=f"dicom://{_authority(who.local_address)}:{who.local_port}",
            receipt_id=receipt_id,
        )

    def _announce_end(self, end: AssociationEnd) -> None:
        who = self._required_request()
        outcome = end.outcome if end.outcome in ("released", "aborted") else "lost"
        log.info(
            Log.ASSOCIATION_ENDED,
            outcome=outcome,
            detail=end.detail,
            receipts=self._receipts,
            refused=self._refused,
            **self._who(),
        )
        self._publish(
            AssociationReleased(
                receiver=self._place.receiver,
                association_id=self.association_id,
                calling_ae_title=who.calling_ae_title,
                called_ae_title=who.called_ae_title,
                peer_address=who.peer_address,
                outcome=outcome,
                receipts=self._receipts,
                refused=self._refused,
                opened_at=self._opened_at,
                closed_at=datetime.now(UTC),
            ),
            id_=f"{self.association_id}-end",
        )

    def _tell_refusal(self, end: AssociationEnd, refused: Refused) -> None:
        """In the log and on record: who, from where and why, unless it was told just now."""
        who = self._request or end.request
        calling = who.calling_ae_title if who else ""
        called = who.called_ae_title if who else ""
        why = refused.why
        if not self._place.refusals.is_news((self._peer_address, calling, called, why)):
            return
        event = AssociationRejected(
            receiver=self._place.receiver,
            association_id=self.association_id,
            calling_ae_title=calling,
            called_ae_title=called,
            peer_address=self._peer_address,
            at=self._opened_at,
            why=why,
            kind=refused.kind,
            said=packed(why),
        )
        about = event.model_dump(exclude={"receiver", "at", "said"})
        log.warning(Log.ASSOCIATION_REJECTED, **about | {"why": why})
        self._publish(event, id_=f"{self.association_id}-rejected")

    def _publish(
        self,
        payload: Payload,
        *,
        id_: str,
        time: datetime | None = None,
    ) -> None:
        """Fire and forget: what the broker does not get, the organizer's sweep makes up for."""
        self._place.bus.publish(
            message(
                payload,
                id=id_,
                source=f"/receiver/{self._place.receiver}",
                time=time,
                correlation_id=self.association_id,
            )
        )

    def _required_request(self) -> AssociationRequest:
        if self._request is None:
            raise RuntimeError("an instance came before its association was requested")
        return self._request

    def _who(self) -> dict[str, str]:
        who = self._required_request()
        return {
            "association_id": self.association_id,
            "calling_ae_title": who.calling_ae_title,
            "called_ae_title": who.called_ae_title,
            "peer_address": who.peer_address,
        }


class Acceptance:
    """Takes one data set into the spool (a `StoreSink`)."""

    def __init__(
        self, reception: Reception, request: StoreRequest, receipt: ReceiptId, file: SpoolFile
    ) -> None:
        self._reception, self._request = reception, request
        self._receipt, self._file = receipt, file
        self._failed: OSError | DiskTrouble | None = None

    def write(self, fragments: Sequence[memoryview], *, last: bool) -> None:
        """Append; after the disk has failed once the rest is only read off the line."""
        if self._failed is not None:
            return
        try:
            self._file.write(fragments, hash_later=last)
        except OSError as error:
            self._fail(error)

    def finish(self) -> StoreStatus:
        """Make it durable; the status to answer."""
        if self._failed is None:
            try:
                self._reception.require_folder()
                self._file.commit()
            except (OSError, DiskTrouble) as error:
                self._fail(error)
        if self._failed is not None:
            status = self._reception.status_of(self._failed)
            self._reception.refused(self._request, status, self._failed)
            return status
        return StoreStatus(SUCCESS)

    def answered(self) -> None:
        """Announce what is durable."""
        if self._failed is None:
            self._reception.stored(self._request, self._receipt, self._file)

    def discard(self) -> None:
        """The association ended in the middle: nothing was promised, nothing stays."""
        self._file.discard()

    def _fail(self, error: OSError | DiskTrouble) -> None:
        self._failed = error
        log.error(Log.SPOOL_FAILED, receipt_id=str(self._receipt), why=str(error))
        self._file.discard()


class Refusal:
    """Reads one data set off the line and refuses it (a `StoreSink`)."""

    def __init__(
        self,
        reception: Reception,
        request: StoreRequest,
        status: StoreStatus,
        error: OSError | DiskTrouble | None = None,
    ) -> None:
        self._reception, self._request = reception, request
        self._status, self._error = status, error

    def write(self, fragments: Sequence[memoryview], *, last: bool) -> None:
        """Discard."""

    def finish(self) -> StoreStatus:
        """The refusal."""
        self._reception.refused(self._request, self._status, self._error)
        return self._status

    def answered(self) -> None:
        """There is nothing to announce."""

    def discard(self) -> None:
        """There is nothing to discard."""


def _authority(address: str) -> str:
    return f"[{address}]" if ":" in address else address
