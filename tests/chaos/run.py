"""One run of a plan, on a virtual host, a database, a folder and ports of its own."""

import heapq
import itertools
import json
import random
import shutil
import threading
import time
import urllib.error
import urllib.parse
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import select

from dicom_router.database import Database
from dicom_router.errors import Unavailable
from dicom_router.migrations import migrate
from dicom_router.models import Receipt
from infra.private_services import PrivatePostgres, PrivateRabbitMQ, ServiceFailed
from tests.chaos.plan import DESTINATIONS, Act, Image, Plan, plan
from tests.chaos.router import ChaosRouter, Zygote
from tests.chaos.scanner import Account, File, Scanner, make_files, study_uid_of
from tests.chaos.verdict import Verdict, judge, unrest
from tests.support.pacs import Pacs
from tests.support.waiting import wait_for

REST_SECONDS = 120.0  # to come to rest in, once all faults are over; 5 on a machine that is idle
PATIENCE_SECONDS = 15.0  # of a scanner, which then gives an image up
_READY_SECONDS = 60.0
_TEMPLATE = "template_chaos"
_POLL_SECONDS = 0.2
_MORE_STARTS = 2  # of RabbitMQ: each may take 90 s, which a very busy machine has needed
_STATUSES = {"refusing": 0x0110, "A700": 0xA700, "warning": 0xB000}
_SLOW_SECONDS = 0.3


@dataclass
class Outcome:
    """How a run ended; `folder` has its files if something is wrong."""

    seed: int
    verdict: Verdict
    faults: Counter[str]
    seconds: float
    folder: str = ""


class Servers:
    """A broker and a database server, which live on from run to run; for the main thread."""

    def __init__(self, rabbitmq: PrivateRabbitMQ, postgres: PrivatePostgres) -> None:
        self.rabbitmq, self.postgres = rabbitmq, postgres
        self._has_template = False

    def make_database(self, name: str) -> str:
        """A migrated database; its URL."""
        if not self._has_template:
            with closing(Database(self.postgres.create_database(_TEMPLATE))) as database:
                migrate(database)
            self._has_template = True
        return self.postgres.create_database(name, _TEMPLATE)

    def make_virtual_host(self, name: str) -> str:
        """A virtual host, which may be there already; its URL."""

        def made() -> str:
            try:
                return self.rabbitmq.create_virtual_host(name)
            except (urllib.error.URLError, ConnectionError):  # it comes up after the broker
                return ""

        return wait_for(made, "RabbitMQ's management", _READY_SECONDS)

    def repair(self) -> None:
        """Have both running again, whatever was done to them."""
        if not self.postgres.is_running:
            self.postgres.start()
        if not self.rabbitmq.is_running:
            self.rabbitmq.spawn()
        for _ in range(_MORE_STARTS):
            try:
                self.rabbitmq.wait_until_ready()
            except ServiceFailed:
                self.rabbitmq.spawn()
            else:
                return
        self.rabbitmq.wait_until_ready()


class Agenda:
    """What is to be done at which moment of a phase, in seconds from its beginning."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._pause = threading.Event()

    def add(self, at: float, do: Callable[[], None]) -> None:
        """Have something done then."""
        heapq.heappush(self._due, (at, next(self._numbers), do))

    def go_through(self) -> None:
        """Do all of it, also what is added meanwhile."""
        while self._due:
            at, _, do = heapq.heappop(self._due)
            self._pause.wait(max(0.0, self._begun + at - time.monotonic()))
            do()


@dataclass
class Run:
    """A plan being carried out; for the main thread, from which servers are started."""

    plan: Plan
    servers: Servers
    router: ChaosRouter
    destinations: list[Pacs]
    virtual_host: str
    database: Database
    files: dict[Image, File]
    rest_seconds: float
    account: Account = field(default_factory=Account)
    faults: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    scanners: list[Scanner] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def carry_out(self) -> Verdict:
        """All phases, then rest, then the judgement."""
        self._set_up()
        for phase, rest in zip(self.plan.phases, self.plan.rests, strict=True):
            agenda = Agenda()
            for act in phase:
                agenda.add(act.at, partial(self._begin, act, agenda))
            agenda.go_through()
            if rest and (why := self._calm_down()):
                return self._verdict(
                    f"not at rest {self.rest_seconds:g} s after the last fault: {why}"
                )
        return self._verdict("")

    def tell(self, what: str) -> None:
        """Add to the story."""
        self.story.append(f"{time.monotonic() - self.begun:6.2f} s  {what}")

    def _set_up(self) -> None:
        self.router.start_all()
        wait_for(self._is_ready, lambda: f"the router to start:\n{self.router.log()}", 60)
        self.tell("the router is ready")

    def _is_ready(self) -> bool:
        known = {each["name"] for each in self.router.items("/destinations")}
        for number, pacs in enumerate(self.destinations, 1):
            if f"pacs-{number}" not in known:
                where = {"host": "127.0.0.1", "port": pacs.port, "ae_title": pacs.ae_title}
                self.router.post("/destinations", {"name": f"pacs-{number}", **where})
        return len(known) == len(self.destinations)

    # -- acts ----------------------------------------------------------------------------------

    def _begin(self, act: Act, agenda: Agenda) -> None:
        self.tell(f"[{act}]")
        if act.what == "send":
            self._send(act)
            return
        name = f"PACS {act.text}" if act.what == "pacs" else act.what
        name = f"{act.what} {act.text}" if act.what in ("kill", "stop") else name
        over = self._fault(act)
        if over is None:
            return
        self.faults[name] += 1

        def end() -> None:
            over()
            self.tell(f"over: [{act}]")

        agenda.add(act.at + act.seconds, end)

    def _send(self, act: Act) -> None:
        scanner = Scanner(
            f"CT{len(self.scanners) + 1}",
            self.router.dicom_port,
            [self.files[image] for image in act.images],
            self.account,
            end=act.text,
            after=act.which,
            patience=PATIENCE_SECONDS,
        )
        self.scanners.append(scanner)
        self.faults[f"association {act.text}"] += act.text != "released"
        scanner.thread.start()

    def _fault(self, act: Act) -> Callable[[], None] | None:
        """Begin a fault; what ends it, None if there was nothing to be done."""
        kinds: dict[str, Callable[[Act], Callable[[], None] | None]] = {
            "kill": self._kill,
            "stop": self._stop,
            "power": self._lose_power,
            "postgresql": self._stop_postgresql,
            "broker": self._kill_broker,
            "broker-data": self._lose_broker_data,
            "disk": self._fill_disk,
            "pacs": self._disturb_pacs,
            "hold": self._hold,
            "again": self._send_again,
        }
        return kinds[act.what](act)

    def _kill(self, act: Act) -> Callable[[], None] | None:
        number = self._number(act)
        return self.router.start_all if self.router.kill_service(act.text, number) else None

    def _stop(self, act: Act) -> Callable[[], None] | None:
        number = self._number(act)
        return self.router.start_all if self.router.stop_service(act.text, number) else None

    def _number(self, act: Act) -> int:
        counts = {"organizer": self.plan.organizers, "forwarder": self.plan.forwarders}
        return min(act.which, counts.get(act.text, 1))

    def _lose_power(self, act: Act) -> Callable[[], None]:
        left = self.router.lose_power(random.Random(act.which))
        if act.text:
            self.servers.postgres.kill()
            self.servers.postgres.start()
        self.faults["changes of names undone by power cuts"] += len(left.undone)
        self.faults["files torn by power cuts"] += len(left.torn)
        self.tell(f"  undone: {left.undone}; torn: {left.torn}")
        return self.router.start_all

    def _stop_postgresql(self, _act: Act) -> Callable[[], None] | None:
        if not self.servers.postgres.is_running:
            return None
        self.servers.postgres.stop()
        return self._start_postgresql

    def _start_postgresql(self) -> None:
        if not self.servers.postgres.is_running:
            self.servers.postgres.start()

    def _kill_broker(self, _act: Act) -> Callable[[], None] | None:
        if not self.servers.rabbitmq.is_running:
            return None
        self.servers.rabbitmq.kill()
        return self._start_broker

    def _lose_broker_data(self, act: Act) -> Callable[[], None] | None:
        over = self._kill_broker(act)
        if over is not None:
            self.servers.rabbitmq.lose_data()
        return over

    def _start_broker(self) -> None:
        """Without waiting: it takes 10 s, in which everything else goes on."""
        if not self.servers.rabbitmq.is_running:
            self.servers.rabbitmq.spawn()

    def _fill_disk(self, _act: Act) -> Callable[[], None]:
        self.router.fill_disk(True)
        return lambda: self.router.fill_disk(False)

    def _disturb_pacs(self, act: Act) -> Callable[[], None]:
        pacs = self.destinations[act.which - 1]
        _well(pacs)
        if act.text == "down":
            pacs.down()
        elif act.text == "hanging":
            pacs.gate.clear()
        pacs.status = _STATUSES.get(act.text, 0)
        pacs.pause_seconds = _SLOW_SECONDS if act.text == "slow" else 0.0
        pacs.aborts_all, pacs.reject = act.text == "aborting", act.text == "rejecting"
        return lambda: _well(pacs)

    def _hold(self, act: Act) -> Callable[[], None] | None:
        """A person holds a study back, and lets it go."""
        path = f"/studies/{study_uid_of(self.plan.seed, act.which)}"
        if not self.router.post(f"{path}/hold", {"reason": "chaos"}):
            return None
        return lambda: self._release(path)

    def _release(self, path: str) -> None:
        self.router.post(f"{path}/release", {"reason": "chaos is over"})

    def _send_again(self, act: Act) -> Callable[[], None] | None:
        """A person has a study sent again, all of it."""
        path = f"/studies/{study_uid_of(self.plan.seed, act.which)}/forward"
        return _nothing if self.router.post(path, {"only_missing": False}) else None

    # -- rest ----------------------------------------------------------------------------------

    def _calm_down(self) -> str:
        """End all faults and wait for rest; what it waits for in vain, or nothing."""
        self.router.fill_disk(False)
        for pacs in self.destinations:
            _well(pacs)
        self.servers.repair()
        self.servers.make_virtual_host(self.virtual_host)
        self.router.start_all()
        for scanner in self.scanners:
            scanner.thread.join(PATIENCE_SECONDS + 45)
            if scanner.thread.is_alive():
                return f"{scanner.name} waits for an answer"
        self.tell("all faults are over, all scanners are done")
        deadline = time.monotonic() + self.rest_seconds
        pause = threading.Event()
        while (why := self._unrest()) and time.monotonic() < deadline:
            pause.wait(_POLL_SECONDS)
        self.tell(f"waits for: {why}" if why else "all is at rest")
        return why

    def _unrest(self) -> str:
        try:
            self._help()
            return unrest(self.router, self.database)
        except Unavailable as error:
            return str(error)

    def _help(self) -> None:
        """What a person would do now that all is well again: try again, let go."""
        for study in self.router.items("/studies?state=held"):
            self._release(f"/studies/{study['study_uid']}")
        for delivery in self.router.items("/deliveries?state=failed"):
            if self.router.post(f"/deliveries/{delivery['id']}/retry"):
                self.faults["deliveries that failed and were tried again by a person"] += 1

    def _verdict(self, why: str) -> Verdict:
        verdict = judge(self.router, self.database, self.destinations, self.account)
        self.faults["stops that took more than 10 s"] += self.router.overdue
        verdict.other += [each for each in (why, *self.router.ended) if each]
        return verdict

    # -- what is kept --------------------------------------------------------------------------

    def report(self, verdict: Verdict, folder: Path) -> None:
        """Write down all that helps to understand what went wrong."""
        parts = ["\n".join(verdict.complaints), str(self.plan), "\n".join(self.story)]
        parts.append("\n".join(map(str, self.account.answers)))
        with self.database.read() as session:
            rows = session.scalars(select(Receipt).order_by(Receipt.receipt_id)).all()
            parts.append("\n".join(_shown(row) for row in rows))
        for study in self.router.items("/studies"):
            uid = urllib.parse.quote(study["study_uid"])
            told = self.router.get(f"/studies/{uid}/timeline") or []
            lines = [f"{each['at']} {each['event']}: {each['detail']}" for each in told]
            parts.append("\n".join([json.dumps(study, indent=1), *lines]))
        (folder / "report.txt").write_text("\n\n".join(parts), "utf-8")


def _shown(receipt: Receipt) -> str:
    return (
        f"{receipt.receipt_id} {receipt.state} {receipt.sop_instance_uid} "
        f"revision {receipt.revision} {receipt.sha256[:8]} {receipt.file_name}"
    )


def _nothing() -> None:
    """What is over at once."""


def _well(pacs: Pacs) -> None:
    pacs.status, pacs.pause_seconds = 0, 0.0
    pacs.aborts_all = pacs.reject = False
    pacs.gate.set()
    if not pacs.is_up:
        pacs.up()


def carry_out(
    seed: int,
    servers: Servers,
    zygote: Zygote,
    place: Path,
    bug: str = "",
    rest_seconds: float = REST_SECONDS,
) -> Outcome:
    """Run the plan of a seed; its files stay below `place` if something is wrong."""
    chosen = plan(seed)
    folder = place / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.monotonic()
    servers.repair()
    name = f"seed_{seed}_{time.time_ns()}"
    virtual_host = servers.make_virtual_host(name)
    url = servers.make_database(name)
    with ExitStack() as stack:
        destinations = [stack.enter_context(Pacs(f"PACS{n + 1}")) for n in range(DESTINATIONS)]
        router = ChaosRouter(
            folder,
            zygote,
            bug,
            {
                "receiver": 1,
                "organizer": chosen.organizers,
                "forwarder": chosen.forwarders,
                "api": 1,
            },
            ROUTER_AMQP_URL=virtual_host,
            ROUTER_DATABASE_URL=url,
            ROUTER_RETENTION_HOURS=chosen.retention_hours,
            ROUTER_DICOM_WORKERS=chosen.receivers,
        )
        stack.callback(router.kill)
        database = stack.enter_context(closing(Database(url)))
        files = make_files(folder / "images", seed, chosen.sizes)
        run = Run(chosen, servers, router, destinations, name, database, files, rest_seconds)
        verdict = run.carry_out()
        if verdict.complaints:
            run.report(verdict, folder)
    servers.repair()
    servers.rabbitmq.delete_virtual_host(name)
    servers.postgres.drop_database(name)
    if not verdict.complaints:
        shutil.rmtree(folder)
        folder = Path()
    return Outcome(seed, verdict, run.faults, time.monotonic() - begun, str(folder))
