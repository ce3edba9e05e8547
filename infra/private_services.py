"""A real RabbitMQ and a real PostgreSQL of one's own: free loopback ports, own folder, own epmd.

For tests, for chaos in tests, and for `make cluster`. They never touch a system's cluster and end
with the process that started them. `close` and the end of a `with` kill; `stop` is orderly.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from abc import ABC, abstractmethod
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from infra.ports import LOOPBACK, free_ports
from infra.processes import as_user, end, spawn

USER = "router"
START_SECONDS = 90  # a cold RabbitMQ takes 10 s, on a machine that is busy with other tests longer
STOP_SECONDS = 15  # RabbitMQ 3.10 takes 6.5 s
CONNECT_SECONDS = 2.0


class ServiceMissing(Exception):
    """The program is not installed; the text says what to install."""


class ServiceFailed(Exception):
    """The program did not start or did not become ready; the text says where its log is."""


class PrivateServer(ABC):
    """What both have in common: one folder, and processes that can be ended in every way."""

    name: str

    def __init__(self, folder: Path) -> None:
        """Nothing is started yet; what an earlier server left in `folder` is used again."""
        self.folder = folder.absolute()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start it and wait until it is ready."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether the server's own process is there."""
        return bool(self._processes) and self._processes[-1].poll() is None

    @property
    def pid(self) -> int:
        """The server's process; it must have been started."""
        return self._processes[-1].pid

    @property
    def password_file(self) -> Path:
        """Where the password of `USER` is kept, readable by its owner only; made on first use."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24), "ascii")
        return file

    @property
    def password(self) -> str:
        """The password of `USER`."""
        return self.password_file.read_text("ascii")

    @property
    def log(self) -> Path:
        """What the processes print."""
        return self.folder / "output.log"

    def start(self) -> None:
        """Start the server and wait until it serves; raises `ServiceMissing`, `ServiceFailed`."""
        self.spawn()
        self.wait_until_ready()

    @abstractmethod
    def spawn(self) -> None:
        """Start the processes from the main thread, without waiting for them."""

    def wait_until_ready(self) -> None:
        """Wait for a real answer of the server; when none comes it is killed."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.is_running:
                self._give_up("ended while it was starting")
            if time.monotonic() > deadline:
                self._give_up(f"was not ready after {START_SECONDS} s")
            _wait_a_moment_for(self._processes[-1])

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Stop in order; what is still there after `seconds` is killed."""
        deadline = time.monotonic() + seconds
        while self._processes:
            end([self._processes.pop()], self._stop_signal, deadline)

    def kill(self) -> None:
        """End at once, as a power cut would; data stays."""
        now = time.monotonic()
        while self._processes:
            end([self._processes.pop()], signal.SIGKILL, now + 1)

    close = kill

    def restart(self) -> None:
        """Stop in order and start again, on the same ports and data."""
        self.stop()
        self.start()

    def lose_data(self) -> None:
        """Delete all that the stopped server has stored: its disk is gone, its address stays."""
        if self._processes:
            raise RuntimeError(f"{self.name} is running: stop or kill it before it loses its data")
        shutil.rmtree(self._data, ignore_errors=True)

    @property
    @abstractmethod
    def _data(self) -> Path: ...

    @property
    @abstractmethod
    def _stop_signal(self) -> signal.Signals: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    def _give_up(self, what: str) -> None:
        self.kill()
        raise ServiceFailed(f"The private {self.name} {what}: see {self.log}.")


class PrivateRabbitMQ(PrivateServer):
    """A RabbitMQ node with its management console, and the epmd that it needs."""

    name = "RabbitMQ"
    _stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        """Choose four ports; they stay the same until this object goes."""
        super().__init__(folder)
        self.port, self.management_port, self._distribution_port, self._epmd_port = free_ports(4)

    @property
    def amqp_url(self) -> str:
        """The URL of the default virtual host."""
        return self.amqp_url_of("%2F")

    def amqp_url_of(self, virtual_host: str) -> str:
        """The URL of one virtual host."""
        return f"amqp://{USER}:{self.password}@{LOOPBACK}:{self.port}/{virtual_host}"

    @property
    def management_url(self) -> str:
        """The console; its API is under `/api`, for `USER` with `password`."""
        return f"http://{LOOPBACK}:{self.management_port}"

    def spawn(self) -> None:
        """Start epmd and the node; as this user, whoever that is."""
        epmd = _program("RabbitMQ", "rabbitmq-server", "epmd")
        # Debian's program in the PATH is a wrapper that insists on another user.
        server = _program("RabbitMQ", "rabbitmq-server", "rabbitmq-server", "/usr/lib/rabbitmq/bin")
        self._write_configuration()
        # In the foreground, because the one that Erlang would start itself leaves the session.
        mapper = [epmd, "-address", LOOPBACK, "-port", str(self._epmd_port)]
        for command in (mapper, [server]):
            self._processes.append(
                spawn(
                    command,
                    environment=self._environment,
                    when_parent_dies=signal.SIGKILL,
                    output=self.log,
                )
            )

    def create_virtual_host(self, name: str) -> str:
        """Make an empty virtual host and return its URL."""
        self._api("PUT", f"/api/vhosts/{name}")
        return self.amqp_url_of(name)

    def delete_virtual_host(self, name: str) -> None:
        """Delete a virtual host with all that is in it."""
        self._api("DELETE", f"/api/vhosts/{name}")

    def _api(self, method: str, path: str) -> None:
        token = b64encode(f"{USER}:{self.password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - always http
            self.management_url + path,
            method=method,
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass

    @property
    def _data(self) -> Path:
        return self.folder / "mnesia"

    @property
    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_"))
        }
        return inherited | {
            "HOME": str(self.folder),  # the Erlang cookie
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(self._data),
            "RABBITMQ_NODENAME": "router@localhost",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # No shell between us and the node: signals and the parent's death reach it directly.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_configuration(self) -> None:
        for folder in (self._data, self.folder / "log", self.folder / "generated"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n", "ascii")
        configuration = self.folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"listeners.tcp.1 = {LOOPBACK}:{self.port}\n"
            f"management.tcp.ip = {LOOPBACK}\n"
            f"management.tcp.port = {self.management_port}\n"
            f"default_user = {USER}\n"
            f"default_pass = {self.password}\n",
            "utf-8",
        )

    def _answers(self) -> bool:
        """Whether the node answers a protocol header with Connection.Start, its first method."""
        try:
            with socket.create_connection((LOOPBACK, self.port), CONNECT_SECONDS) as connection:
                connection.settimeout(CONNECT_SECONDS)
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


class PrivatePostgres(PrivateServer):
    """A PostgreSQL server with the database `router`, owned by the superuser `router`."""

    name = "PostgreSQL"
    _stop_signal = signal.SIGINT  # "fast": end the sessions, then write everything

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        """Choose a port. `fsync=False` is for tests that do not pull the plug."""
        super().__init__(folder)
        (self.port,) = free_ports(1)
        self.fsync = fsync

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the database `router`."""
        return self.url_of("router")

    def url_of(self, database: str) -> str:
        """SQLAlchemy's URL of one database."""
        return f"postgresql+psycopg://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def spawn(self) -> None:
        """Start the server on a data folder that is made when there is none."""
        server = _program("PostgreSQL", "postgresql", "postgres", *_postgres_folders())
        if not self._data.exists():
            self._initialise(str(Path(server).with_name("initdb")))
        self._end_survivor()
        options = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "fsync": "on" if self.fsync else "off",
        }
        settings = [part for option in options.items() for part in ("-c", "=".join(option))]
        process = spawn(
            [server, "-D", str(self._data), *settings],
            environment=self._environment,
            when_parent_dies=signal.SIGQUIT,  # at once, but with all its own children
            user=_owner(),
            output=self.log,
        )
        self._processes.append(process)

    def wait_until_ready(self) -> None:
        """Wait for the server and see that its database is there."""
        super().wait_until_ready()
        with self._connection() as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = 'router'")
            missing = found.fetchone() is None
        if missing:
            self.create_database("router")

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a database, as a copy of `template`, and return its URL."""
        with self._connection() as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Delete a database, whoever is still connected to it."""
        with self._connection() as connection:
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name)))

    def _connection(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=USER,
            password=self.password,
            dbname="postgres",
            connect_timeout=int(CONNECT_SECONDS),
            autocommit=True,
        )

    def _answers(self) -> bool:
        try:
            self._connection().close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _environment(self) -> dict[str, str]:
        return {name: text for name, text in os.environ.items() if not name.startswith("PG")}

    def _initialise(self, initdb: str) -> None:
        """Make the data folder under another name first: half a data folder would never start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        owner = _owner()
        if owner:
            shutil.chown(unfinished, owner)
        command = [
            *(["setpriv", *as_user(owner)] if owner else []),
            initdb,
            f"--pgdata={unfinished}",
            f"--username={USER}",
            f"--pwfile={self.password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            *([] if self.fsync else ["--no-sync"]),
        ]
        with self.log.open("ab") as log:
            made = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if made.returncode:
            raise ServiceFailed(f"initdb ended with {made.returncode}: see {self.log}.")
        unfinished.rename(self._data)

    def _end_survivor(self) -> None:
        """See to the lock file of an earlier server on this folder that was not stopped."""
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        pid = int(lock.read_text("utf-8").split()[0])
        deadline = time.monotonic() + STOP_SECONDS
        while _works_in(pid, self._data) and time.monotonic() < deadline:
            os.kill(pid, signal.SIGQUIT)
            time.sleep(0.1)
        lock.unlink(missing_ok=True)  # its number may be another program's by now


def _works_in(pid: int, folder: Path) -> bool:
    """Whether a process has its working directory there, as a PostgreSQL server has."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _owner() -> str | None:
    """The user that must own PostgreSQL's data: it refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _postgres_folders() -> list[str]:
    """Debian's folders, the newest release first."""
    releases = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda release: int(release.name))
    return [str(release / "bin") for release in reversed(releases)]


def _program(service: str, package: str, name: str, *folders: str) -> str:
    """Find a program in folders of its package or else in the PATH."""
    for path in (*folders, None):
        found = shutil.which(name, path=path)
        if found:
            return found
    raise ServiceMissing(f"{service} is not installed here: apt-get install {package}.")


def _wait_a_moment_for(process: subprocess.Popen[bytes]) -> None:
    """Until the process ends, but not for long."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return
