"""Lists of studies, searched, filtered and sorted, with a million studies in PostgreSQL.

Over HTTP, from an api process; the bar is 50 ms at the 95th percentile for every list of studies.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from json import loads
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import text

from benchmarks.bars import Bar
from benchmarks.history import FAMILIES, GIVEN, YEARS, patient_name, write_history
from benchmarks.router import servers
from benchmarks.services import Client, api
from dicom_router.database import Database
from dicom_router.migrations import migrate
from infra.private_services import PrivatePostgres
from services.api.paging import Cursor

BAR_MS = 50.0  # 95th percentile
_STUDIES = 1_000_000
_REQUESTS = 200
_WARM_UP = 3  # requests of each kind that are not counted: caches, connections, imports


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests of one kind: what each asks for, and whether the bar is for it."""

    name: str
    path: Callable[[random.Random], str]
    has_bar: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What the requests of one kind took, in milliseconds, and how many rows came at most."""

    kind: Kind
    median: float
    p95: float
    slowest: float
    rows: int
    plan: str

    @property
    def is_slow(self) -> bool:
        """Whether the bar was missed."""
        return self.kind.has_bar and self.p95 > BAR_MS


def _studies_with(**query: object) -> Callable[[random.Random], str]:
    """A list of studies; a value that can be called is made up anew for each request."""

    def path(chance: random.Random) -> str:
        values = {key: each(chance) if callable(each) else each for key, each in query.items()}
        return f"/api/v1/studies?{urlencode(values, doseq=True)}"

    return path


def _day(days: int) -> Callable[[random.Random], str]:
    """A day between now and so many days ago."""
    return lambda chance: f"{datetime.now(UTC) - timedelta(days=chance.uniform(0, days)):%Y-%m-%d}"


def _month(chance: random.Random) -> str:
    """The query for a month somewhere in the history."""
    begin = datetime.now(UTC) - timedelta(days=chance.uniform(31, 365 * YEARS))
    return urlencode({"received_from": f"{begin:%F}", "received_to": f"{begin + _DAYS_30:%F}"})


_DAYS_30 = timedelta(days=30)


def _whole_name(chance: random.Random) -> str:
    """A patient as somebody would type it: the family last, no accents to be sure of."""
    family, given, *_more = patient_name(chance.randrange(10_000)).split("_")
    return f"{given} {family}".lower()


def _accession(chance: random.Random) -> str:
    return f"{chance.randrange(1_000_000):07d}"


def _somewhere(chance: random.Random) -> str:
    at = datetime.now(UTC) - timedelta(days=chance.uniform(1, 365 * YEARS))
    return str(Cursor("-created_at", at.isoformat(), "1"))


def _words(*words: str) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(words)


KINDS = (
    Kind("first page", _studies_with()),
    Kind("a page somewhere", _studies_with(cursor=_somewhere)),
    Kind("500 studies at once", _studies_with(limit=500), has_bar=False),
    Kind("q: frequent family", _studies_with(q=_words(*FAMILIES[:10]))),
    Kind("q: any family", _studies_with(q=_words(*FAMILIES))),
    Kind("q: given name", _studies_with(q=_words(*GIVEN))),
    Kind("q: two names", _studies_with(q=_whole_name)),
    Kind("q: part of a name", _studies_with(q=_words("oncei", "schm", "valen", "xize", "zulm"))),
    Kind("q: one letter", _studies_with(q=_words(*"abcdefghijklmnopqrstuvwxyz"))),
    Kind("q: two letters", _studies_with(q=_words("ma", "jo", "zu", "xi", "qq", "he", "wy"))),
    Kind("q: accents", _studies_with(q=_words("conceição", "CONCEICAO", "Gonçalves", "heloisa"))),
    Kind("q: nobody", _studies_with(q=_words("xyzzy", "nobody here", "qqq", "maria xyzzy"))),
    Kind("q: everybody", _studies_with(q=_words("p", "p0", "20"))),
    Kind("q: description", _studies_with(q=_words("torax", "cranio", "pet-ct", "ossea"))),
    Kind("q: accession number", _studies_with(q=_accession)),
    Kind("q: patient's ID", _studies_with(q=lambda chance: f"P{chance.randrange(300_000):07d}")),
    Kind("patient_name", _studies_with(patient_name=_whole_name)),
    Kind(
        "patient_id",
        _studies_with(patient_id=lambda chance: f"P{chance.randrange(300_000):07d}"),
    ),
    *(
        Kind(f"state={state}", _studies_with(state=state))
        for state in ("receiving", "sent", "failed", "unrouted", "held", "deleted")
    ),
    Kind("two states", _studies_with(state=("failed", "held"))),
    Kind("sent=true", _studies_with(sent="true")),
    Kind("sent=false", _studies_with(sent="false")),
    Kind("needs_attention", _studies_with(needs_attention="true")),
    Kind("modality: frequent", _studies_with(modality=_words("CT", "DX", "SR"))),
    Kind("modality: rare", _studies_with(modality=_words("XA", "PT", "NM"))),
    Kind("modality: none", _studies_with(modality="OPT")),
    Kind("received: a day", lambda chance: _of_a_day(_day(365 * YEARS)(chance))),
    Kind("received: a month", lambda chance: f"/api/v1/studies?{_month(chance)}"),
    Kind("received_to", _studies_with(received_to=_day(365 * YEARS))),
    *(
        Kind(f"sort={sort}", _studies_with(sort=sort))
        for key in ("patient_name", "patient_id", "study_date", "image_count", "size_bytes")
        for sort in (key, f"-{key}")
    ),
    Kind("sort=created_at", _studies_with(sort="created_at")),
    Kind("q and modality", _studies_with(q=_words(*FAMILIES), modality=_words("CT", "XA"))),
    Kind(
        "q and a month",
        lambda chance: f"{_studies_with(q=_words(*GIVEN))(chance)}&{_month(chance)}",
    ),
    Kind("q, by name", _studies_with(q=_words(*FAMILIES), sort="patient_name")),
    Kind("failed CT, by name", _studies_with(state="failed", modality="CT", sort="patient_name")),
    Kind("failed in a month", lambda chance: f"/api/v1/studies?state=failed&{_month(chance)}"),
    # beside the lists of studies
    Kind("overview", lambda _: "/api/v1/overview", has_bar=False),
    Kind("disk", lambda _: "/api/v1/disk", has_bar=False),
    Kind("deliveries", lambda _: "/api/v1/deliveries", has_bar=False),
    Kind("failed deliveries", lambda _: "/api/v1/deliveries?state=failed", has_bar=False),
    Kind(
        "open deliveries",
        lambda _: "/api/v1/deliveries?state=waiting&state=retrying&destination=pacs",
        has_bar=False,
    ),
    Kind("destinations", lambda _: "/api/v1/destinations", has_bar=False),
    Kind("associations", lambda _: "/api/v1/associations", has_bar=False),
    Kind("metrics", lambda _: "/metrics", has_bar=False),
)


def _of_a_day(day: str) -> str:
    return f"/api/v1/studies?received_from={day}&received_to={day}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--studies", type=int, default=_STUDIES, help="in the database")
    parser.add_argument("--requests", type=int, default=_REQUESTS, help="of each kind")
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--plans", action="store_true", help="show PostgreSQL's plans as well")
    parser.add_argument(
        "--keep", metavar="FOLDER", type=Path, help="keep the database there, for another time"
    )


def run(asked: argparse.Namespace) -> list[Bar]:
    """Fill a database, start an api on it, ask; the bars."""
    with servers(keep=asked.keep) as own:
        place = own.place()
        fill(place.database_url, asked.studies)
        plans = Plans(own.database) if asked.plans else None
        kinds = [each for each in KINDS if asked.only in each.name]
        with api(place) as client:
            results = [measure(client, each, asked.requests, plans) for each in kinds]
        return report(results)


def fill(database_url: str, studies: int, *, at_rest: bool = False) -> None:
    """Make the schema and the history, unless they are there."""
    with closing(Database(database_url)) as database:
        remark = migrate(database)
        if remark:
            print(remark, file=sys.stderr)
        with database.read() as session:
            if session.scalar(text("SELECT EXISTS (SELECT FROM studies)")):
                return
        print(f"Writing {studies:,} studies into PostgreSQL.", flush=True)
        begun = time.monotonic()
        write_history(database, studies, at_rest=at_rest)
    print(f"Written in {time.monotonic() - begun:.0f} s.", flush=True)


class Plans:
    """What PostgreSQL writes into its log about each statement from now on (`auto_explain`)."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._log, self._seen = server.log, 0
        with closing(Database(server.url)) as database, database.write() as session:
            for setting in (
                "session_preload_libraries = 'auto_explain'",
                "auto_explain.log_min_duration = 0",
                "auto_explain.log_analyze = on",
            ):
                session.execute(text(f"ALTER DATABASE router SET {setting}"))
        self.end()

    def end(self) -> str:
        """What was written since the last time."""
        written = self._log.read_text("utf-8", "replace")
        found, self._seen = written[self._seen :], len(written)
        return found


def measure(client: Client, kind: Kind, requests: int, plans: "Plans | None" = None) -> Result:
    """Ask so many times, each time something else of that kind."""
    chance = random.Random(kind.name)
    for _ in range(_WARM_UP):
        client.get(kind.path(chance))
    if plans:
        plans.end()
    answers = [client.get(kind.path(chance)) for _ in range(requests)]
    took = sorted(milliseconds for milliseconds, _body in answers)
    return Result(
        kind,
        median=statistics.median(took),
        p95=took[max(0, -(-95 * len(took) // 100) - 1)],
        slowest=took[-1],
        rows=max(_rows(body) for _milliseconds, body in answers),
        plan=plans.end() if plans else "",
    )


def _rows(body: bytes) -> int:
    try:
        return len(loads(body)["items"])
    except (ValueError, KeyError, TypeError):
        return 0  # no list


def report(results: list[Result]) -> list[Bar]:
    """Print the table; the bar of the slowest kind."""
    print(f"\n{'milliseconds':<28}{'median':>9}{'95 %':>9}{'slowest':>9}{'rows':>6}")
    for each in results:
        mark = f"  over {BAR_MS:.0f}" if each.is_slow else ""
        if not each.kind.has_bar:
            mark = "  (no bar)"
        print(
            f"{each.kind.name:<28}{each.median:>9.1f}{each.p95:>9.1f}{each.slowest:>9.1f}"
            f"{each.rows:>6}{mark}"
        )
    for each in results:
        if each.plan:
            print(f"\n--- {each.kind.name}\n{each.plan}")
    with_bar = [each for each in results if each.kind.has_bar]
    if not with_bar:
        return []
    slowest = max(with_bar, key=lambda each: each.p95)
    what = f"GET /studies, 95th percentile of the slowest kind ({slowest.kind.name})"
    return [Bar(what, slowest.p95, BAR_MS, "at most", "ms")]
