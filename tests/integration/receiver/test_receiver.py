"""A receiver on a real port: what it answers is true, and it tells what it did."""

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from dicom_router.archive import Archive, data_set_sha256
from dicom_router.bus import Binding, Queue
from dicom_router.bus.memory import MemoryBus
from dicom_router.database import Database
from dicom_router.dimse import (
    VERIFICATION,
    Association,
    AssociationRequest,
    PeerAddress,
    PeerError,
    RequestorTimeouts,
    StoreRequest,
)
from dicom_router.errors import ConfigurationError
from dicom_router.events import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, Message
from dicom_router.models import Sender
from dicom_router.settings import load_settings
from infra.ports import free_port
from services.receiver.__main__ import Receiver, build
from services.receiver.listener import MOST_IDLE_CONNECTIONS
from services.receiver.reception import Place, Reception
from services.receiver.refusals import Refusals
from tests.support.disk import Disk
from tests.support.instances import CT_IMAGE_STORAGE, data_set
from tests.support.scanner import send
from tests.support.series import ct_series
from tests.support.waiting import wait_for
from tests.unit.dimse.peers import (
    COMMAND,
    CT,
    LAST,
    RELEASE_RQ,
    association_request,
    command_set,
    p_data,
    pdv,
)

EXPLICIT = "1.2.840.10008.1.2.1"


class DeafBus(MemoryBus):
    """A bus with a bug: it chokes on every stored instance."""

    def publish(self, message: Message) -> Future[None]:
        if ".instance-stored." in message.type:
            raise RuntimeError("this bus is broken")
        return super().publish(message)


class Site:
    """A receiver, the folder it spools to and what it has published."""

    def __init__(
        self, folder: Path, database: Database, port: int, bus: MemoryBus | None = None
    ) -> None:
        self.port = port
        self.archive = Archive(folder)
        self.bus = bus or MemoryBus()
        self.published: SimpleQueue[Message] = SimpleQueue()
        self.bus.consume(
            Queue("test", (Binding(EVENTS_EXCHANGE, "#"), Binding(COMMANDS_EXCHANGE, "#"))),
            self._keep,
        )
        self.receiver: Receiver = build(load_settings(), database, self.bus)

    def _keep(self, messages: Sequence[Message]) -> None:
        for each in messages:
            self.published.put(each)

    def next(self, name: str) -> dict[str, object]:
        """The data of the next message, which must be of this kind."""
        try:
            message = self.published.get(timeout=10)
        except Empty:
            raise AssertionError(f"no {name} was published") from None
        assert f".{name}." in message.type
        data: dict[str, object] = json.loads(message.body)["data"]
        return data

    def echo(self, called: str = "DICOMROUTER", calling: str = "CT1") -> int:
        """C-ECHO as a scanner does."""
        peer = PeerAddress("127.0.0.1", self.port, called, calling)
        contexts = [(VERIFICATION, EXPLICIT)]
        with Association.open(peer, contexts, RequestorTimeouts()) as association:
            return association.echo()


@contextmanager
def receiving(
    tmp_path: Path,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    bus: MemoryBus | None = None,
    **settings: object,
) -> Iterator[Site]:
    port = free_port()
    given = {
        "ROUTER_DATA_DIR": tmp_path / "data",
        "ROUTER_DICOM_HOST": "127.0.0.1",
        "ROUTER_DICOM_PORTS": port,
    } | settings
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    with closing(Database(url)) as database:
        site = Site(tmp_path / "data", database, port, bus)
        site.receiver.start()
        try:
            yield site
        finally:
            site.receiver.stop(5)
            site.bus.close(1)


def test_what_is_answered_with_success_is_in_the_spool_and_announced(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study, (file,) = ct_series(tmp_path / "series", 1)
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        assert set(send([file], site.port, calling="CT_ROOM_1").values()) == {0x0000}
        (path,) = site.archive.spooled()
        meta, size, sha256 = data_set_sha256(path)
        stored = site.next("instance-stored")
        ended = site.next("association-released")
    assert sha256 == file.sha256 == stored["sha256"]
    assert stored["size"] == size
    assert stored["spool_path"] == str(path.relative_to(tmp_path / "data"))
    assert stored["receipt_id"] == path.stem == meta.receipt_id
    assert (meta.calling_ae_title, meta.called_ae_title) == ("CT_ROOM_1", "DICOMROUTER")
    assert meta.peer_address.startswith("dicom://127.0.0.1:")
    assert (ended["outcome"], ended["receipts"], ended["refused"]) == ("released", 1, 0)


@pytest.mark.parametrize("uid", [b"\xff" * 60_000, b"9" * 65_000, b"../../x\0\n\x1b", b"<b>&"])
def test_an_image_is_stored_under_a_uid_that_is_none(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, uid: bytes
) -> None:
    command = command_set(0x0001, 0, x0002=CT.encode(), x1000=uid)
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        with socket.create_connection(("127.0.0.1", site.port), 10) as connection:
            pieces = [command[at : at + 10_000] for at in range(0, len(command), 10_000)]
            for number, piece in enumerate([association_request(), *pieces]):
                last = LAST if number == len(pieces) else 0
                connection.sendall(p_data(pdv(COMMAND | last, piece)) if number else piece)
            connection.sendall(p_data(pdv(LAST, b"the image")) + RELEASE_RQ)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        assert site.next("instance-stored")["sha256"] == hashlib.sha256(b"the image").hexdigest()
        (path,) = site.archive.spooled()
        assert path.read_bytes().endswith(b"the image")
        assert site.next("association-released")["outcome"] == "released"


def test_an_association_that_breaks_in_the_middle_leaves_nothing_of_the_unfinished_image(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study, files = ct_series(tmp_path / "series", 2)
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        peer = PeerAddress("127.0.0.1", site.port, "DICOMROUTER", "CT1")
        kind = (files[0].sop_class_uid, files[0].transfer_syntax_uid)
        association = Association.open(peer, [kind], RequestorTimeouts())
        stored = association.store(
            files[0].path, files[0].offset, kind[0], files[0].sop_instance_uid, kind[1]
        )
        assert stored.code == 0x0000
        association.abort()
        site.next("instance-stored")
        ended = site.next("association-released")
        assert (ended["outcome"], ended["receipts"]) == ("aborted", 1)
        assert len(list(site.archive.spooled())) == 1


def test_below_the_limit_of_free_space_an_image_is_refused_before_anything_is_written(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study, files = ct_series(tmp_path / "series", 3)
    with receiving(tmp_path, sqlite_url, monkeypatch, ROUTER_DISK_MIN_FREE_PERCENT=99.9) as site:
        assert set(send(files, site.port).values()) == {0xA700}
        rejected = [site.next("instance-rejected") for _ in files]
        assert all("0xA700" in str(each["why"]) for each in rejected)
        assert site.next("association-released")["refused"] == 3
        kept = [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert kept == [".router-id"]


def test_more_associations_than_allowed_are_refused_for_now_and_then_taken_again(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, sqlite_url, monkeypatch, ROUTER_DICOM_MAX_ASSOCIATIONS=1) as site:
        idle = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(10)]
        peer = PeerAddress("127.0.0.1", site.port, "DICOMROUTER", "CT1")
        first = Association.open(peer, [(VERIFICATION, EXPLICIT)], RequestorTimeouts())
        with pytest.raises(PeerError, match="local limit exceeded"):
            site.echo()
        first.release()
        wait_for(lambda: _takes(site), "a free place")
        for each in idle:
            each.close()


def test_idle_and_half_open_connections_give_way_and_block_no_scanner(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study, files = ct_series(tmp_path / "series", 2)
    with receiving(tmp_path, sqlite_url, monkeypatch) as site, ExitStack() as stack:
        idle = []
        for _ in range(MOST_IDLE_CONNECTIONS + 40):
            connection = socket.create_connection(("127.0.0.1", site.port), 10)
            idle.append(stack.enter_context(connection))
            connection.sendall(b"\1\0\0\0")  # the beginning of an A-ASSOCIATE-RQ
        assert [connection.recv(1) for connection in idle[:40]] == [b""] * 40
        assert set(send(files, site.port).values()) == {0x0000}
        assert len(list(site.archive.spooled())) == 2


def test_an_association_is_not_closed_to_make_room(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, sqlite_url, monkeypatch) as site, ExitStack() as stack:
        peer = PeerAddress("127.0.0.1", site.port, "DICOMROUTER", "CT1")
        first = Association.open(peer, [(VERIFICATION, EXPLICIT)], RequestorTimeouts())
        for _ in range(MOST_IDLE_CONNECTIONS + 10):
            connection = socket.create_connection(("127.0.0.1", site.port), 10)
            stack.enter_context(connection)
        assert site.echo() == 0x0000
        assert first.echo() == 0x0000
        assert first.release()


def test_an_association_that_fails_gives_its_place_back_and_is_told_as_lost(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study, files = ct_series(tmp_path / "series", 1)
    limit = {"ROUTER_DICOM_MAX_ASSOCIATIONS": 1}
    with receiving(tmp_path, sqlite_url, monkeypatch, bus=DeafBus(), **limit) as site:
        for _ in range(3):
            assert set(send(files, site.port).values()) == {0x0000}  # it is durable
            ended = site.next("association-released")
            assert (ended["outcome"], ended["receipts"]) == ("lost", 1)
        wait_for(lambda: _takes(site), "a free place")


def test_connections_are_taken_again_once_there_are_threads_again(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refused = threading.Thread.start, threading.Event()

    def start_or_not(thread: threading.Thread) -> None:
        if thread.name == "association" and not refused.is_set():
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        monkeypatch.setattr(threading.Thread, "start", start_or_not)
        with socket.create_connection(("127.0.0.1", site.port), 10) as connection:
            assert connection.recv(1) == b""
        assert refused.is_set()
        assert site.echo() == 0x0000


def _takes(site: Site) -> bool:
    try:
        return site.echo() == 0
    except PeerError:
        return False


def test_another_called_title_is_refused_only_if_the_own_is_required(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        assert site.echo(called="ANYTHING") == 0
    with receiving(tmp_path, sqlite_url, monkeypatch, ROUTER_REQUIRE_CALLED_AE="true") as site:
        assert site.echo(called="DICOMROUTER") == 0
        with pytest.raises(PeerError, match="called AE title not recognized"):
            site.echo(called="ANYTHING")


def test_an_unknown_caller_is_refused_once_a_sender_is_known_and_that_is_told(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        assert site.echo(calling="STRANGER") == 0
        site.next("association-released")
        _register(sqlite_url, "CT1")
        site.receiver.read_senders()
        with pytest.raises(PeerError, match="calling AE title not recognized"):
            site.echo(calling="STRANGER")
        rejected = site.next("association-rejected")
        assert rejected["calling_ae_title"] == "STRANGER"
        assert "not a known sender" in str(rejected["why"])
        assert rejected["kind"] == "unknown-caller"
        assert site.echo(calling="CT1") == 0


def test_who_asks_for_services_that_are_not_done_here_is_told_which(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commitment = "1.2.840.10008.1.20.1"
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        peer = PeerAddress("127.0.0.1", site.port, "DICOMROUTER", "CT1")
        with Association.open(peer, [(commitment, EXPLICIT)], RequestorTimeouts()) as association:
            assert not association.accepted
        rejected = site.next("association-rejected")
        assert rejected["kind"] == "nothing-accepted"
        assert rejected["calling_ae_title"] == "CT1"
        assert "Storage Commitment Push Model SOP Class (1.2.840.10008.1.20.1)" in str(
            rejected["why"]
        )
        assert site.echo() == 0
        site.next("association-released")


def _register(url: str, ae_title: str) -> None:
    now = datetime.now(UTC)
    with closing(Database(url)) as database, database.write() as session:
        session.add(
            Sender(
                name="ct-1",
                ae_title=ae_title,
                addresses=[],
                host="",
                created_at=now,
                updated_at=now,
            )
        )


def test_a_port_in_use_is_named(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigurationError, match=str(taken.getsockname()[1])),
        receiving(tmp_path, sqlite_url, monkeypatch, ROUTER_DICOM_PORTS=taken.getsockname()[1]),
    ):
        pass


def test_what_was_being_written_at_a_kill_is_removed_at_the_next_start(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        (folder,) = (site.archive.root / ".spool").iterdir()
    (folder / ".20260122T141530.000000Z_a_000001.dcm.part").write_bytes(b"half")
    with receiving(tmp_path, sqlite_url, monkeypatch):
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("take_away", [Disk.unmount, Disk.swap], ids=["unmounted", "swapped"])
def test_without_its_disk_it_answers_a700_and_writes_nothing(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    take_away: Callable[[Disk], None],
) -> None:
    _study, files = ct_series(tmp_path / "series", 3)
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        assert set(send(files[:1], site.port).values()) == {0x0000}
        disk = Disk(site.archive.root)
        take_away(disk)
        before = disk.everything()
        assert set(send(files[1:], site.port).values()) == {0xA700}
        assert disk.everything() == before
        disk.mount()
        assert set(send(files[1:], site.port).values()) == {0x0000}
        assert len(list(site.archive.spooled())) == 3


@pytest.mark.parametrize("take_away", [Disk.unmount, Disk.swap], ids=["unmounted", "swapped"])
def test_a_disk_that_goes_in_the_middle_of_an_image_is_an_a700(
    tmp_path: Path, take_away: Callable[[Disk], None]
) -> None:
    archive, bus = Archive(tmp_path / "data"), MemoryBus()
    archive.prepare()
    archive.identity.ensure()
    place = Place(
        "host-1", load_settings(), archive, bus, tuple, lambda: True, lambda: None, Refusals()
    )
    reception, disk = Reception(place, "127.0.0.1"), Disk(archive.root)
    who = AssociationRequest(
        "CT1", "DICOMROUTER", "127.0.0.1", 5000, "127.0.0.1", 104, (), "", "", 0
    )
    assert reception.on_request(who) is None
    sink = reception.on_store(StoreRequest(1, 1, CT_IMAGE_STORAGE, "1.2.3", EXPLICIT))
    sink.write([memoryview(data_set())], last=True)
    take_away(disk)
    before = disk.everything()
    assert sink.finish().code == 0xA700
    assert disk.everything() == before
    bus.close(1)


def test_while_the_database_is_away_it_trusts_the_folder_that_has_an_id(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _study, files = ct_series(tmp_path / "series", 1)
    nowhere = f"postgresql+psycopg://router:secret@127.0.0.1:{free_port()}/router"
    with receiving(tmp_path, nowhere, monkeypatch) as site:
        assert set(send(files, site.port).values()) == {0xA700}  # it has never been told
        assert list(site.archive.spooled()) == []
    with receiving(tmp_path, sqlite_url, monkeypatch) as site:
        assert site.archive.identity.found() is not None
    with receiving(tmp_path, nowhere, monkeypatch) as site:
        assert set(send(files, site.port).values()) == {0x0000}
        disk = Disk(site.archive.root)
        disk.swap()
        assert set(send(files, site.port).values()) == {0xA700}
