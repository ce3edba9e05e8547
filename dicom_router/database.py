"""The database: PostgreSQL where several processes work together, SQLite where one does it all.

`write()` is the only way to change anything: one short transaction, serialised on SQLite
(`BEGIN IMMEDIATE`), row-locked on PostgreSQL. Errors of the driver become `DatabaseUnavailable`
when waiting helps.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg.errors import UndefinedTable
from sqlalchemy import ColumnElement, Engine, String, any_, bindparam, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.pool import ConnectionPoolEntry

from dicom_router.errors import ConfigurationError, Unavailable
from dicom_router.said import said

__all__ = ["Database", "DatabaseUnavailable", "Session", "insert_or_ignore", "one_of"]

# What a file system calls itself when its files are on another machine: SQLite's locks and its
# write-ahead log can't be trusted there.
_NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "glusterfs",
    "9p",
    "lustre",
}
_BUSY_TIMEOUT_MS = 30_000
_NOT_A_URL = (
    "ROUTER_DATABASE_URL can't be understood: it is postgresql+psycopg://user:password@host:port/"
    "name, where special characters in the password are written as %40 for @, %2F for / and so on"
)


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or told this transaction to be tried again."""


class Database:
    """Sessions on one database; close it when done. Thread-safe.

    PostgreSQL plans a statement that comes often once for all values. With `plans_for_values` it
    plans for those that are given each time, as it has to where one of them is in a third of all
    rows and another in none.
    """

    def __init__(self, url: str, *, plans_for_values: bool = False) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            parsed = None
        # A password with an @ of its own would make its end a part of the host, which is logged.
        if parsed is None or "@" in (parsed.host or ""):
            raise ConfigurationError(_NOT_A_URL)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database:
            _refuse_network_file_system(Path(parsed.database))
        self._engine = (
            _sqlite_engine(parsed) if self.is_sqlite else _postgresql_engine(url, plans_for_values)
        )
        self._writing = self._engine.execution_options(writing=True)
        # Without a transaction, which PostgreSQL would be told to begin and to end.
        self._reading = (
            self._engine
            if self.is_sqlite
            else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading: one moment's view on SQLite, each statement's own elsewhere."""
        with _translated(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back by any exception."""
        if self.is_sqlite:
            with self._writer, self._transaction() as session:
                yield session
        else:
            with self._transaction() as session:
                yield session

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with _translated(), Session(self._writing, expire_on_commit=False) as session:
            yield session
            session.commit()

    @property
    def engine(self) -> Engine:
        """For migrations."""
        return self._engine

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()


def insert_or_ignore(
    session: Session, model: type[DeclarativeBase], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows of a model, leaving alone those that are there already (any unique key)."""
    if not rows:
        return
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    session.execute(insert(model).on_conflict_do_nothing(), list(rows))


def one_of(
    session: Session, column: InstrumentedAttribute[Any], values: Collection[str]
) -> ColumnElement[bool]:
    """Whether a text is one of these, however many: the statement is the same.

    So PostgreSQL may plan it once, and not for each number of values anew. What decides which of
    its partial indexes has the rows goes beside it by `models.among`: a plan made once knows no
    parameter.
    """
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(values)
    return column == any_(bindparam(None, list(values), postgresql.ARRAY(String)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable(
            said("The database can't be used now: {cause}", cause=_cause(error))
        ) from error
    except DBAPIError as error:
        if isinstance(error.orig, UndefinedTable):
            raise DatabaseUnavailable(
                said("The database's schema has not been made yet")
            ) from error
        if error.connection_invalidated:
            raise DatabaseUnavailable(
                said("The database went away: {cause}", cause=_cause(error))
            ) from error
        raise


def _cause(error: Exception) -> str:
    """The driver's own first line: SQLAlchemy's text would show parameters, patients' data."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _postgresql_engine(url: str, plans_for_values: bool) -> Engine:
    planning = "force_custom_plan" if plans_for_values else "auto"
    return create_engine(
        url,
        pool_size=5,
        max_overflow=20,
        pool_timeout=30,
        pool_pre_ping=True,
        hide_parameters=True,
        # A statement that waits longer than this for a lock is stuck behind something broken. To
        # compile one takes longer than all that are run here.
        connect_args={
            "connect_timeout": 5,
            "options": (
                f"-c lock_timeout=20s -c timezone=UTC -c jit=off -c plan_cache_mode={planning}"
            ),
        },
    )


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(
        _without_creating(url),
        hide_parameters=True,
        pool_size=20,
        max_overflow=40,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _without_creating(url: URL) -> URL:
    """The URL of a file that is made here and now, if need be, and never by connecting to it.

    Else a connection that is opened while the file's disk is away would leave an empty database on
    the mount point.
    """
    if not url.database or url.database.startswith(("file:", ":memory:")):
        return url
    try:
        Path(url.database).touch(mode=0o640)
    except OSError as error:
        raise ConfigurationError(
            f"ROUTER_DATABASE_URL: {url.database} can't be made or written ({error.strerror}): see "
            "that its folder is there and belongs to the router's user"
        ) from error
    return url.set(database=f"file:{quote(url.database)}", query={"mode": "rw", "uri": "true"})


def _refuse_network_file_system(path: Path) -> None:
    kind = _file_system_of(path.absolute())
    if kind in _NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"ROUTER_DATABASE_URL: SQLite can't be kept at {path}, which is on a network file "
            f"system ({kind}); use PostgreSQL"
        )


def _file_system_of(path: Path) -> str:
    """The type of the file system that a path is on (Linux); empty elsewhere."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8")
    except OSError:
        return ""
    best, kind = "", ""
    for line in mounts.splitlines():
        _device, mounted_on, type_, *_rest = line.split(" ")
        point = mounted_on.replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, type_
    return kind
