"""The two ends that tests put against each other: a handler that keeps all, and raw PDUs."""

import socket
import struct
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dicom_router.dimse import (
    AcceptorLimits,
    AssociationEnd,
    AssociationRequest,
    Rejection,
    StopSignal,
    StoreRequest,
    StoreStatus,
    serve_association,
)
from dicom_router.dimse.associate import AssociateRequest, UserInformation, encode_request
from dicom_router.dimse.associate import pair_contexts as contexts_of
from dicom_router.dimse.command import Command, decode, encode, store_request

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
CONTEXTS = ((CT, EXPLICIT), (VERIFICATION, IMPLICIT))  # context IDs 1 and 3
COMMAND, LAST = 1, 2


@dataclass
class Stored:
    """What became of one C-STORE."""

    request: StoreRequest
    data: bytearray = field(default_factory=bytearray)
    ended: str = ""
    last: bytes | None = None  # as the last views read once the response was out


@dataclass
class Keeper:
    """An association handler that keeps every data set in memory and answers `statuses` in turn."""

    rejection: Rejection | None = None
    statuses: list[StoreStatus] = field(default_factory=list)
    fail_on_write: BaseException | None = None
    fail_on_finish: BaseException | None = None
    requests: list[AssociationRequest] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)

    def on_request(self, request: AssociationRequest) -> Rejection | None:
        self.requests.append(request)
        return self.rejection

    def on_store(self, request: StoreRequest) -> "KeeperSink":
        self.stored.append(Stored(request))
        self.began.set()
        return KeeperSink(self, self.stored[-1])


class KeeperSink:
    def __init__(self, keeper: Keeper, stored: Stored) -> None:
        self._keeper = keeper
        self._stored = stored
        self._last: list[memoryview] = []

    def __len__(self) -> int:
        return 0  # a sink may well be falsy

    def write(self, fragments: Sequence[memoryview], *, last: bool) -> None:
        if self._keeper.fail_on_write:
            raise self._keeper.fail_on_write
        if last:
            self._last = list(fragments)
        for fragment in fragments:
            self._stored.data += fragment

    def finish(self) -> StoreStatus:
        if self._keeper.fail_on_finish:
            raise self._keeper.fail_on_finish
        self._stored.ended = "finished"
        return self._keeper.statuses.pop(0) if self._keeper.statuses else StoreStatus(0)

    def answered(self) -> None:
        assert self._stored.ended == "finished"
        self._stored.last = b"".join(self._last)

    def discard(self) -> None:
        self._stored.ended = "discarded"


class RawPeer:
    """The other end of an association that is being served, by hand, over a socket pair."""

    def __init__(
        self,
        keeper: Keeper | None = None,
        limits: AcceptorLimits | None = None,
        stopping: StopSignal | None = None,
    ) -> None:
        self.keeper = keeper or Keeper()
        self.error: BaseException | None = None
        self._end: AssociationEnd | None = None
        self.socket, served = socket.socketpair()
        self.socket.settimeout(10)
        arguments = (served, limits or AcceptorLimits(), stopping)
        self._thread = threading.Thread(target=self._serve, args=arguments)
        self._thread.start()

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(
        self, served: socket.socket, limits: AcceptorLimits, stopping: StopSignal | None
    ) -> None:
        try:
            self._end = serve_association(served, self.keeper, limits, stopping)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            self.error = error

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def associate(self) -> None:
        self.send(association_request())
        assert self.receive()[0] == 2

    def receive(self) -> tuple[int, bytes]:
        """The next PDU: its type and the rest."""
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def response(self) -> Command:
        kind, body = self.receive()
        assert kind == 4
        assert body[5] == COMMAND | LAST
        return decode(body[6:])

    def abort_reason(self) -> tuple[int, int]:
        """Source and reason of the A-ABORT that comes next."""
        kind, body = self.receive()
        assert kind == 7
        return body[2], body[3]

    def end(self) -> AssociationEnd:
        """Close, and how the association ended."""
        self.socket.close()
        self._thread.join(10)
        assert self._end is not None
        return self._end

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "closed"
            data += part
        return data


def association_request(
    contexts: Iterable[tuple[str, str]] = CONTEXTS, max_pdu: int = 16384
) -> bytes:
    """An A-ASSOCIATE-RQ PDU."""
    request = AssociateRequest(
        "ROUTER", "SCANNER", contexts_of(tuple(contexts)), UserInformation(max_pdu)
    )
    return encode_request(request)


def pdv(control: int, data: bytes, context_id: int = 1) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def p_data(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(body)) + body


def store_command(uid: str = "1.2.3", message_id: int = 7) -> bytes:
    return store_request(message_id, CT, uid)


def command_set(field_: int, data_set_type: int = 0x0101, **elements: bytes) -> bytes:
    """A command set with message ID 7; further elements as `x0002=b'…'`."""
    numbers = {0x0100: field_, 0x0110: 7, 0x0800: data_set_type}
    encoded = {number: struct.pack("<H", value) for number, value in numbers.items()}
    return encode(encoded | {int(name[1:], 16): value for name, value in elements.items()})


RELEASE_RQ = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))
