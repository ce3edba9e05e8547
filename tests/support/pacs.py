"""A PACS on loopback that keeps what it is sent, and misbehaves on request (pynetdicom)."""

import hashlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid, uid_to_service_class

from dicom_router.dimse import VERIFICATION
from infra.ports import free_port

_A_ABORT = bytes.fromhex("07 00 00000004 00 00 00 00")  # by the service user
SUCCESS = 0x0000


@dataclass(frozen=True)
class Stored:
    """One C-STORE that was answered with success or a warning."""

    sop_instance_uid: str
    transfer_syntax_uid: str
    sha256: str  # of the data set as it came


class Pacs:
    """A context manager; public attributes may be changed while it runs."""

    def __init__(self, ae_title: str = "PACS") -> None:
        self.ae_title, self.port = ae_title, free_port()
        self.tls: ssl.SSLContext | None = None  # its own certificate; None: plain
        self.transfer_syntaxes: Collection[str] | None = None  # None: whatever is proposed
        self.knows_echo = True
        self.reject = False
        self.most_associations = 50  # at once; as it is when it comes up
        self.first_statuses: list[int] = []  # for the first images to come
        self.status_of: dict[str, int] = {}
        self.status = SUCCESS
        self.comment = ""
        self.aborts_at: set[str] = set()  # SOP Instance UIDs
        self.aborts_all = False
        self.abort_after: int | None = None  # so many images, once
        self.pause_seconds = 0.0  # before each answer
        self.gate = threading.Event()  # images are answered only while it is set
        self.gate.set()
        self.stored: list[Stored] = []
        self.asked: list[str] = []  # SOP Instance UIDs of every C-STORE, however it ended
        self.associations = 0  # those with a storage context
        self.callers: set[str] = set()
        self.calls = 0  # associations that were asked for, all in all
        self._pause = threading.Event()  # never set
        self._lock = threading.Lock()
        self._ae: AE | None = None
        self._server: Any = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.down()

    def up(self) -> None:
        """Listen, always on the same port."""
        ae = AE(ae_title=self.ae_title)
        ae.maximum_associations = self.most_associations
        ae.add_supported_context(VERIFICATION)
        self._server = ae.start_server(
            ("127.0.0.1", self.port),
            block=False,
            ssl_context=self.tls,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, _send_at_once),
                (evt.EVT_REQUESTED, self._on_requested),
                (evt.EVT_C_STORE, self._on_store),
            ],
        )
        self._ae = ae

    def down(self) -> None:
        """Stop listening and cut every association."""
        ae, self._ae = self._ae, None
        if ae is not None:
            # Not ae.shutdown(): its A-ABORT is an error in a thread of pynetdicom's when the
            # association is just ending by itself.
            self._server.shutdown()
            for association in ae.active_associations:
                _cut(association, b"")

    @property
    def is_up(self) -> bool:
        """Whether it listens."""
        return self._ae is not None

    def has(self) -> list[str]:
        """The SOP Instance UIDs it has stored, repeats included."""
        with self._lock:
            return [each.sop_instance_uid for each in self.stored]

    @property
    def repeats(self) -> int:
        """How many times it was sent what it had already."""
        return sum(times - 1 for times in Counter(self.has()).values())

    def _on_requested(self, event: Any) -> None:
        association = event.assoc
        self.calls += 1
        self.callers.add(association.requestor.primitive.calling_ae_title.strip())
        association.ae.require_calling_aet = ["NOBODY"] if self.reject else []
        proposed = association.requestor.primitive.presentation_context_definition_list
        supported, storage = [], False
        for context in proposed:
            syntaxes = [
                syntax
                for syntax in context.transfer_syntax
                if self.transfer_syntaxes is None or syntax in self.transfer_syntaxes
            ]
            is_echo = context.abstract_syntax == VERIFICATION
            if not is_echo:
                storage = True
                _make_storable(str(context.abstract_syntax))
            if syntaxes and (self.knows_echo or not is_echo):
                supported.append(build_context(str(context.abstract_syntax), syntaxes))
        self.associations += storage and not self.reject
        association.acceptor.supported_contexts = _merged(supported)

    def _on_store(self, event: Any) -> Dataset:
        uid = str(event.request.AffectedSOPInstanceUID)
        with self._lock:
            self.asked.append(uid)
        self.gate.wait(30)
        self._pause.wait(self.pause_seconds)
        with self._lock:
            if self._aborts(uid):
                _cut(event.assoc, _A_ABORT)
                return _answer(0x0110, "")
            status = self.first_statuses.pop(0) if self.first_statuses else None
            status = self.status_of.get(uid, self.status) if status is None else status
            if status == SUCCESS or status >> 12 == 0xB:
                content = event.request.DataSet.getvalue()
                digest = hashlib.sha256(content).hexdigest()
                self.stored.append(Stored(uid, str(event.context.transfer_syntax), digest))
        return _answer(status, self.comment)

    def _aborts(self, uid: str) -> bool:
        if self.abort_after is not None and len(self.stored) >= self.abort_after:
            self.abort_after = None
            return True
        return self.aborts_all or uid in self.aborts_at


def _answer(status: int, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment
    return answer


def _merged(contexts: list[PresentationContext]) -> list[PresentationContext]:
    """Pynetdicom wants one context for each abstract syntax."""
    merged: dict[str, PresentationContext] = {}
    for context in contexts:
        known = merged.setdefault(str(context.abstract_syntax), context)
        for syntax in context.transfer_syntax:
            known.add_transfer_syntax(syntax)
    return list(merged.values())


def _make_storable(sop_class: str) -> None:
    """Let pynetdicom serve a private or unknown SOP class as storage."""
    if uid_to_service_class(sop_class) is not StorageServiceClass:
        register_uid(sop_class, "Storable_" + sop_class.replace(".", "_"), StorageServiceClass)


def _send_at_once(event: Any) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _cut(association: Any, last_words: bytes) -> None:
    connection = association.dul.socket.socket
    if connection is not None:
        with suppress(OSError):
            connection.sendall(last_words)
            connection.shutdown(socket.SHUT_RDWR)
