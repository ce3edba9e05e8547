"""From the success that a scanner reads to the row and the file in its study's folder, in seconds.

The one end is in dcmsend's log, which gives the time of each response. The other is the commit of
the row as organized, before which the file was moved; PostgreSQL's write-ahead log has its time
(logical decoding, read when all is over), so that nothing looks on while it is measured.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from benchmarks.images import Images
from dicom_router.archive import ReceiptId
from dicom_router.database import Database
from infra.private_services import PrivatePostgres

_SLOT = "benchmark"
_LOG_CONFIGURATION = """
log4cplus.rootLogger = INFO, console
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.logToStdErr = true
log4cplus.appender.console.ImmediateFlush = true
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %D{%s.%Q} %m%n
"""
_SUCCESS = re.compile(r"^(\d+)\.(\d+)\.(\d+) Received C-STORE Response \(Success\)", re.MULTILINE)
_VALUE = re.compile(r"(receipt_id|sop_instance_uid|state)\[[^\]]*\]:'([^']*)'")
_COMMIT = re.compile(r"COMMIT \d+ \(at (.+)\)")


@dataclass(frozen=True, slots=True)
class Organized:
    """A receipt that became organized, and when that was committed (seconds since 1970)."""

    receipt_id: ReceiptId
    sop_instance_uid: str
    at: float


class TimedSenders:
    """What makes dcmsend tell when each image was answered."""

    def __init__(self, folder: Path, count: int) -> None:
        configuration = folder / "dcmsend.cfg"
        configuration.write_text(_LOG_CONFIGURATION)
        self.options = ("--log-config", str(configuration))
        self.logs = tuple(folder / f"dcmsend-{number}.log" for number in range(count))

    def successes(self) -> list[list[float]]:
        """Of each dcmsend the times of its successes, in order (seconds since 1970)."""
        return [
            [
                int(seconds) + int(millis) / 1e3 + int(micros) / 1e6
                for seconds, millis, micros in _SUCCESS.findall(log.read_text())
            ]
            for log in self.logs
        ]


def let_commits_be_read(server: PrivatePostgres) -> None:
    """Have PostgreSQL write what logical decoding needs; it starts again for that."""
    with closing(Database(server.url)) as database, _autocommit(database) as execute:
        execute("ALTER SYSTEM SET wal_level = logical")
    server.restart()


@contextmanager
def commits(database_url: str) -> Iterator[list[Organized]]:
    """Notes what is organized meanwhile; the list is filled at the end."""
    noted: list[Organized] = []
    with closing(Database(database_url)) as database, _autocommit(database) as execute:
        execute(f"SELECT pg_create_logical_replication_slot('{_SLOT}', 'test_decoding')")
        try:
            yield noted
            noted += _organized(execute(_CHANGES))
        finally:
            execute(f"SELECT pg_drop_replication_slot('{_SLOT}')")


_CHANGES = f"""
SELECT data FROM pg_logical_slot_get_changes('{_SLOT}', NULL, NULL, 'include-timestamp', 'on')
WHERE data LIKE 'table public.receipts: %' OR data LIKE 'COMMIT%'
"""  # noqa: S608 - a constant


def latencies(
    images: Images, successes: Sequence[Sequence[float]], organized: Sequence[Organized]
) -> list[float]:
    """Seconds of every image, the shortest first.

    dcmsend's log does not name images. But what one dcmsend sends makes one association, whose
    receipts are numbered as they were answered.
    """
    found = {each.sop_instance_uid: each for each in reversed(organized)}
    took: list[float] = []
    for part, times in zip(images.parts, successes, strict=True):
        of_part = [found[each.sop_instance_uid] for each in images.all if each.path.parent == part]
        of_part.sort(key=lambda each: each.receipt_id.number)
        assert len({each.receipt_id.association_id for each in of_part}) == 1
        took += [each.at - time for each, time in zip(of_part, times, strict=True)]
    return sorted(took)


def percentile(values: Sequence[float], percent: int) -> float:
    """Of sorted values: so many percent are not above it."""
    return values[max(0, -(-percent * len(values) // 100) - 1)]


def _organized(lines: Sequence[str]) -> Iterator[Organized]:
    """The changes of each transaction come in a row, its commit last."""
    pending: list[Mapping[str, str]] = []
    for line in lines:
        commit = _COMMIT.match(line)
        if not commit:
            pending.append(dict(_VALUE.findall(line)))
            continue
        at = datetime.fromisoformat(commit[1]).timestamp()
        for row in pending:
            receipt_id = ReceiptId.parse(row.get("receipt_id", ""))
            if row.get("state") == "organized" and receipt_id:
                yield Organized(receipt_id, row["sop_instance_uid"], at)
        pending.clear()


@contextmanager
def _autocommit(database: Database) -> Iterator[Callable[[str], Sequence[str]]]:
    """Executes statements, each by itself; the first column of what it answers, as texts."""
    with database.engine.connect() as connection:
        by_itself = connection.execution_options(isolation_level="AUTOCOMMIT")

        def execute(statement: str) -> Sequence[str]:
            result = by_itself.execute(text(statement))
            return [str(row[0]) for row in result] if result.returns_rows else []

        yield execute
