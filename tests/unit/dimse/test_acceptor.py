"""An association served over a socket pair: every legal way to cut a message, and illegal ones."""

import errno
import os
import struct
from collections.abc import Callable

import pytest

from dicom_router.dimse import (
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    AcceptorLimits,
    PresentationContext,
    StopSignal,
    StoreStatus,
)
from dicom_router.dimse.acceptor import BUFFER_SIZE, MAX_FRAGMENTS
from dicom_router.dimse.associate import (
    AssociateRequest,
    UserInformation,
    decode_accept,
    encode_request,
)
from tests.unit.dimse.peers import (
    ABORT,
    COMMAND,
    CT,
    EXPLICIT,
    LAST,
    RELEASE_RQ,
    VERIFICATION,
    Keeper,
    RawPeer,
    association_request,
    command_set,
    p_data,
    pdv,
    store_command,
)

OBJECT = bytes(range(41))  # small and of odd length
WHOLE_COMMAND = pdv(COMMAND | LAST, store_command())


def store(peer: RawPeer, *pdus: bytes) -> bytes:
    """Send these PDUs, which are one C-STORE; what was stored."""
    for each in pdus:
        peer.send(each)
    assert peer.response().status == StoreStatus(0)
    stored = peer.keeper.stored[-1]
    assert stored.ended == "finished"
    return bytes(stored.data)


def test_an_association_from_request_to_release() -> None:
    with RawPeer() as peer:
        peer.associate()
        assert store(peer, p_data(WHOLE_COMMAND), p_data(pdv(LAST, OBJECT))) == OBJECT
        request = peer.keeper.stored[0].request
        assert (request.context_id, request.message_id) == (1, 7)
        assert (request.sop_class_uid, request.sop_instance_uid) == (CT, "1.2.3")
        assert request.transfer_syntax_uid == EXPLICIT
        peer.send(RELEASE_RQ)
        assert peer.receive() == (6, bytes(4))
        assert peer.end().outcome == "released"
        (association,) = peer.keeper.requests
        assert (association.calling_ae_title, association.called_ae_title) == ("SCANNER", "ROUTER")
        assert (association.peer_address, association.max_pdu) == ("", 16384)


def test_every_cut_of_command_and_data_set_into_two_fragments() -> None:
    command = store_command()
    with RawPeer() as peer:
        peer.associate()
        for cut in range(len(command) + 1):
            pieces = pdv(COMMAND, command[:cut]), pdv(COMMAND | LAST, command[cut:])
            assert store(peer, p_data(*pieces), p_data(pdv(LAST, OBJECT))) == OBJECT
        for cut in range(len(OBJECT) + 1):
            pieces = pdv(0, OBJECT[:cut]), pdv(LAST, OBJECT[cut:])
            assert store(peer, p_data(WHOLE_COMMAND, *pieces)) == OBJECT
            assert store(peer, p_data(WHOLE_COMMAND), *map(p_data, pieces)) == OBJECT


def test_every_cut_of_the_bytes_into_two_tcp_segments() -> None:
    message = p_data(WHOLE_COMMAND) + p_data(pdv(0, OBJECT[:20])) + p_data(pdv(LAST, OBJECT[20:]))
    with RawPeer() as peer:
        peer.associate()
        for cut in range(1, len(message)):
            assert store(peer, message[:cut], message[cut:]) == OBJECT


def test_the_last_bytes_stay_as_they_are_until_the_response_is_out() -> None:
    with RawPeer() as peer:
        peer.associate()
        for size in (1, 41, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1, 3 * BUFFER_SIZE):
            sent = os.urandom(size)
            assert store(peer, p_data(WHOLE_COMMAND), p_data(pdv(LAST, sent))) == sent
        peer.send(RELEASE_RQ)
        assert peer.end().outcome == "released"
        for each in peer.keeper.stored:
            assert each.last
            assert bytes(each.data).endswith(each.last)


def test_what_is_done_after_the_response_is_done_when_nobody_is_there_for_it() -> None:
    with RawPeer() as peer:
        peer.associate()
        peer.send(p_data(WHOLE_COMMAND) + p_data(pdv(LAST, OBJECT)))
        assert peer.end().outcome in ("lost", "aborted")
        assert peer.keeper.stored[0].last == OBJECT


def test_a_whole_association_byte_by_byte() -> None:
    with RawPeer() as peer:
        message = association_request() + p_data(WHOLE_COMMAND, pdv(LAST, OBJECT)) + RELEASE_RQ
        for byte in message:
            peer.send(bytes([byte]))
        assert peer.receive()[0] == 2
        assert peer.response().status.code == 0
        assert peer.receive()[0] == 6
    assert bytes(peer.keeper.stored[0].data) == OBJECT


@pytest.mark.parametrize("many_pdus", [False, True])
def test_one_fragment_for_each_byte(many_pdus: bool) -> None:
    data = bytes(range(256)) * 8
    pdvs = [pdv(0, data[at : at + 1]) for at in range(len(data))]
    assert len(pdvs) > MAX_FRAGMENTS
    with RawPeer() as peer:
        peer.associate()
        pdus = [p_data(each) for each in pdvs] if many_pdus else [p_data(*pdvs)]
        message = b"".join([p_data(WHOLE_COMMAND), *pdus, p_data(pdv(LAST, b""))])
        assert store(peer, message) == data


def test_a_pdu_far_longer_than_the_buffer_is_streamed() -> None:
    data = bytes(range(251)) * (3 * BUFFER_SIZE // 251)
    with RawPeer() as peer:
        peer.associate()
        assert store(peer, p_data(WHOLE_COMMAND, pdv(LAST, data))) == data


def test_an_empty_data_set_is_handed_over_as_such() -> None:
    with RawPeer() as peer:
        peer.associate()
        assert store(peer, p_data(WHOLE_COMMAND, pdv(LAST, b""))) == b""


def test_the_sinks_status_and_comment_reach_the_peer() -> None:
    refused = StoreStatus(0xA700, "out of space")
    with RawPeer(Keeper(statuses=[refused])) as peer:
        peer.associate()
        peer.send(p_data(WHOLE_COMMAND, pdv(LAST, OBJECT)))
        assert peer.response().status == refused
        assert store(peer, p_data(WHOLE_COMMAND, pdv(LAST, OBJECT))) == OBJECT


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 0xA700), (errno.EIO, 0x0110)])
@pytest.mark.parametrize("when", ["fail_on_write", "fail_on_finish"])
def test_an_object_that_cannot_be_written_is_refused_and_the_next_is_not(
    when: str, number: int, status: int
) -> None:
    keeper = Keeper()
    setattr(keeper, when, OSError(number, "no"))
    with RawPeer(keeper) as peer:
        peer.associate()
        peer.send(p_data(WHOLE_COMMAND, pdv(0, OBJECT)) + p_data(pdv(LAST, OBJECT)))
        assert peer.response().status.code == status
        assert keeper.stored[0].ended == "discarded"
        setattr(keeper, when, None)
        assert store(peer, p_data(WHOLE_COMMAND, pdv(LAST, OBJECT))) == OBJECT


def test_a_mistake_of_ours_aborts_and_comes_out() -> None:
    with RawPeer(Keeper(fail_on_write=ZeroDivisionError())) as peer:
        peer.associate()
        peer.send(p_data(WHOLE_COMMAND, pdv(LAST, OBJECT)))
        assert peer.abort_reason() == (0, 0)
    assert isinstance(peer.error, ZeroDivisionError)
    assert peer.keeper.stored[0].ended == "discarded"


def test_a_response_fits_the_peers_small_pdus() -> None:
    with RawPeer() as peer:
        peer.send(association_request(max_pdu=64))
        assert peer.receive()[0] == 2
        peer.send(p_data(WHOLE_COMMAND, pdv(LAST, OBJECT)))
        control = 0
        while not control & LAST:
            _, body = peer.receive()
            assert len(body) <= 64
            control = body[5]


@pytest.mark.parametrize(
    ("command", "has_data", "status"),
    [
        (command_set(0x0030), False, 0x0000),  # C-ECHO
        (command_set(0x0020, 0), True, 0x0211),  # C-FIND
        (command_set(0x0130), False, 0x0211),  # N-ACTION
        (command_set(0x0001, 0, x0002=CT.encode()), True, 0x0117),  # no instance UID
        (command_set(0x0001, x0002=CT.encode(), x1000=b"1.2"), False, 0xC000),  # no data set
        (command_set(0x0001, 0, x0002=VERIFICATION.encode(), x1000=b"1.2"), True, 0x0122),
    ],
)
def test_other_requests_get_a_status_and_the_association_goes_on(
    command: bytes, has_data: bool, status: int
) -> None:
    with RawPeer() as peer:
        peer.associate()
        peer.send(p_data(pdv(COMMAND | LAST, command)))
        if has_data:
            peer.send(p_data(pdv(LAST, OBJECT)))
        assert peer.response().status.code == status
        assert store(peer, p_data(WHOLE_COMMAND, pdv(LAST, OBJECT))) == OBJECT


def test_a_cancel_is_ignored() -> None:
    with RawPeer() as peer:
        peer.associate()
        cancel = p_data(pdv(COMMAND | LAST, command_set(0x0FFF)))
        assert store(peer, cancel, p_data(WHOLE_COMMAND, pdv(LAST, OBJECT))) == OBJECT


@pytest.mark.parametrize("uid", ["9" * 200, "../../etc/passwd", "1.2.\ufffd"])
def test_a_uid_that_is_none_is_handed_over_as_it_came(uid: str) -> None:
    raw = uid.replace("\ufffd", "\xff").encode("latin1")
    command = command_set(0x0001, 0, x0002=CT.encode(), x1000=raw)
    with RawPeer() as peer:
        peer.associate()
        peer.send(p_data(pdv(COMMAND | LAST, command), pdv(LAST, OBJECT)))
        assert peer.response().status.code == 0
    assert peer.keeper.stored[0].request.sop_instance_uid == uid


@pytest.mark.parametrize("number", [128, 129, 200, 3000])
def test_of_more_contexts_than_there_are_ids_the_first_128_are_accepted(number: int) -> None:
    contexts = tuple(PresentationContext((2 * n + 1) % 256, CT, (EXPLICIT,)) for n in range(number))
    request = AssociateRequest("ROUTER", "SCANNER", contexts, UserInformation(16384))
    with RawPeer() as peer:
        peer.send(encode_request(request))
        kind, body = peer.receive()
        assert kind == 2
        results = [each.result for each in decode_accept(body).results]
        assert results == [0] * 128 + [2] * (number - 128)
        last = pdv(COMMAND | LAST, store_command(), 255), pdv(LAST, OBJECT, 255)
        assert store(peer, p_data(*last)) == OBJECT


@pytest.mark.parametrize("title", [b" " * 16, bytes(16), "\u738b É".encode(), b"\n\r\0\x1b[2J\xff"])
def test_a_caller_without_a_proper_title_is_served(title: bytes) -> None:
    request = association_request()
    with RawPeer() as peer:
        peer.send(request[:26] + title.ljust(16)[:16] + request[42:])
        assert peer.receive()[0] == 2
        assert store(peer, p_data(WHOLE_COMMAND, pdv(LAST, OBJECT))) == OBJECT
        (association,) = peer.keeper.requests
        assert all(0x20 <= ord(c) < 0x7F for c in association.calling_ae_title)


UNRECOGNIZED, UNEXPECTED, UNEXPECTED_PARAMETER, INVALID = 1, 2, 5, 6
ILLEGAL = {
    "unknown PDU type": (bytes((0x47, 0, 0, 0, 0, 0)), UNRECOGNIZED),
    "second request": (association_request(), UNEXPECTED),
    "release response": (bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0)), UNEXPECTED),
    "long release": (struct.pack(">BxI", 5, 1 << 31), INVALID),
    "PDV of one byte": (struct.pack(">BxIIB", 4, 5, 1, 1) + b"\0" * 9, INVALID),
    "PDV beyond its PDU": (struct.pack(">BxIIBB", 4, 8, 100, 1, 3) + b"\0\0", INVALID),
    "PDU of 4 GiB": (struct.pack(">BxI", 4, 0xFFFFFFFF) + bytes(6), INVALID),
    "end within a PDV": (struct.pack(">BxI", 4, 3) + b"\0\0\0", INVALID),
    "context not accepted": (p_data(pdv(COMMAND | LAST, store_command(), 5)), INVALID),
    "data set before command": (p_data(pdv(LAST, OBJECT)), UNEXPECTED_PARAMETER),
    "command within data set": (
        p_data(WHOLE_COMMAND, pdv(0, OBJECT), pdv(COMMAND | LAST, command_set(0x0030))),
        UNEXPECTED_PARAMETER,
    ),
    "data set on another context": (
        p_data(WHOLE_COMMAND, pdv(LAST, OBJECT, 3)),
        UNEXPECTED_PARAMETER,
    ),
    "release within data set": (p_data(WHOLE_COMMAND, pdv(0, OBJECT)) + RELEASE_RQ, UNEXPECTED),
    "endless command set": (p_data(pdv(COMMAND, bytes(70_000))), INVALID),
    "broken command set": (p_data(pdv(COMMAND | LAST, b"garbage")), 0),
    "response to nothing": (p_data(pdv(COMMAND | LAST, command_set(0x8001))), 0),
    "no message ID": (p_data(pdv(COMMAND | LAST, command_set(0x0030, x0110=b""))), 0),
}


@pytest.mark.parametrize(("message", "reason"), ILLEGAL.values(), ids=ILLEGAL.keys())
def test_what_is_illegal_is_aborted_with_its_reason(message: bytes, reason: int) -> None:
    with RawPeer() as peer:
        peer.associate()
        peer.send(message)
        assert peer.abort_reason() == (2, reason)
        assert peer.end().outcome == "aborted"
    assert all(each.ended == "discarded" for each in peer.keeper.stored)


BEFORE = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", UNRECOGNIZED),
    "data": (p_data(WHOLE_COMMAND), UNEXPECTED),
    "release": (RELEASE_RQ, UNEXPECTED),
    "4 GiB request": (struct.pack(">BxI", 1, 0xFFFFFFFF) + bytes(1000), INVALID),
    "empty request": (struct.pack(">BxI", 1, 0), INVALID),
    "broken request": (struct.pack(">BxI", 1, 100) + b"\xff" * 100, INVALID),
}


@pytest.mark.parametrize(("message", "reason"), BEFORE.values(), ids=BEFORE.keys())
def test_what_is_no_request_for_an_association_is_aborted(message: bytes, reason: int) -> None:
    with RawPeer() as peer:
        peer.send(message)
        assert peer.abort_reason() == (2, reason)
        assert peer.end().outcome == "never-opened"


def test_a_rejection_by_the_handler() -> None:
    with RawPeer(Keeper(rejection=CALLING_AE_TITLE_NOT_RECOGNIZED)) as peer:
        peer.send(association_request())
        assert peer.receive() == (3, bytes((0, 1, 1, 3)))
        assert peer.end().outcome == "rejected"


def end_with_abort(peer: RawPeer) -> None:
    peer.send(ABORT)


def end_with_close(peer: RawPeer) -> None:
    peer.socket.close()


@pytest.mark.parametrize(
    ("end", "outcome"), [(end_with_abort, "aborted"), (end_with_close, "lost")]
)
@pytest.mark.parametrize("begun", [b"", p_data(WHOLE_COMMAND, pdv(0, OBJECT))])
def test_an_association_that_breaks_discards_what_is_not_whole(
    begun: bytes, end: Callable[[RawPeer], None], outcome: str
) -> None:
    with RawPeer() as peer:
        peer.associate()
        peer.send(begun)
        end(peer)
        assert peer.end().outcome == outcome
    assert [each.ended for each in peer.keeper.stored] == ["discarded"] * bool(begun)


def test_a_peer_that_drips_its_request_has_the_negotiation_timeout_in_total() -> None:
    limits = AcceptorLimits(negotiation_timeout_seconds=0.2)
    with RawPeer(limits=limits) as peer:
        peer.send(association_request()[:20])
        assert peer.abort_reason()[0] == 2
        assert peer.end().outcome == "never-opened"


@pytest.mark.parametrize("begun", [b"", p_data(WHOLE_COMMAND, pdv(0, OBJECT))])
def test_silence_ends_in_an_abort(begun: bytes) -> None:
    with RawPeer(limits=AcceptorLimits(idle_timeout_seconds=0.2)) as peer:
        peer.associate()
        peer.send(begun)
        assert peer.abort_reason()[0] == 2
        assert peer.end().outcome == "aborted"


def test_a_stop_wakes_an_idle_association() -> None:
    stopping = StopSignal()
    with RawPeer(stopping=stopping) as peer:
        peer.associate()
        stopping.set()
        assert peer.abort_reason() == (0, 0)
        assert peer.end().detail == "the router is stopping"
    stopping.close()


def test_a_stop_lets_the_message_in_hand_be_finished() -> None:
    stopping = StopSignal()
    with RawPeer(stopping=stopping) as peer:
        peer.associate()
        peer.send(p_data(WHOLE_COMMAND))
        peer.send(p_data(pdv(0, OBJECT)))
        assert peer.keeper.began.wait(10)
        stopping.set()
        peer.send(p_data(pdv(LAST, OBJECT)))
        assert peer.response().status.code == 0
        assert peer.abort_reason() == (0, 0)
    assert peer.keeper.stored[0].ended == "finished"
    stopping.close()
