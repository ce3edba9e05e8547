"""Open an association as its requestor, verify, store, release; one thread uses one association.

The states are those of PS3.8 9.2 that a requestor passes through:

    Sta4   connecting                                          connect timeout
    Sta5   A-ASSOCIATE-RQ sent, waiting for the answer         negotiation timeout
             A-ASSOCIATE-AC -> Sta6; A-ASSOCIATE-RJ, A-ABORT, closed, anything else -> error, Sta1
    Sta6   established                                         stall timeout for each write,
             request sent, then its response read              response timeout from the last byte
             A-RELEASE-RQ   -> A-RELEASE-RP, error, Sta1: the peer ended what we had not
             A-ABORT, closed, anything else -> error, Sta1
    Sta7   A-RELEASE-RQ sent, waiting for A-RELEASE-RP         release timeout
             A-RELEASE-RQ   -> a collision: A-RELEASE-RP, and wait on (Sta9, Sta11)
             P-DATA-TF      -> ignored

After any error the association is over. The window of asynchronous operations is (1,1).
"""

import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from dicom_router.dimse import command as dimse
from dicom_router.dimse.associate import (
    AssociateAccept,
    AssociateRequest,
    UserInformation,
    decode_accept,
    decode_rejection,
    encode_request,
    pair_contexts,
)
from dicom_router.dimse.command import Command, StoreStatus
from dicom_router.dimse.connecting import PeerAddress, RequestorTimeouts, connect
from dicom_router.dimse.connection import (
    Bytes,
    Connection,
    ConnectionLost,
    DeadlineExpired,
    Inbound,
    Stopping,
    StopSignal,
)
from dicom_router.dimse.errors import (
    ContextNotAccepted,
    EmptyDataSet,
    PeerError,
    ProtocolError,
    Stage,
    Stopped,
)
from dicom_router.dimse.negotiation import VERIFICATION, Result
from dicom_router.dimse.pdu import (
    COMMAND,
    LAST,
    RELEASE_RP,
    RELEASE_RQ,
    AbortReason,
    AbortSource,
    PduType,
    abort,
    command_pdus,
    describe_abort,
    fragment_header,
    fragment_size,
)
from dicom_router.said import Said, said

_MAX_PDU = 1 << 14  # bytes; we announce it, and receive nothing but short responses
_INBOUND_SIZE = 1 << 16
_CHUNK_SIZE = 1 << 20  # bytes of a file in memory at once
_MAX_CHUNK_FRAGMENTS = 500  # with their headers within one sendmsg
_MAX_ANSWER = 1 << 16  # bytes of an A-ASSOCIATE-AC (128 contexts take 6 KiB) or of a command set


@dataclass(frozen=True, slots=True, eq=False)
class ReadAhead:
    """An open file's data set from `offset` on, `count` bytes of which an association has read."""

    descriptor: int
    offset: int
    count: int


class _PeerAborted(Exception):
    """An A-ABORT was received; says from whom and why."""


class Association:
    """An established association; as a context manager it is released, or aborted on an error."""

    def __init__(
        self, connection: Connection, peer: PeerAddress, timeouts: RequestorTimeouts
    ) -> None:
        self._connection = connection
        self._peer = peer
        self._timeouts = timeouts
        self._inbound = Inbound(connection, _INBOUND_SIZE)
        self._open = True
        self._context_ids: dict[tuple[str, str], int] = {}
        self._peer_max_pdu = 0
        self._last_message_id = 0
        self._chunk = memoryview(bytearray())
        self._spare = memoryview(bytearray())
        self._ahead: ReadAhead | None = None  # whose bytes are in `_spare`

    @classmethod
    def open(
        cls,
        peer: PeerAddress,
        contexts: Sequence[tuple[str, str]],
        timeouts: RequestorTimeouts,
        tls: ssl.SSLContext | None = None,
        stopping: StopSignal | None = None,
    ) -> Self:
        """Connect and negotiate one context for each (SOP class, transfer syntax), at most 128.

        Raises PeerError, ValueError for too many contexts, and Stopped once `stopping` is set.
        """
        proposed = pair_contexts(contexts)
        connection = connect(peer, timeouts, tls, stopping)
        association = cls(connection, peer, timeouts)
        request = AssociateRequest(
            called_ae_title=peer.ae_title,
            calling_ae_title=peer.calling_ae_title,
            contexts=proposed,
            user=UserInformation(_MAX_PDU),
        )
        association._negotiate(request)
        return association

    @property
    def accepted(self) -> frozenset[tuple[str, str]]:
        """The (SOP class, transfer syntax) pairs that the peer takes."""
        return frozenset(self._context_ids)

    @property
    def certificate_expires_at(self) -> datetime | None:
        """When the peer's certificate does; None without TLS."""
        return self._connection.certificate_expires_at

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.release()
        else:
            self.abort()

    def echo(self) -> int:
        """C-ECHO (PS3.7 9.1.5): the status, 0 for success. Raises PeerError."""
        context_id = self._context_id(VERIFICATION)
        with self._during("echo"):
            message_id = self._next_message_id()
            request = dimse.echo_request(message_id, VERIFICATION)
            self._connection.send([command_pdus(context_id, request, self._peer_max_pdu)])
            return self._response(dimse.C_ECHO_RQ, message_id).code

    def store(
        self,
        source: int | str | Path | ReadAhead,
        offset: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> StoreStatus:
        """C-STORE (PS3.7 9.1.1) of a file's bytes from `offset` (bytes) to its end, as they are.

        `source` is a path, an open file descriptor, or what `read_ahead` gave. `meanwhile` is
        called once all is sent, before the answer is waited for; it must not raise.

        The association is still good after ContextNotAccepted, EmptyDataSet and an OSError from
        opening the file; it is over after PeerError, Stopped and an OSError from reading.
        """
        instance = sop_class_uid, sop_instance_uid, transfer_syntax_uid
        if isinstance(source, int):
            return self._store(ReadAhead(source, offset, 0), *instance, meanwhile)
        if isinstance(source, ReadAhead):
            return self._store(source, *instance, meanwhile)
        with Path(source).open("rb", buffering=0) as file:
            return self._store(ReadAhead(file.fileno(), offset, 0), *instance, meanwhile)

    def read_ahead(self, descriptor: int, offset: int) -> ReadAhead:
        """Read the beginning of a data set that `store` is to send next, to be given to it.

        There is room for one. Raises OSError, and the association is still good.
        """
        self._ahead = None
        if not self._spare:
            self._spare = memoryview(bytearray(self._chunk_size))
        count = os.preadv(descriptor, [self._spare], offset)
        self._ahead = ReadAhead(descriptor, offset, count)
        return self._ahead

    def release(self) -> bool:
        """A-RELEASE (PS3.8 7.2), then close; whether the peer agreed. Raises nothing.

        Every response is there already, so a peer that breaks off here takes nothing back.
        """
        if not self._open:
            return False
        self._connection.deadline = monotonic() + self._timeouts.release_seconds
        self._connection.grace = self._timeouts.stop_grace_seconds
        try:
            self._connection.send([RELEASE_RQ])
            self._await_release()
        except (_PeerAborted, ConnectionLost):
            self._close()
            return False
        except (DeadlineExpired, ProtocolError, Stopping):
            self.abort()
            return False
        self._close()
        return True

    def abort(self, reason: int | None = None) -> None:
        """A-ABORT (PS3.8 7.3), then close; by the service-provider if there is a `reason`."""
        if not self._open:
            return
        source = AbortSource.SERVICE_USER if reason is None else AbortSource.SERVICE_PROVIDER
        self._connection.farewell(abort(source, reason or AbortReason.NOT_SPECIFIED))
        self._close()

    def _close(self) -> None:
        self._open = False
        self._connection.close()

    def _negotiate(self, request: AssociateRequest) -> None:
        with self._during("negotiate"):
            self._connection.deadline = monotonic() + self._timeouts.negotiation_seconds
            self._connection.send([encode_request(request)])
            kind, length = self._inbound.header()
            if kind == PduType.ASSOCIATE_RJ:
                text = decode_rejection(self._read(length)).text
                self._close()
                raise PeerError(
                    said("{peer} rejected the association: {why}", peer=self._peer, why=text),
                    "rejected",
                    "negotiate",
                )
            if kind != PduType.ASSOCIATE_AC:
                raise self._unexpected(kind, length)
            self._accept(request, decode_accept(self._read(length)))
            self._connection.deadline = inf

    def _accept(self, request: AssociateRequest, answer: AssociateAccept) -> None:
        results = {each.context_id: each for each in answer.results}
        for context in request.contexts:
            result = results.get(context.context_id)
            if result is None or result.result != Result.ACCEPTANCE:
                continue
            if result.transfer_syntax not in context.transfer_syntaxes:
                raise ProtocolError("it accepted a transfer syntax that was not proposed")
            pair = (context.abstract_syntax, result.transfer_syntax)
            self._context_ids.setdefault(pair, context.context_id)
        self._peer_max_pdu = answer.user.max_pdu

    def _context_id(self, sop_class_uid: str, transfer_syntax_uid: str | None = None) -> int:
        for (abstract, transfer), context_id in self._context_ids.items():
            if abstract == sop_class_uid and transfer_syntax_uid in (None, transfer):
                return context_id
        syntax = f" in transfer syntax {transfer_syntax_uid}" if transfer_syntax_uid else ""
        raise ContextNotAccepted(f"{self._peer} does not accept {sop_class_uid}{syntax}")

    def _next_message_id(self) -> int:
        self._last_message_id = self._last_message_id % 0xFFFF + 1
        return self._last_message_id

    def _store(
        self,
        source: ReadAhead,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        meanwhile: Callable[[], None],
    ) -> StoreStatus:
        context_id = self._context_id(sop_class_uid, transfer_syntax_uid)
        size = os.fstat(source.descriptor).st_size - source.offset
        if size <= 0:
            raise EmptyDataSet(f"the file of {sop_instance_uid} has no data set")
        with self._during("store"):
            message_id = self._next_message_id()
            request = dimse.store_request(message_id, sop_class_uid, sop_instance_uid)
            pending: list[Bytes] = [command_pdus(context_id, request, self._peer_max_pdu)]
            for buffers in self._data_set(context_id, source, size):
                self._connection.send(pending + buffers, self._overhear)
                pending = []
            meanwhile()
            return self._response(dimse.C_STORE_RQ, message_id)

    @property
    def _chunk_size(self) -> int:
        """How much of a file is in memory at once, in whole fragments."""
        step = fragment_size(self._peer_max_pdu)
        return step * max(1, min(_CHUNK_SIZE // step, _MAX_CHUNK_FRAGMENTS))

    def _data_set(self, context_id: int, source: ReadAhead, size: int) -> Iterator[list[Bytes]]:
        """The data set's P-DATA-TF PDUs, a chunk at a time, valid until the next."""
        step, chunk_size = fragment_size(self._peer_max_pdu), self._chunk_size
        offset, is_there = source.offset, 0
        if source is self._ahead:
            self._chunk, self._spare = self._spare, self._chunk
            self._ahead, is_there = None, source.count
        if not self._chunk:
            self._chunk = memoryview(bytearray(chunk_size))
        full = fragment_header(context_id, 0, step)
        while size:
            chunk = self._chunk[: min(chunk_size, size)]
            _read_exactly(source.descriptor, chunk[is_there:], offset + is_there)
            is_there = 0
            offset += len(chunk)
            size -= len(chunk)
            buffers: list[Bytes] = []
            for start in range(0, len(chunk), step):
                buffers += (full, chunk[start : start + step])
            if not size:
                buffers[-2] = fragment_header(context_id, LAST, len(buffers[-1]))
            yield buffers

    def _response(self, field: int, message_id: int) -> StoreStatus:
        """Read the response to the request just sent (PS3.7 9.3)."""
        self._connection.deadline = monotonic() + self._timeouts.response_seconds
        response = self._receive_command()
        if response.field != field | dimse.RESPONSE:
            raise ProtocolError(f"an unexpected command 0x{response.field:04X}")
        if response.message_id_responded_to != message_id:
            raise ProtocolError(
                f"a response to message {response.message_id_responded_to}, not {message_id}"
            )
        self._connection.deadline = inf
        return response.status

    def _receive_command(self) -> Command:
        """The next command set; a data set after it is read and forgotten."""
        command_set, command = bytearray(), None
        while True:
            kind, length = self._inbound.header()
            if kind != PduType.P_DATA_TF:
                raise self._unexpected(kind, length)
            for _, control, size in self._inbound.fragments(length):
                if bool(control & COMMAND) == (command is not None):
                    raise ProtocolError("a fragment that does not continue the message before it")
                if command is None:
                    command_set += self._read(size, len(command_set))
                    command = dimse.decode(command_set) if control & LAST else None
                else:
                    self._inbound.skip(size)
                if command and control & LAST and not (control & COMMAND and command.has_data_set):
                    return command

    def _await_release(self) -> None:
        while True:
            kind, length = self._inbound.header()
            if kind == PduType.RELEASE_RP:
                return
            if kind == PduType.ABORT:
                raise _PeerAborted
            if kind not in (PduType.P_DATA_TF, PduType.RELEASE_RQ):
                raise ProtocolError(f"an unexpected PDU of type {kind}")
            self._inbound.skip(length)
            if kind == PduType.RELEASE_RQ:
                self._connection.send([RELEASE_RP])

    def _unexpected(self, kind: int, length: int) -> Exception:
        """What to raise for a PDU that ends the association."""
        if kind == PduType.ABORT:
            return _PeerAborted(describe_abort(self._read(length)))
        if kind == PduType.RELEASE_RQ:
            self._connection.farewell(RELEASE_RP)
            return ConnectionLost("it released the association before it was done")
        known = kind in set(PduType)
        reason = AbortReason.UNEXPECTED_PDU if known else AbortReason.UNRECOGNIZED_PDU
        return ProtocolError(f"an unexpected PDU of type 0x{kind:02X}", reason)

    def _read(self, length: int, already: int = 0) -> bytes:
        if length + already > _MAX_ANSWER:
            raise ProtocolError(
                f"an answer of {length + already} bytes", AbortReason.INVALID_PDU_PARAMETER_VALUE
            )
        return self._inbound.read(length)

    def _overhear(self) -> bool:
        """While sending: is it an A-ABORT? An early response can wait; whether to listen on."""
        kind = self._inbound.overhear()
        if kind == PduType.ABORT:
            raise self._unexpected(*self._inbound.header())
        return kind is None

    @contextmanager
    def _during(self, stage: Stage) -> Iterator[None]:
        """Name the peer and the stage in every error, and end the association with it."""
        if not self._open:
            raise PeerError(f"the association with {self._peer} is over", "aborted", stage)
        self._connection.grace = self._timeouts.stop_grace_seconds
        try:
            yield
        except _PeerAborted as error:
            self._close()
            text = said("{peer} aborted the association {how}", peer=self._peer, how=error)
            raise PeerError(text, "aborted", stage) from error
        except ConnectionLost as error:
            text = self._last_words() or said(
                "{peer} broke off the association: {why}", peer=self._peer, why=error
            )
            self._close()
            raise PeerError(text, "aborted", stage) from error
        except ProtocolError as error:
            self.abort(error.abort_reason)
            text = said("{peer} breaks the DICOM protocol: {why}", peer=self._peer, why=error)
            raise ProtocolError(text, error.abort_reason, stage) from error
        except DeadlineExpired as error:
            text = self._silence(stage)
            self.abort()
            raise PeerError(text, "timeout", stage) from error
        except Stopping as error:
            self.abort()
            raise Stopped(
                said("stopped in the middle of an exchange with {peer}", peer=self._peer)
            ) from error
        except BaseException:
            self.abort()
            raise

    def _silence(self, stage: Stage) -> Said:
        if stage == "negotiate":
            seconds = self._timeouts.negotiation_seconds
            return said(
                "{peer} did not answer the association request within {seconds:g} s",
                peer=self._peer,
                seconds=seconds,
            )
        if self._connection.deadline == inf:
            seconds = self._timeouts.stall_seconds
            return said(
                "{peer} stopped taking data for {seconds:g} s", peer=self._peer, seconds=seconds
            )
        seconds = self._timeouts.response_seconds
        return said("{peer} did not respond within {seconds:g} s", peer=self._peer, seconds=seconds)

    def _last_words(self) -> Said | None:
        """What the peer said before the connection broke: often an A-ABORT is still there."""
        self._connection.deadline = monotonic()
        try:
            kind, length = self._inbound.header()
            if kind == PduType.ABORT:
                how = describe_abort(self._read(length))
                return said("{peer} aborted the association {how}", peer=self._peer, how=how)
        except (ConnectionLost, DeadlineExpired, Stopping, ProtocolError):
            pass  # nothing, then: the broken connection itself is the news
        return None


def _read_exactly(descriptor: int, view: memoryview, offset: int) -> None:
    """Fill `view` from the file; raises OSError where it ends too early."""
    while view:
        count = os.preadv(descriptor, [view], offset)
        if not count:
            raise OSError("the file became shorter while it was sent")
        view = view[count:]
        offset += count
