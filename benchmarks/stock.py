"""Stock pynetdicom, as its documentation has it: what a router in Python usually stands on.

python -m benchmarks.stock receive PORT FOLDER     a storage server, until SIGTERM
python -m benchmarks.stock send PORT FOLDER        sends what is in and below; prints the seconds
"""

import socket
import sys
import time
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from infra.ports import LOOPBACK

_ANSWER_WITHIN_SECONDS = 5
_ANY_PDU = 0  # bytes: without a limit, which suits pynetdicom best


def receive(port: int, folder: Path) -> None:
    """Decode and save every data set, as in the example "Storage SCP"."""

    def handle_store(event: Any) -> int:
        data_set = event.dataset
        data_set.file_meta = event.file_meta
        data_set.save_as(folder / data_set.SOPInstanceUID, enforce_file_format=True)
        return 0x0000

    entity = AE()
    entity.maximum_pdu_size = _ANY_PDU
    for each in AllStoragePresentationContexts:  # what the images are in, or it would convert them
        entity.add_supported_context(str(each.abstract_syntax), ExplicitVRLittleEndian)
    entity.add_supported_context(Verification)
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, _send_at_once), (evt.EVT_C_STORE, handle_store)]
    entity.start_server((LOOPBACK, port), block=True, evt_handlers=handlers)


def send(port: int, folder: Path) -> float:
    """Read and send every file over one association, as in the example "Storage SCU".

    Returns:
        Seconds from asking for the association to its release.
    """
    files = sorted(folder.rglob("*.dcm"))
    entity = AE()
    entity.dimse_timeout = _ANSWER_WITHIN_SECONDS
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    begun = time.perf_counter()
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, _send_at_once)]
    association = entity.associate(LOOPBACK, port, evt_handlers=handlers)
    for file in files:
        status = association.send_c_store(dcmread(file))
        if not status or status.Status != 0x0000:
            sys.exit(f"{file.name} got no success within {_ANSWER_WITHIN_SECONDS} s")
    association.release()
    return time.perf_counter() - begun


def _send_at_once(event: Any) -> None:
    """As DCMTK does that is told TCP_NODELAY=1."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main(what: str, port: str, folder: str) -> None:
    """Receive or send."""
    if what == "receive":
        receive(int(port), Path(folder))
    else:
        print(send(int(port), Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
