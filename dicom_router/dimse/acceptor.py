"""Serve one association as its acceptor: C-ECHO and C-STORE, one blocking thread for each.

The states are those of PS3.8 9.2 that an acceptor which answers by itself passes through:

    Sta2   transport connected, waiting for A-ASSOCIATE-RQ,    negotiation timeout, in total
           where TLS is asked for after its handshake
             A-ASSOCIATE-RQ   -> A-ASSOCIATE-AC, Sta6; or A-ASSOCIATE-RJ, Sta13
             other PDU        -> A-ABORT, Sta13
    Sta6   established                                         idle timeout, for each wait
             P-DATA-TF        -> fragments of one message at a time (PS3.8 Annex E, PS3.7 6.3):
                                 command set, data set if it announces one, then the response
             A-RELEASE-RQ     -> between messages A-RELEASE-RP, Sta13; within one A-ABORT, Sta13
             A-ABORT, closed  -> Sta1
             anything else    -> A-ABORT with the reason (PS3.8 9.3.8), Sta13
    Sta13  waiting a second for the peer to close              then Sta1, closed

The window of asynchronous operations is (1,1), hence fragments of two messages never mix: a
command before the data set of the last one is complete is a protocol error (PS3.7 D.3.3.3).
"""

import errno
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Literal, Protocol

from dicom_router.dimse import command as dimse
from dicom_router.dimse.associate import (
    NO_REASON_GIVEN,
    AssociateAccept,
    AssociateRequest,
    PresentationContext,
    Rejection,
    UserInformation,
    decode_request,
    encode_accept,
    encode_rejection,
)
from dicom_router.dimse.command import Command, StoreStatus
from dicom_router.dimse.connection import (
    Connection,
    ConnectionLost,
    DeadlineExpired,
    HandshakeFailed,
    Inbound,
    Stopping,
    StopSignal,
)
from dicom_router.dimse.errors import ProtocolError
from dicom_router.dimse.negotiation import VERIFICATION, Result, is_storage, negotiate, refusal
from dicom_router.dimse.pdu import (
    COMMAND,
    LAST,
    RELEASE_RP,
    AbortReason,
    AbortSource,
    PduType,
    abort,
    command_pdus,
    describe_abort,
)

_log = logging.getLogger(__name__)

_TLS_HANDSHAKE = 0x16  # the type of the record that every TLS connection begins with (RFC 8446 5.1)
BUFFER_SIZE = 1 << 19  # bytes; one per association, and all that an association holds of an object
MAX_FRAGMENTS = 512  # handed to one write, so that os.writev takes them (IOV_MAX is 1024)


@dataclass(frozen=True, slots=True)
class AcceptorLimits:
    """Times in seconds, sizes in bytes; `max_pdu` is announced, longer PDUs are taken as well.

    `stop_grace_seconds` is what the message in hand has left once the router stops.
    """

    negotiation_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 900.0
    stop_grace_seconds: float = 4.0
    max_pdu: int = 131072
    max_command_set: int = 1 << 16
    max_association_request: int = 1 << 20


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """Who asks for an association and for what, as text without padding (PS3.8 9.3.2).

    In AE titles and UIDs a byte that is no printable ASCII reads `?`. Addresses are empty and
    ports 0 where the socket has none; `max_pdu` is in bytes, 0 without a maximum.
    """

    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    peer_port: int
    local_address: str
    local_port: int
    contexts: tuple[PresentationContext, ...]
    implementation_class_uid: str
    implementation_version: str
    max_pdu: int


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE-RQ (PS3.7 9.3.1.1); UIDs as they came, not checked, but never empty."""

    context_id: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class StoreSink(Protocol):
    """Takes the data set of one C-STORE. An OSError of `write` and `finish` refuses that object."""

    def write(self, fragments: Sequence[memoryview], *, last: bool) -> None:
        """Take the next bytes: 1 to MAX_FRAGMENTS views.

        They are valid during the call, the last ones until `answered` has returned.
        """

    def finish(self) -> StoreStatus:
        """After the last fragment; success only for what is durable."""

    def answered(self) -> None:
        """After `finish`, once the response is out or can't be sent: what nobody waits for."""

    def discard(self) -> None:
        """Instead of `finish`, or after it raised: the object is not wanted any more."""


class AssociationHandler(Protocol):
    """Decides about one association and its objects; called on the association's thread."""

    def on_request(self, request: AssociationRequest) -> Rejection | None:
        """None to accept."""

    def on_store(self, request: StoreRequest) -> StoreSink:
        """A sink for the data set that follows."""


@dataclass(frozen=True, slots=True)
class AssociationEnd:
    """How it ended: `lost` without any PDU, `never-opened` if there was no association at all.

    `not-secured`: TLS was asked for, and the handshake failed or plain DICOM came instead. One that
    was rejected or not secured has the `request`, if one came.
    """

    outcome: Literal["released", "aborted", "lost", "rejected", "not-secured", "never-opened"]
    detail: str
    request: AssociationRequest | None = None


def serve_association(
    sock: socket.socket,
    handler: AssociationHandler,
    limits: AcceptorLimits,
    stopping: StopSignal | None = None,
    tls: ssl.SSLContext | None = None,
) -> AssociationEnd:
    """Serve the association on an accepted socket to its end, and close the socket.

    With `tls` its handshake comes first, and whoever speaks plain DICOM is rejected. Once
    `stopping` is set, the message in hand is finished, within its grace, and the association
    aborted. What the peer does never raises; what the handler raises (an OSError of a sink apart)
    comes out of here after an A-ABORT.
    """
    with Connection(sock, limits.idle_timeout_seconds, stopping) as connection:
        return _Acceptor(connection, handler, limits, tls).serve()


class _PeerAborted(Exception):
    """An A-ABORT was received; says from whom and why."""


class _Answer:
    """The sink of what is not kept: whatever comes, this is the status."""

    def __init__(self, code: int, comment: str = "") -> None:
        self._status = StoreStatus(code, comment)

    def write(self, fragments: Sequence[memoryview], *, last: bool) -> None:
        pass

    def finish(self) -> StoreStatus:
        return self._status

    def answered(self) -> None:
        pass

    def discard(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Accepted:
    abstract_syntax: str
    transfer_syntax: str


class _Acceptor:
    """The states above as methods; between messages `_context_id` and `_sink` are None."""

    def __init__(
        self,
        connection: Connection,
        handler: AssociationHandler,
        limits: AcceptorLimits,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._connection = connection
        self._tls = tls
        self._handler = handler
        self._limits = limits
        self._inbound = Inbound(connection, BUFFER_SIZE, self._write_fragments)
        self._established = False
        self._accepted: dict[int, _Accepted] = {}
        self._peer_max_pdu = 0
        self._context_id: int | None = None
        self._command_set = bytearray()
        self._request = Command({})
        self._sink: StoreSink | None = None
        self._fragments: list[memoryview] = []

    def serve(self) -> AssociationEnd:
        try:
            return self._negotiate() or self._run()
        except _PeerAborted as error:
            return self._end("aborted", f"the peer aborted {error}")
        except ConnectionLost as error:
            return self._end("lost", str(error))
        except ProtocolError as error:
            last_words = abort(AbortSource.SERVICE_PROVIDER, error.abort_reason)
            return self._end("aborted", str(error), last_words)
        except DeadlineExpired:
            last_words = abort(AbortSource.SERVICE_PROVIDER)
            return self._end("aborted", "the peer was silent for too long", last_words)
        except Stopping:
            return self._end("aborted", "the router is stopping", abort(AbortSource.SERVICE_USER))
        except BaseException:
            self._end("aborted", "", abort(AbortSource.SERVICE_USER))
            raise

    def _end(
        self,
        outcome: Literal["released", "aborted", "lost"],
        detail: str,
        last_words: bytes = b"",
    ) -> AssociationEnd:
        sink, self._sink = self._sink, None
        self._fragments.clear()
        if last_words:
            self._connection.farewell(last_words)
        if sink is not None:
            sink.discard()
        return AssociationEnd(outcome if self._established else "never-opened", detail)

    # Sta2

    def _negotiate(self) -> AssociationEnd | None:
        """Answer the A-ASSOCIATE-RQ; how it ended if that is the end."""
        self._connection.deadline = monotonic() + self._limits.negotiation_timeout_seconds
        try:
            is_plain = self._tls is not None and not self._secure(self._tls)
        except HandshakeFailed as error:
            return AssociationEnd("not-secured", str(error))
        request = self._receive_request()
        described = self._describe(request)
        if is_plain:
            self._connection.farewell(encode_rejection(NO_REASON_GIVEN))
            return AssociationEnd("not-secured", "plain DICOM came instead of TLS", described)
        rejection = refusal(request) or self._handler.on_request(described)
        if rejection:
            self._connection.farewell(encode_rejection(rejection))
            return AssociationEnd("rejected", rejection.text, described)
        self._accept(request)
        self._connection.deadline = inf
        return None

    def _secure(self, tls: ssl.SSLContext) -> bool:
        """The TLS handshake; False, and nothing is read, if what comes is not the start of one."""
        if self._connection.peek() != _TLS_HANDSHAKE:
            return False
        try:
            self._connection.secure(tls)
        except DeadlineExpired:
            raise HandshakeFailed("the peer did not finish it in time") from None
        return True

    def _receive_request(self) -> AssociateRequest:
        kind, length = self._inbound.header()
        if kind == PduType.ABORT:
            raise _PeerAborted(describe_abort(self._read_short(length)))
        if kind != PduType.ASSOCIATE_RQ:
            raise _unexpected(kind)
        if length > self._limits.max_association_request:
            raise ProtocolError(
                f"an A-ASSOCIATE-RQ of {length} bytes", AbortReason.INVALID_PDU_PARAMETER_VALUE
            )
        return decode_request(self._inbound.read(length))

    def _describe(self, request: AssociateRequest) -> AssociationRequest:
        peer_address, peer_port = self._connection.peer_name()
        local_address, local_port = self._connection.local_name()
        return AssociationRequest(
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            peer_address=peer_address,
            peer_port=peer_port,
            local_address=local_address,
            local_port=local_port,
            contexts=request.contexts,
            implementation_class_uid=request.user.implementation_class_uid,
            implementation_version=request.user.implementation_version,
            max_pdu=request.user.max_pdu,
        )

    def _accept(self, request: AssociateRequest) -> None:
        results = negotiate(request.contexts)
        self._accepted = {
            context.context_id: _Accepted(context.abstract_syntax, result.transfer_syntax)
            for context, result in zip(request.contexts, results, strict=True)
            if result.result == Result.ACCEPTANCE
        }
        self._peer_max_pdu = request.user.max_pdu
        accept = AssociateAccept(results, UserInformation(self._limits.max_pdu))
        self._established = True
        self._connection.send([encode_accept(accept, request.echo)])

    # Sta6

    def _run(self) -> AssociationEnd:
        while True:
            kind, length = self._inbound.header()
            if kind == PduType.P_DATA_TF:
                for context_id, control, size in self._inbound.fragments(length):
                    self._receive_fragment(context_id, control, size)
            elif kind == PduType.RELEASE_RQ and self._context_id is None:
                self._read_short(length)
                return self._end("released", "", RELEASE_RP)
            elif kind == PduType.ABORT:
                raise _PeerAborted(describe_abort(self._read_short(length)))
            else:
                raise _unexpected(kind)

    def _receive_fragment(self, context_id: int, control: int, size: int) -> None:
        self._check_fragment(context_id, control)
        if control & COMMAND:
            self._receive_command(control, size)
            return
        while size:
            view = self._inbound.take(size)
            size -= len(view)
            self._fragments.append(view)
            if len(self._fragments) == MAX_FRAGMENTS:
                self._write_fragments()
        if control & LAST:
            self._write_fragments(last=True)
            self._respond()

    def _check_fragment(self, context_id: int, control: int) -> None:
        """A message's fragments come in order, on one accepted context (PS3.8 Annex E.1)."""
        if context_id not in self._accepted:
            raise ProtocolError(
                f"data on presentation context {context_id}, which was not accepted",
                AbortReason.INVALID_PDU_PARAMETER_VALUE,
            )
        if self._context_id is None:
            self._context_id = context_id
            self._connection.grace = self._limits.stop_grace_seconds
        in_data_set = self._sink is not None
        if context_id != self._context_id or bool(control & COMMAND) == in_data_set:
            raise ProtocolError(
                "a fragment that does not continue the message before it",
                AbortReason.UNEXPECTED_PDU_PARAMETER,
            )

    def _receive_command(self, control: int, size: int) -> None:
        if len(self._command_set) + size > self._limits.max_command_set:
            raise ProtocolError(
                f"a command set of more than {self._limits.max_command_set} bytes",
                AbortReason.INVALID_PDU_PARAMETER_VALUE,
            )
        self._command_set += self._inbound.read(size)
        if control & LAST:
            self._request = dimse.decode(self._command_set)
            self._command_set.clear()
            self._perform()

    def _perform(self) -> None:
        """Begin what the command set asks for; without a data set, that is all of it."""
        request = self._request
        if request.field == dimse.C_CANCEL_RQ:  # nothing here can be cancelled (PS3.7 9.3.2.3)
            self._end_message()
            return
        if request.field & dimse.RESPONSE:
            raise ProtocolError(f"a response to nothing, command field 0x{request.field:04X}")
        self._sink = self._open_sink(request)
        if not request.has_data_set:
            self._respond()

    def _open_sink(self, request: Command) -> StoreSink:
        if request.field == dimse.C_ECHO_RQ:
            return _Answer(dimse.SUCCESS)
        if request.field != dimse.C_STORE_RQ:
            return _Answer(dimse.UNRECOGNIZED_OPERATION)
        context_id = self._context_id or 0
        context = self._accepted[context_id]
        store = StoreRequest(
            context_id=context_id,
            message_id=request.message_id,
            sop_class_uid=request.sop_class_uid or context.abstract_syntax,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax,
        )
        if not is_storage(store.sop_class_uid) or context.abstract_syntax == VERIFICATION:
            return _Answer(dimse.SOP_CLASS_NOT_SUPPORTED)
        if not store.sop_instance_uid:
            return _Answer(dimse.INVALID_SOP_INSTANCE, "no Affected SOP Instance UID")
        if not request.has_data_set:
            return _Answer(dimse.CANNOT_UNDERSTAND, "no data set")
        return self._store_sink(store)

    def _store_sink(self, store: StoreRequest) -> StoreSink:
        try:
            return self._handler.on_store(store)
        except OSError as error:
            return _refuse(error)

    def _write_fragments(self, *, last: bool = False) -> None:
        """Hand over what was collected, before the buffer is used again."""
        if not self._fragments or self._sink is None:
            return
        try:
            self._sink.write(self._fragments, last=last)
        except OSError as error:
            self._sink.discard()
            self._sink = _refuse(error)
        self._fragments.clear()

    def _respond(self) -> None:
        """Finish the request in hand and send its response."""
        if self._sink is None:
            raise AssertionError("a response is due, but nothing was asked")
        sink = self._sink
        try:
            status = sink.finish()
        except OSError as error:
            sink.discard()
            sink = _refuse(error)
            status = sink.finish()
        self._sink = None
        response = dimse.response(self._request, status)
        try:
            self._connection.send(
                [command_pdus(self._context_id or 0, response, self._peer_max_pdu)]
            )
        finally:
            sink.answered()
        self._end_message()

    def _end_message(self) -> None:
        self._context_id = None
        self._connection.grace = 0.0

    def _read_short(self, length: int) -> bytes:
        """The rest of an A-RELEASE or A-ABORT PDU, which is 4 bytes (PS3.8 9.3.6, 9.3.8)."""
        if length != 4:
            raise ProtocolError(
                f"a PDU of {length} bytes that has 4", AbortReason.INVALID_PDU_PARAMETER_VALUE
            )
        return self._inbound.read(length)


def _unexpected(kind: int) -> ProtocolError:
    if kind in set(PduType):
        name = PduType(kind).name.replace("_", "-")
        return ProtocolError(f"an unexpected {name} PDU", AbortReason.UNEXPECTED_PDU)
    return ProtocolError(f"a PDU of unknown type 0x{kind:02X}", AbortReason.UNRECOGNIZED_PDU)


def _refuse(error: OSError) -> _Answer:
    """The status of an object that could not be kept; where the cause is told."""
    _log.warning("an object could not be stored", exc_info=error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _Answer(dimse.OUT_OF_RESOURCES, "no space left")
    return _Answer(dimse.PROCESSING_FAILURE, "the object could not be stored")
