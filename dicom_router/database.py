"""The database: PostgreSQL where several processes work together, SQLite where one does it all.

`write()` is the only way to change anything: one short transaction, serialised on SQLite
(`BEGIN IMMEDIATE`), row-locked on PostgreSQL. Errors of the driver become `DatabaseUnavailable`
when waiting helps.
"""

import math
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from psycopg import Error as DriverError
from psycopg.errors import UndefinedTable
from sqlalchemy import (
    JSON,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Engine,
    Executable,
    String,
    Table,
    TypeDecorator,
    bindparam,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from dicom_router.errors import ConfigurationError, Unavailable
from dicom_router.said import said

__all__ = [
    "Database",
    "DatabaseUnavailable",
    "Session",
    "insert_or_ignore",
    "one_of",
    "table_of",
    "texts",
]

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
_USED_AT = "used-at"
_IDLE_SECONDS = 1.0
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
    if rows:
        session.execute(_insert_or_ignore(model, session.get_bind().dialect.name), list(rows))


@cache
def _insert_or_ignore(model: type[DeclarativeBase], dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table_of(model)).on_conflict_do_nothing()


def table_of(model: type[DeclarativeBase]) -> Table:
    """A model's table, for hot statements that need nothing of what the ORM does with them."""
    return cast("Table", model.__table__)


def texts(name: str) -> BindParameter[Collection[str]]:
    """A parameter of a statement that is made once: any number of texts, for `one_of`."""
    return bindparam(name, type_=_Texts())


def one_of(
    column: InstrumentedAttribute[Any] | Column[Any],
    values: Collection[str] | BindParameter[Collection[str]],
) -> ColumnElement[bool]:
    """Whether a text is one of these, however many: the statement is the same.

    So PostgreSQL may plan it once, and not for each number of values anew. What decides which of
    its partial indexes has the rows goes beside it by `models.among`: a plan made once knows no
    parameter.
    """
    if not isinstance(values, BindParameter):
        values = bindparam(None, values, _Texts())
    return _OneOf(column, values)


class _Texts(TypeDecorator[Collection[str]]):
    """Any number of texts: an array where there are arrays, else JSON."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = JSON() if dialect.name == "sqlite" else postgresql.ARRAY(String)
        return dialect.type_descriptor(kind)

    def process_bind_param(
        self,
        value: Collection[str] | None,
        dialect: Dialect,  # noqa: ARG002 - as SQLAlchemy calls it
    ) -> list[str]:
        return list(value or ())


class _OneOf(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_OneOf)
def _one_of_array(element: _OneOf, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, values = (compiler.process(each, **kwargs) for each in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_OneOf, "sqlite")
def _one_of_json(element: _OneOf, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, values = (compiler.process(each, **kwargs) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are SQL


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
    engine = create_engine(
        url,
        pool_size=5,
        max_overflow=20,
        pool_timeout=30,
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
    _ask_the_idle(engine)
    return engine


def _ask_the_idle(engine: Engine) -> None:
    """Make sure of a connection that was not in use just now: its server may have gone since.

    Of every one (`pool_pre_ping`) it would be one question more for each transaction.
    """

    @event.listens_for(engine, "checkin")
    def _on_checkin(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get(_USED_AT, math.inf) < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except DriverError as error:
            raise InvalidatePoolError from error


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
