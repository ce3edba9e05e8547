"""`make cluster`: the production shape without containers, every service a process of its own.

A private RabbitMQ and PostgreSQL under `<data folder>/.cluster`, two receivers behind one parent
that binds the ports, two organizers, two forwarders, one api. SIGTERM or Ctrl-C stops it all.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

from dicom_router.database import Database
from dicom_router.errors import ConfigurationError, RouterError
from dicom_router.migrations import migrate
from dicom_router.settings import Settings, load_settings
from infra.private_services import (
    USER,
    PrivatePostgres,
    PrivateRabbitMQ,
    ServiceFailed,
    ServiceMissing,
)
from infra.processes import POLL_SECONDS, end, spawn

SERVICES = (
    "receiver",  # one parent, whose workers are the receivers
    "organizer",
    "organizer",
    "forwarder",
    "forwarder",
    "api",
)
RECEIVERS = "2"
EXIT_CONFIGURATION = 2

# SIGTERM to the last process gone: 10 s. What the services leave of it is RabbitMQ's, whose
# orderly stop takes 6 s; killing it loses nothing (architecture.md, rule 3).
SERVICES_STOP_SECONDS = 7.0
ALL_STOP_SECONDS = 9.0

Child = tuple[str, subprocess.Popen[bytes]]


class ChildEnded(Exception):
    """A service ended that nobody had told to."""

    def __init__(self, service: str, code: int) -> None:
        """Take over the exit code of a bad configuration; everything else is a failure."""
        how = f"with code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        super().__init__(f"The {service} ended {how}, so the cluster stops.")
        self.code = EXIT_CONFIGURATION if code == EXIT_CONFIGURATION else 1


def main() -> int:
    """Run the cluster until it is told to stop or a part of it ends; the exit code."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _stop_once)
    try:
        settings = load_settings()
        with _only_one_in(settings.data_dir.absolute() / ".cluster") as folder:
            _run(
                settings, PrivateRabbitMQ(folder / "rabbitmq"), PrivatePostgres(folder / "postgres")
            )
    except ChildEnded as ended:
        print(ended, file=sys.stderr, flush=True)
        return ended.code
    except (ConfigurationError, ServiceMissing) as error:
        print(error, file=sys.stderr, flush=True)
        return EXIT_CONFIGURATION
    except (RouterError, ServiceFailed) as error:
        print(error, file=sys.stderr, flush=True)
        return 1


def _stop_once(*_: object) -> None:
    _let_no_signal_disturb()
    sys.exit(0)


def _let_no_signal_disturb() -> None:
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: None)


@contextmanager
def _only_one_in(folder: Path) -> Iterator[Path]:
    """Hold the folder for this process; the kernel lets go of it however the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ConfigurationError(f"ROUTER_DATA_DIR: cannot write to {folder}: {error}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"ROUTER_DATA_DIR: another cluster is running on {folder.parent}."
            ) from error
        yield folder


def _run(settings: Settings, broker: PrivateRabbitMQ, database: PrivatePostgres) -> NoReturn:
    """Start everything, watch over it, stop it in reverse order whatever happens."""
    children: list[Child] = []
    try:
        print("Starting RabbitMQ and PostgreSQL.", flush=True)
        broker.spawn()
        database.start()
        with closing(Database(database.url)) as connection:
            migrate(connection)
        broker.wait_until_ready()
        environment = _environment_of_services(broker, database)
        for service in SERVICES:
            children.append((service, _start(service, environment)))  # noqa: PERF401 - one by one
        print(_where_everything_is(settings, broker, database, children), flush=True)
        _watch(children, broker, database)
    finally:
        _stop(children, broker, database)


def _environment_of_services(
    broker: PrivateRabbitMQ, database: PrivatePostgres
) -> Mapping[str, str]:
    """The settings as given, but on this broker and this database."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ROUTER_AMQP_URL_FILE", "ROUTER_DATABASE_URL_FILE")
    }
    return (
        {"ROUTER_DICOM_WORKERS": RECEIVERS}
        | given
        | {
            "ROUTER_AMQP_URL": broker.amqp_url,
            "ROUTER_DATABASE_URL": database.url,
        }
    )


def _start(service: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"services.{service}"]
    return spawn(command, environment=environment, when_parent_dies=signal.SIGTERM)


def _where_everything_is(
    settings: Settings, broker: PrivateRabbitMQ, database: PrivatePostgres, children: list[Child]
) -> str:
    ports = ", ".join(str(port) for port in settings.dicom_ports)
    scheme = "https" if settings.http_tls_cert else "http"
    lines = {
        "DICOM": f"{settings.dicom_host}, port {ports}, AE title {settings.ae_title}",
        "Dashboard": f"{scheme}://{settings.http_host}:{settings.http_port}/",
        "RabbitMQ": f"{broker.management_url}, user {USER}, password in {broker.password_file}",
        "PostgreSQL": f"postgresql://{USER}@127.0.0.1:{database.port}/router, "
        f"password in {database.password_file}",
        "Data": str(settings.data_dir.absolute()),
        "Processes": ", ".join(
            f"{name} {pid}"
            for name, pid in [
                *((service, process.pid) for service, process in children),
                ("rabbitmq", broker.pid),
                ("postgresql", database.pid),
            ]
        ),
    }
    return "\n".join(f"{name + ':':<12}{text}" for name, text in lines.items())


def _watch(children: list[Child], broker: PrivateRabbitMQ, database: PrivatePostgres) -> NoReturn:
    """Until something ends, which is then named; a signal leaves from here by `SystemExit`."""
    while True:
        for service, process in children:
            if process.poll() is not None:
                raise ChildEnded(service, process.returncode)
        for server in (broker, database):
            if not server.is_running:
                raise ServiceFailed(f"{server.name} ended, so the cluster stops: see {server.log}.")
        time.sleep(POLL_SECONDS)


def _stop(children: list[Child], broker: PrivateRabbitMQ, database: PrivatePostgres) -> None:
    """Services first, all together, then what they stand on."""
    _let_no_signal_disturb()
    begun = time.monotonic()
    end([process for _, process in children], signal.SIGTERM, begun + SERVICES_STOP_SECONDS)
    for server in (database, broker):
        server.stop(begun + ALL_STOP_SECONDS - time.monotonic())


if __name__ == "__main__":
    sys.exit(main())
