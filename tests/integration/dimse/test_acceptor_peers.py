"""Real requestors send to our acceptor: every byte arrives."""

import socket
import struct
from collections.abc import Callable

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_router.dimse import CALLED_AE_TITLE_NOT_RECOGNIZED, StoreStatus
from dicom_router.dimse.associate import decode_accept
from tests.integration.dimse.conftest import Instance, Server, run
from tests.unit.dimse.peers import IMPLICIT, Keeper, association_request

Dcmtk = Callable[..., list[str]]
Serve = Callable[..., Server]
Hostile = Callable[[int, bytes], socket.socket]


def require_all(server: Server, instances: list[Instance]) -> None:
    """All are stored, bit for bit, under their identity."""
    assert {end.outcome for end in server.wait()} == {"released"}
    stored = {
        (
            each.request.sop_class_uid,
            each.request.sop_instance_uid,
            each.request.transfer_syntax_uid,
        ): bytes(each.data)
        for each in server.keeper.stored
    }
    for each in instances:
        identity = (each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid)
        assert stored[identity] == each.data_set
    assert len(server.keeper.stored) == len(instances)


@pytest.mark.dcmtk
def test_echoscu_is_answered(serve: Serve, dcmtk: Dcmtk) -> None:
    server = serve()
    run(dcmtk("echoscu", "127.0.0.1", server.port))
    assert [end.outcome for end in server.wait()] == ["released"]


@pytest.mark.dcmtk
@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072])
def test_dcmsend_with_any_pdu_size(
    serve: Serve, dcmtk: Dcmtk, instances: list[Instance], max_pdu: int
) -> None:
    server = serve()
    kept = [each for each in instances if each.transfer_syntax_uid != IMPLICIT]  # made explicit
    paths = [each.path for each in kept]
    options = "--decompress-never", "--max-pdu", max_pdu
    run(dcmtk("dcmsend", *options, "127.0.0.1", server.port, *paths))
    require_all(server, kept)


@pytest.mark.dcmtk
def test_storescu_aborting_is_seen_as_aborted(
    serve: Serve, dcmtk: Dcmtk, instances: list[Instance]
) -> None:
    server = serve()
    run(dcmtk("storescu", "--abort", "127.0.0.1", server.port, instances[0].path))
    assert [end.outcome for end in server.wait()] == ["aborted"]
    assert [each.ended for each in server.keeper.stored] == ["finished"]


def test_pynetdicom_sends_every_transfer_syntax(serve: Serve, instances: list[Instance]) -> None:
    server = serve()
    scu = AE("SCANNER")
    for sop_class, syntax in {each.pair for each in instances}:
        scu.add_requested_context(sop_class, syntax)
    association = scu.associate("127.0.0.1", server.port, ae_title="ROUTER")
    statuses = [association.send_c_store(each.path).Status for each in instances]
    association.release()
    assert statuses == [0] * len(instances)
    assert {end.outcome for end in server.wait()} == {"released"}
    assert [each.request.sop_instance_uid for each in server.keeper.stored] == [
        each.sop_instance_uid for each in instances
    ]
    assert [bytes(each.data) for each in server.keeper.stored] == [
        each.data_set for each in instances
    ]


def test_pynetdicom_is_told_why(serve: Serve, instances: list[Instance]) -> None:
    server = serve(Keeper(statuses=[StoreStatus(0xA700, "no space left")]))
    scu = AE()
    scu.add_requested_context(*instances[0].pair)
    association = scu.associate("127.0.0.1", server.port)
    status = association.send_c_store(dcmread(instances[0].path))
    association.abort()
    assert (status.Status, status.ErrorComment) == (0xA700, "no space left")
    assert [end.outcome for end in server.wait()] == ["aborted"]


def test_pynetdicom_is_rejected(serve: Serve) -> None:
    server = serve(Keeper(rejection=CALLED_AE_TITLE_NOT_RECOGNIZED))
    scu = AE()
    scu.add_requested_context(Verification)
    assert scu.associate("127.0.0.1", server.port).is_rejected
    assert [end.outcome for end in server.wait()] == ["rejected"]


def test_two_hundred_contexts_are_all_answered(serve: Serve, hostile: Hostile) -> None:
    server = serve()
    request = association_request([("1.2.840.10008.1.1", "1.2.840.10008.1.2")] * 128)
    contexts = request[request.index(b"\x20\0", 74) : request.rindex(b"\x50\0")]
    body = request[6:74] + request[74 : request.index(b"\x20\0", 74)] + contexts * 2
    body += request[request.rindex(b"\x50\0") :]
    connection = hostile(server.port, struct.pack(">BxI", 1, len(body)) + body)
    kind, length = struct.unpack(">BxI", connection.recv(6))
    assert kind == 2
    answer = b""
    while len(answer) < length:
        answer += connection.recv(length)
    results = decode_accept(answer).results
    assert [each.result for each in results] == [0] * 128 + [2] * 128


def test_half_an_association_request_and_garbage_disturb_nobody(
    serve: Serve, hostile: Hostile, dcmtk: Dcmtk
) -> None:
    server = serve()
    hostile(server.port, association_request()[:50])
    garbage = hostile(server.port, b"\xff" * 64)
    assert garbage.recv(100)[0] == 7
    run(dcmtk("echoscu", "127.0.0.1", server.port))
