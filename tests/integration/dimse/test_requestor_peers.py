"""Our requestor sends to real acceptors, good ones and bad ones."""

import os
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from dicom_router.dimse import (
    VERIFICATION,
    AcceptorLimits,
    Association,
    ContextNotAccepted,
    EmptyDataSet,
    PeerAddress,
    PeerError,
    ProtocolError,
    RequestorTimeouts,
    Stopped,
    StopSignal,
    serve_association,
)
from dicom_router.dimse.associate import (
    AssociateAccept,
    ContextResult,
    UserInformation,
    encode_accept,
)
from dicom_router.dimse.pdu import RELEASE_RP, RELEASE_RQ
from infra.ports import free_port
from tests.conftest import skip_or_fail
from tests.integration.dimse.conftest import Instance
from tests.unit.dimse.peers import ABORT, COMMAND, LAST, Keeper, command_set, p_data, pdv

IMPLICIT = "1.2.840.10008.1.2"
QUICK = RequestorTimeouts(1, 1, 1, 1, 1)
Storescp = Callable[..., tuple[PeerAddress, Path]]


def send(association: Association, instances: list[Instance]) -> list[int]:
    return [
        association.store(
            each.path,
            each.offset,
            each.sop_class_uid,
            each.sop_instance_uid,
            each.transfer_syntax_uid,
        ).code
        for each in instances
    ]


def pairs(instances: list[Instance]) -> list[tuple[str, str]]:
    return [*sorted({each.pair for each in instances}), (VERIFICATION, IMPLICIT)]


@contextmanager
def pynetdicom_server(
    instances: list[Instance], max_pdu: int = 16382, **handlers: Callable[[evt.Event], Any]
) -> Iterator[PeerAddress]:
    scp = AE("PACS")
    scp.maximum_pdu_size = max_pdu
    scp.require_called_aet = True
    syntaxes: dict[str, list[str]] = {VERIFICATION: [IMPLICIT]}
    for each in instances:
        syntaxes.setdefault(each.sop_class_uid, []).append(each.transfer_syntax_uid)
    contexts = [build_context(abstract, transfer) for abstract, transfer in syntaxes.items()]
    bound: list[Any] = [(getattr(evt, name), handler) for name, handler in handlers.items()]
    server = scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound, contexts=contexts)
    assert server is not None
    assert server.socket is not None
    yield PeerAddress("127.0.0.1", server.socket.getsockname()[1], "PACS", "ROUTER")
    server.shutdown()


def keeping(received: list[bytes], status: int = 0) -> Callable[[evt.Event], int]:
    """Handles C-STORE: keeps the data sets as they come."""

    def store(event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        assert isinstance(event.request.DataSet, BytesIO)
        received.append(event.request.DataSet.getvalue())
        return status

    return store


@contextmanager
def scripted_peer(*answers: bytes | None) -> Iterator[PeerAddress]:
    """A peer that answers each thing it receives in turn, closes at None, and is then silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def play() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                connection.recv(1 << 20)
                if answer is None:
                    return
                connection.sendall(answer)
            over.wait(20)

    thread = threading.Thread(target=play)
    thread.start()
    yield PeerAddress("127.0.0.1", listener.getsockname()[1], "PACS", "ROUTER")
    over.set()
    thread.join(10)
    listener.close()


def acceptance(instance: Instance, max_pdu: int = 16384) -> bytes:
    results = (ContextResult(1, 0, instance.transfer_syntax_uid),)
    return encode_accept(AssociateAccept(results, UserInformation(max_pdu)), bytes(64))


@pytest.mark.dcmtk
@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072])
def test_storescp_gets_every_byte(
    storescp: Storescp, instances: list[Instance], max_pdu: int
) -> None:
    peer, folder = storescp("+xa", "--max-pdu", max_pdu, "--filename-extension", ".dcm")
    with Association.open(peer, pairs(instances), RequestorTimeouts()) as association:
        assert association.echo() == 0
        known = [each for each in instances if each.pair in association.accepted]
        assert send(association, known) == [0] * len(known)
    assert len(known) >= 4
    stored = [path.read_bytes() for path in folder.iterdir()]
    for each in known:
        assert any(content.endswith(each.data_set) for content in stored)


@pytest.mark.parametrize("max_pdu", [0, 4096, 131072])
def test_pynetdicom_gets_every_byte(instances: list[Instance], max_pdu: int) -> None:
    received: list[bytes] = []
    store = keeping(received, status=0xB000)
    with (
        pynetdicom_server(instances, max_pdu, EVT_C_STORE=store) as peer,
        Association.open(peer, pairs(instances), RequestorTimeouts()) as association,
    ):
        assert association.accepted == set(pairs(instances))
        assert send(association, instances) == [0xB000] * len(instances)
    assert received == [each.data_set for each in instances]


def test_a_refused_image_does_not_end_the_association(instances: list[Instance]) -> None:
    statuses = [0xA700, 0x0110, 0x0000]
    with (
        pynetdicom_server(instances, EVT_C_STORE=lambda _: statuses.pop(0)) as peer,
        Association.open(peer, pairs(instances), RequestorTimeouts()) as association,
    ):
        assert send(association, instances[:3]) == [0xA700, 0x0110, 0x0000]
        assert association.release()


def test_an_abort_in_the_middle_is_an_abort(instances: list[Instance]) -> None:
    def abort(event: evt.Event) -> int:
        event.assoc.abort()
        return 0

    with pynetdicom_server(instances, EVT_C_STORE=abort) as peer:
        association = Association.open(peer, pairs(instances), RequestorTimeouts())
        with pytest.raises(PeerError, match="aborted the association") as caught:
            send(association, instances)
        assert (caught.value.kind, caught.value.stage) == ("aborted", "store")
        with pytest.raises(PeerError, match="is over"):
            association.echo()


def test_a_rejection_says_why(instances: list[Instance]) -> None:
    with pynetdicom_server(instances) as peer:
        wrong = PeerAddress(peer.host, peer.port, "OTHER", "ROUTER")
        with pytest.raises(PeerError, match=r"called AE title not recognized \(perm") as caught:
            Association.open(wrong, pairs(instances), QUICK)
    assert (caught.value.kind, caught.value.stage) == ("rejected", "negotiate")


def test_nobody_there() -> None:
    with pytest.raises(PeerError, match=r"PACS at 127.0.0.1:\d+ refused the conn") as caught:
        Association.open(
            PeerAddress("127.0.0.1", free_port(), "PACS", "ROUTER"),
            [(VERIFICATION, IMPLICIT)],
            QUICK,
        )
    assert (caught.value.kind, caught.value.stage) == ("unreachable", "connect")
    with pytest.raises(PeerError, match="does DNS work") as caught:
        Association.open(
            PeerAddress("pacs.invalid", 104, "PACS", "ROUTER"), [(VERIFICATION, IMPLICIT)], QUICK
        )
    assert (caught.value.kind, caught.value.stage) == ("unreachable", "dns")


def test_a_silent_peer_is_a_timeout(instances: list[Instance]) -> None:
    with scripted_peer() as peer, pytest.raises(PeerError, match="within 1 s") as caught:
        Association.open(peer, pairs(instances), QUICK)
    assert (caught.value.kind, caught.value.stage) == ("timeout", "negotiate")


def test_a_peer_that_does_not_respond_is_a_timeout(instances: list[Instance]) -> None:
    first = instances[0]
    with scripted_peer(acceptance(first)) as peer:
        association = Association.open(peer, [first.pair], QUICK)
        with pytest.raises(PeerError, match="did not respond within 1 s") as caught:
            send(association, [first])
    assert (caught.value.kind, caught.value.stage) == ("timeout", "store")


def huge(instance: Instance, folder: Path) -> Instance:
    """More than any socket buffer holds."""
    path = folder / "huge.dcm"
    path.write_bytes(instance.path.read_bytes() + bytes(64 << 20))
    return Instance(path, instance.offset, *instance.pair[:1], "1.2.3", instance.pair[1])


def test_a_peer_that_takes_nothing_is_a_timeout(instances: list[Instance], tmp_path: Path) -> None:
    large = huge(instances[0], tmp_path)
    with scripted_peer(acceptance(large)) as peer:
        association = Association.open(peer, [large.pair], QUICK)
        with pytest.raises(PeerError, match="stopped taking data for 1 s") as caught:
            send(association, [large])
    assert (caught.value.kind, caught.value.stage) == ("timeout", "store")


@pytest.mark.parametrize("answer", [ABORT, None])
def test_an_abort_while_sending_is_noticed_at_once(
    answer: bytes | None, instances: list[Instance], tmp_path: Path
) -> None:
    large = huge(instances[0], tmp_path)
    with scripted_peer(acceptance(large), answer) as peer:
        association = Association.open(peer, [large.pair], RequestorTimeouts())
        with pytest.raises(PeerError) as caught:
            send(association, [large])
    assert caught.value.kind == "aborted"


STRANGE = {
    "another message": p_data(pdv(COMMAND | LAST, command_set(0x8001, x0120=b"\x63\0"))),
    "another command": p_data(pdv(COMMAND | LAST, command_set(0x8030, x0120=b"\1\0"))),
    "a broken one": p_data(pdv(COMMAND | LAST, b"garbage")),
    "a data set": p_data(pdv(LAST, b"data")),
    "an endless one": struct.pack(">BxIIBB", 4, 1 << 30, (1 << 30) - 4, 1, COMMAND),
    "another PDU": bytes((2, 0, 0, 0, 0, 0)),
    "an unknown PDU": bytes((99, 0, 0, 0, 0, 0)),
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_response_breaks_the_protocol(answer: bytes, instances: list[Instance]) -> None:
    first = instances[0]
    with scripted_peer(acceptance(first), answer) as peer:
        association = Association.open(peer, [first.pair], RequestorTimeouts())
        with pytest.raises(ProtocolError) as caught:
            send(association, [first])
    assert (caught.value.kind, caught.value.stage) == ("aborted", "store")


def test_a_peer_that_releases_first_is_an_abort(instances: list[Instance]) -> None:
    first = instances[0]
    with scripted_peer(acceptance(first), RELEASE_RQ) as peer:
        association = Association.open(peer, [first.pair], RequestorTimeouts())
        with pytest.raises(PeerError, match="released the association before it was done"):
            send(association, [first])


def test_a_release_collision_ends_well(instances: list[Instance]) -> None:
    first = instances[0]
    with scripted_peer(acceptance(first), RELEASE_RQ, RELEASE_RP) as peer:
        assert Association.open(peer, [first.pair], RequestorTimeouts()).release()


@pytest.mark.parametrize("answer", [None, ABORT, b"\x63\0\0\0\0\0", b""])
def test_a_release_that_fails_raises_nothing(
    answer: bytes | None, instances: list[Instance]
) -> None:
    first = instances[0]
    with scripted_peer(acceptance(first), answer) as peer:
        assert not Association.open(peer, [first.pair], QUICK).release()


def test_our_own_mistakes_leave_the_association_open(
    instances: list[Instance], tmp_path: Path
) -> None:
    first = instances[0]
    empty = tmp_path / "empty.dcm"
    empty.write_bytes(bytes(first.offset))
    with (
        pynetdicom_server(instances, EVT_C_STORE=lambda _: 0) as peer,
        Association.open(peer, [first.pair], RequestorTimeouts()) as association,
    ):
        with pytest.raises(EmptyDataSet):
            association.store(empty, first.offset, first.sop_class_uid, "1.2", first.pair[1])
        with pytest.raises(ContextNotAccepted):
            association.store(first.path, first.offset, "1.2.3", "1.2", first.pair[1])
        with pytest.raises(FileNotFoundError):
            association.store(
                tmp_path / "none", first.offset, first.sop_class_uid, "1.2", first.pair[1]
            )
        assert send(association, [first]) == [0]


def test_an_open_descriptor_is_sent_as_well(instances: list[Instance]) -> None:
    first = instances[0]
    with (
        pynetdicom_server(instances, EVT_C_STORE=lambda _: 0) as peer,
        Association.open(peer, [first.pair], RequestorTimeouts()) as association,
        first.path.open("rb") as file,
    ):
        sop_class, syntax = first.pair
        assert association.store(file.fileno(), first.offset, sop_class, "1.2", syntax).code == 0


@pytest.mark.parametrize("max_pdu", [0, 4096, 131072])
def test_what_was_read_ahead_arrives_as_it_is(instances: list[Instance], max_pdu: int) -> None:
    received: list[bytes] = []
    store = keeping(received)
    with (
        pynetdicom_server(instances, max_pdu, EVT_C_STORE=store) as peer,
        Association.open(peer, pairs(instances), RequestorTimeouts()) as association,
        ExitStack() as stack,
    ):
        files = [stack.enter_context(each.path.open("rb")).fileno() for each in instances]
        ahead = [association.read_ahead(files[0], instances[0].offset)]

        def read_next() -> None:
            number = len(ahead)
            if number < len(files):
                ahead.append(association.read_ahead(files[number], instances[number].offset))

        for number, each in enumerate(instances):
            source, (sop_class, syntax) = ahead[number], each.pair
            status = association.store(
                source, source.offset, sop_class, "1.2", syntax, meanwhile=read_next
            )
            assert status.code == 0
    assert received == [each.data_set for each in instances]


def test_what_was_read_ahead_and_given_up_is_sent_for_no_other(instances: list[Instance]) -> None:
    received: list[bytes] = []
    store = keeping(received)
    first, second, third = instances[:3]
    with (
        pynetdicom_server(instances, EVT_C_STORE=store) as peer,
        Association.open(peer, pairs(instances), RequestorTimeouts()) as association,
        second.path.open("rb") as other,
    ):
        with first.path.open("rb") as file:
            number = file.fileno()
            older = association.read_ahead(number, first.offset)
            newer = association.read_ahead(other.fileno(), second.offset)
            for each, source in ((first, older), (second, newer)):
                sop_class, syntax = each.pair
                association.store(source, source.offset, sop_class, "1.2", syntax)
            association.read_ahead(number, first.offset)  # and closed before its turn
        with third.path.open("rb") as file:
            os.dup2(file.fileno(), number)
            sop_class, syntax = third.pair
            association.store(number, third.offset, sop_class, "1.2", syntax)
            if number != file.fileno():
                os.close(number)
    assert received == [each.data_set for each in (first, second, third)]


def test_message_ids_wrap(instances: list[Instance]) -> None:
    with (
        pynetdicom_server(instances) as peer,
        Association.open(peer, pairs(instances), RequestorTimeouts()) as association,
    ):
        association._last_message_id = 65534
        assert [association.echo() for _ in range(3)] == [0, 0, 0]
        assert association._last_message_id == 2


def test_a_stop_wakes_a_wait_for_a_response(instances: list[Instance]) -> None:
    first = instances[0]
    stopping = StopSignal()
    soon = RequestorTimeouts(stop_grace_seconds=0.1)
    with scripted_peer(acceptance(first)) as peer:
        association = Association.open(peer, [first.pair], soon, stopping=stopping)
        timer = threading.Timer(0.1, stopping.set)
        timer.start()
        with pytest.raises(Stopped):
            send(association, [first])
        timer.join()
    stopping.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = folder / "certificate.pem", folder / "key.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    options += ["-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(
            ["openssl", "req", "-x509", *options, "-out", names[0], "-keyout", names[1]],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        skip_or_fail("openssl is not installed: apt-get install openssl")
    return names


def test_both_ends_over_tls(
    instances: list[Instance], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    everything = [*instances, huge(instances[0], tmp_path)]
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    client = ssl.create_default_context(cafile=str(certificate[0]))
    listener = socket.create_server(("127.0.0.1", 0))
    keeper, ends = Keeper(), []

    def accept() -> None:
        connection, _ = listener.accept()
        wrapped = server.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        ends.append(serve_association(wrapped, keeper, AcceptorLimits()))

    thread = threading.Thread(target=accept)
    thread.start()
    peer = PeerAddress("localhost", listener.getsockname()[1], "PACS", "ROUTER")
    with Association.open(peer, pairs(everything), RequestorTimeouts(), client) as association:
        assert association.echo() == 0
        assert send(association, everything) == [0] * len(everything)
    thread.join(10)
    listener.close()
    assert [end.outcome for end in ends] == ["released"]
    assert [bytes(each.data) for each in keeper.stored] == [each.data_set for each in everything]


def test_a_peer_that_does_not_speak_tls(instances: list[Instance]) -> None:
    client = ssl.create_default_context()
    with (
        scripted_peer(b"no TLS here") as peer,
        pytest.raises(PeerError, match="no TLS connection") as caught,
    ):
        Association.open(peer, pairs(instances), QUICK, client)
    assert (caught.value.kind, caught.value.stage) == ("unreachable", "tls")
