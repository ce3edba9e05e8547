"""The invariant, checked against bytes: what was acknowledged, where it is, what is said of it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from sqlalchemy import func, select

from dicom_router.archive import QUARANTINE, SPOOL
from dicom_router.database import Database
from dicom_router.errors import Unprocessable
from dicom_router.models import OutboxMessage, Receipt, ReceiptState, Study
from dicom_router.part10 import read_file_meta
from tests.chaos.router import ChaosRouter
from tests.chaos.scanner import Account, Answer
from tests.support.pacs import Pacs

_STUDY = "StudyInstanceUID"


@dataclass
class Verdict:
    """What is wrong after a run; nothing, if all lists are empty."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    corrupted: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)  # counts that disagree, no rest, a crash

    @property
    def complaints(self) -> list[str]:
        """All of it."""
        return [
            *(f"LOST {each}" for each in self.lost),
            *(f"CORRUPTED {each}" for each in self.corrupted),
            *(f"DOUBLED {each}" for each in self.doubled),
            *self.other,
        ]


def unrest(router: ChaosRouter, database: Database) -> str:
    """What the router has still to do, as a sentence; empty once it is at rest.

    Asked in the order in which it is done: the history is written last.
    """
    if spooled := spool(router.data):
        return f"{len(spooled)} files are in the spool: {spooled[:3]}"
    return _unrest_of_studies(router) or _unrest_of_rows(database)


def _unrest_of_rows(database: Database) -> str:
    with database.read() as session:
        assigned = session.scalars(
            select(Receipt.receipt_id).where(Receipt.state == ReceiptState.ASSIGNED)
        ).all()
        told = session.scalar(select(func.count()).select_from(OutboxMessage))
        unwritten = session.scalar(select(Study.study_uid).where(~Study.projected).limit(1))
    if assigned:
        return f"{len(assigned)} receipts are assigned and not moved: {assigned[:3]}"
    if told:
        return f"{told} messages are in the outbox"
    return f"the history does not know of study {unwritten}" if unwritten else ""


def _unrest_of_studies(router: ChaosRouter) -> str:
    studies = router.get("/studies?limit=500")
    if studies is None:
        return "the API does not answer"
    for study in studies["items"]:
        if study["state"] != "sent":
            open_ = [d for d in study["deliveries"] if d["state"] != "delivered"]
            return f"study {study['study_uid']} is {study['state']}: {open_}"
        if study["on_disk"] and router.environment["ROUTER_RETENTION_HOURS"] == "0":
            return f"study {study['study_uid']} is sent and not deleted yet"
    return ""


def spool(data: Path) -> list[str]:
    """What is in the spool, whatever it is."""
    return [str(path.relative_to(data)) for path in (data / SPOOL).rglob("*") if path.is_file()]


def judge(
    router: ChaosRouter, database: Database, destinations: Sequence[Pacs], account: Account
) -> Verdict:
    """Look at everything, now that the router is at rest or will never be."""
    verdict = Verdict(acknowledged=len(account.acknowledged))
    sent = defaultdict[str, set[str]](set)  # SOP Instance UID → what was sent under it
    for answer in account.answers:
        sent[answer.file.sop_instance_uid].add(answer.file.sha256)
    on_disk = _files(router.data)
    aside = _quarantine(router.data, verdict)
    spooled = _read(router.data, (router.data / SPOOL).glob("*/*.dcm"))
    here = {(each.sop_instance_uid, each.sha256): each.path for each in (*on_disk, *spooled)}
    _judge_bytes(verdict, account.acknowledged, destinations, here, aside)
    _judge_origin(verdict, sent, destinations, [*on_disk, *aside, *spooled])
    _judge_folders(verdict, on_disk)
    _judge_counts(verdict, router, database, destinations, account, on_disk)
    return verdict


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file of an image in the data folder."""

    path: str
    study_uid: str
    sop_instance_uid: str
    sha256: str


def _judge_bytes(
    verdict: Verdict,
    acknowledged: Sequence[Answer],
    destinations: Sequence[Pacs],
    here: dict[tuple[str, str], str],
    aside: Sequence[OnDisk],
) -> None:
    """What was acknowledged is at every destination or in quarantine."""
    at = [{(each.sop_instance_uid, each.sha256) for each in pacs.stored} for pacs in destinations]
    set_aside = {(each.sop_instance_uid, each.sha256) for each in aside}
    wanted = {(a.file.sop_instance_uid, a.file.sha256): a for a in acknowledged}
    for key, answer in wanted.items():
        lacking = [n for n, stored in enumerate(at, 1) if key not in stored]
        if lacking and key not in set_aside:
            where = f"it is at {here[key]}" if key in here else "it is nowhere else"
            verdict.lost.append(
                f"image {answer.file.image} ({key[0]}), acknowledged to {answer.association} at "
                f"{answer.at:.3f}: not at destination {lacking}; {where}"
            )


def _judge_origin(
    verdict: Verdict,
    sent: dict[str, set[str]],
    destinations: Sequence[Pacs],
    files: Sequence[OnDisk],
) -> None:
    """All bytes, wherever they are, are what a scanner has sent under that UID."""
    for number, pacs in enumerate(destinations, 1):
        for each in pacs.stored:
            if each.sha256 not in sent[each.sop_instance_uid]:
                verdict.corrupted.append(f"{each.sop_instance_uid} at destination {number}")
    for file in files:
        if file.sha256 not in sent[file.sop_instance_uid]:
            verdict.corrupted.append(file.path)


def _judge_folders(verdict: Verdict, on_disk: Sequence[OnDisk]) -> None:
    folders = defaultdict[str, set[str]](set)
    for file in on_disk:
        folders[file.study_uid].add(file.path.partition("/")[0])
    verdict.doubled += [f"{uid}: {sorted(f)}" for uid, f in folders.items() if len(f) > 1]


def _judge_counts(
    verdict: Verdict,
    router: ChaosRouter,
    database: Database,
    destinations: Sequence[Pacs],
    account: Account,
    on_disk: Sequence[OnDisk],
) -> None:
    """Disk, database, history and API agree, with each other and with what was acknowledged."""
    shown = {study["study_uid"]: study for study in router.items("/studies")}
    history = _history(router.data)
    rows = _organized(database)
    wanted = defaultdict[str, set[str]](set)
    for answer in account.acknowledged:
        wanted[answer.file.study_uid].add(answer.file.sop_instance_uid)
    for uid in sorted(wanted.keys() | shown.keys() | history.keys() | rows.keys()):
        if uid not in shown or uid not in history:
            verdict.other.append(f"study {uid} is not known to API and history both")
            continue
        if missing := wanted[uid] - rows[uid].keys():
            verdict.other.append(f"study {uid} lacks the rows of {sorted(missing)}")
        files = [file for file in on_disk if file.study_uid == uid]
        _judge_study(verdict, router, shown[uid], history[uid], rows[uid], files)
        if shown[uid]["sent"]:
            _judge_newest(verdict, uid, rows[uid], destinations)


Rows = dict[str, Receipt]


def _organized(database: Database) -> dict[str, Rows]:
    """The receipts that are the instances of each study, by SOP Instance UID."""
    found = defaultdict[str, Rows](dict)
    with database.read() as session:
        organized = select(Receipt).where(Receipt.state == ReceiptState.ORGANIZED)
        for receipt in session.scalars(organized):
            found[receipt.study_uid or ""][receipt.sop_instance_uid] = receipt
    return found


def _judge_study(
    verdict: Verdict,
    router: ChaosRouter,
    shown: dict[str, Any],
    entry: dict[str, Any],
    rows: Rows,
    files: Sequence[OnDisk],
) -> None:
    uid = shown["study_uid"]
    counts = {
        "rows": len(rows),
        "API": shown["image_count"],
        "API's instances": len(router.items(f"/studies/{uid}/instances")),
        "history": entry["image_count"],
    }
    if len(set(counts.values())) > 1:
        verdict.other.append(f"the counts of study {uid} disagree: {counts}")
    kept = sorted(each for each, row in rows.items() if row.on_disk)
    found = sorted(file.sop_instance_uid for file in files)
    if kept != found or shown["on_disk"] != bool(found):
        verdict.other.append(
            f"study {uid}: {found} are on disk, by the rows {kept}, by the API {shown['on_disk']}"
        )
    if shown["series_count"] != 1:
        verdict.other.append(f"study {uid} has {shown['series_count']} series, not 1")
    if different := [key for key in entry if entry[key] != shown[key]]:
        verdict.other.append(f"API and history disagree on {different} of study {uid}")
    for file in files:
        row = rows.get(file.sop_instance_uid)
        if row is None or row.sha256 != file.sha256:
            verdict.other.append(f"{file.path} is not what its row says")
        if not file.path.startswith(f"{shown['folder']}/"):
            verdict.other.append(f"{file.path} is not in the folder of its study")


def _judge_newest(verdict: Verdict, uid: str, rows: Rows, destinations: Sequence[Pacs]) -> None:
    """What is called sent is at every destination, and what came there last is the newest."""
    for number, pacs in enumerate(destinations, 1):
        newest = {each.sop_instance_uid: each.sha256 for each in pacs.stored}
        for sop_instance_uid, row in rows.items():
            if sop_instance_uid not in newest:
                verdict.other.append(
                    f"study {uid} is called sent, but destination {number} lacks {sop_instance_uid}"
                )
            elif newest[sop_instance_uid] != row.sha256:
                verdict.other.append(
                    f"the newest bytes of {sop_instance_uid} are not the last that destination "
                    f"{number} got"
                )


def _history(data: Path) -> dict[str, Any]:
    try:
        found = json.loads((data / ".metadata.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return dict(found)


def _quarantine(data: Path, verdict: Verdict) -> list[OnDisk]:
    """What is set aside with a reason; what has none is complained about."""
    found = []
    for path in sorted((data / QUARANTINE).glob("[!.]*.dcm")):
        reason = path.with_name(f"{path.name}.reason.txt")
        if not reason.is_file() or not reason.read_text("utf-8").strip():
            verdict.other.append(f"{path.name} is in quarantine without a reason")
        else:
            found += _read(data, [path])
    return found


def _files(data: Path) -> list[OnDisk]:
    return _read(data, _study_files(data))


def _read(data: Path, paths: Iterable[Path]) -> list[OnDisk]:
    """Read files; a router that did not come to rest may move one on meanwhile."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            found.append(_on_disk(data, path))
    return found


def _study_files(data: Path) -> Iterator[Path]:
    for folder in sorted(data.iterdir()):
        if folder.is_dir() and folder.name[0] != ".":
            yield from sorted(folder.iterdir())


def _on_disk(data: Path, path: Path) -> OnDisk:
    relative = str(path.relative_to(data))
    content = path.read_bytes()
    try:
        with path.open("rb") as file:
            meta, offset = read_file_meta(file.fileno())
        study_uid = str(dcmread(BytesIO(content), specific_tags=["StudyInstanceUID"])[_STUDY].value)
    except (Unprocessable, InvalidDicomError, KeyError) as error:
        return OnDisk(relative, f"unreadable: {error}", "", "")
    digest = hashlib.sha256(content[offset:]).hexdigest()
    return OnDisk(relative, study_uid, meta.sop_instance_uid, digest)
