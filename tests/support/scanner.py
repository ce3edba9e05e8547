"""A scanner: sends files byte for byte over the router's own DIMSE.

Not pynetdicom, whose requestor now and then waits for ever on a busy machine, against DCMTK's
storescp as well; that the receiver understands DCMTK and pynetdicom is tested in integration/dimse.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dicom_router.dimse import (
    Association,
    ContextNotAccepted,
    PeerAddress,
    PeerError,
    RequestorTimeouts,
)
from tests.support.development_data import RealFile

_MOST_CONTEXTS = 128


def send(
    files: Sequence[RealFile],
    port: int,
    *,
    calling: str = "CT1",
    host: str = "127.0.0.1",
    on_sent: Callable[[RealFile, int | None], object] | None = None,
) -> dict[Path, int | None]:
    """C-STORE over as few associations as the contexts allow.

    The status of each file's response by its path; None where there was none, because its
    presentation context was not accepted or the association was lost.
    """
    peer = PeerAddress(host, port, "DICOMROUTER", calling)
    kinds = list(dict.fromkeys((f.sop_class_uid, f.transfer_syntax_uid) for f in files))
    outcomes: dict[Path, int | None] = dict.fromkeys(f.path for f in files)
    for start in range(0, len(kinds), _MOST_CONTEXTS):
        part = kinds[start : start + _MOST_CONTEXTS]
        these = [f for f in files if (f.sop_class_uid, f.transfer_syntax_uid) in part]
        try:
            with Association.open(peer, part, RequestorTimeouts()) as association:
                for file in these:
                    outcomes[file.path] = _store(association, file)
                    if on_sent:
                        on_sent(file, outcomes[file.path])
        except PeerError:
            continue  # what was not answered by then has no status
    return outcomes


def _store(association: Association, file: RealFile) -> int | None:
    try:
        return association.store(
            file.path,
            file.offset,
            file.sop_class_uid,
            file.sop_instance_uid,
            file.transfer_syntax_uid,
        ).code
    except ContextNotAccepted:
        return None


def send_in_parallel(
    files: Sequence[RealFile], port: int, associations: int
) -> dict[Path, int | None]:
    """Deal the files out over several associations at the same time."""
    outcomes: dict[Path, int | None] = {}
    with ThreadPoolExecutor(associations) as pool:
        parts = [files[n::associations] for n in range(associations)]
        for part in pool.map(lambda files: send(files, port), parts):
            outcomes |= part
    return outcomes
