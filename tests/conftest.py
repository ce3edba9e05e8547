"""Real servers for tests: started when the first test asks, private, gone at the end.

One that is not installed skips the test for a person and fails it where `CI=true`.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from dicom_router.database import Database
from dicom_router.migrations import migrate
from infra.private_services import PrivatePostgres, PrivateRabbitMQ, PrivateServer, ServiceMissing
from tests.support.leftovers import mark_this_run, processes_of_run

Server = TypeVar("Server", bound=PrivateServer)


def skip_or_fail(reason: str) -> NoReturn:
    """Something real is missing here."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    mark = mark_this_run()
    yield
    left = processes_of_run(mark)
    assert not left, "the tests left processes behind:\n" + "\n".join(left)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """`figure("812 images/s")` has what a test measured printed when all have run."""

    def record(text: str) -> None:
        request.node.user_properties.append(("figure", text))

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all tests, in whichever process these ran."""
    figures = [
        f"{report.nodeid}: {text}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"  # knows all that the test has recorded
        for name, text in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
    for line in sorted(figures):
        terminalreporter.line(line)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ROUTER_", "TARGET_")):
            monkeypatch.delenv(name)


def started(server: Server) -> Iterator[Server]:
    """The body of a fixture: start, or skip or fail where it is not installed; kill at the end."""
    try:
        server.start()
    except ServiceMissing as error:
        skip_or_fail(str(error))
    yield server
    server.close()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitMQ]:
    """The session's RabbitMQ: whoever stops it must start it again."""
    yield from started(PrivateRabbitMQ(tmp_path_factory.mktemp("rabbitmq")))


@pytest.fixture
def amqp_url(rabbitmq: PrivateRabbitMQ) -> Iterator[str]:
    """A virtual host for this test alone, empty at its start."""
    name = uuid.uuid4().hex
    yield rabbitmq.create_virtual_host(name)
    rabbitmq.delete_virtual_host(name)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """The session's PostgreSQL: whoever stops it must start it again. Not for pulling the plug."""
    yield from started(PrivatePostgres(tmp_path_factory.mktemp("postgres"), fsync=False))


@pytest.fixture(scope="session")
def _postgresql_template(postgres: PrivatePostgres) -> str:
    """A database on which the migrations have run, for others to be copied from."""
    name = "template_migrated"
    with closing(Database(postgres.create_database(name))) as database:
        migrate(database)
    return name


@pytest.fixture
def postgresql_url(postgres: PrivatePostgres, _postgresql_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database for this test alone."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name, _postgresql_template)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated SQLite database and its companions."""
    folder = tmp_path_factory.mktemp("sqlite")
    with closing(Database(f"sqlite:///{folder / 'router.sqlite3'}")) as database:
        migrate(database)
    return folder


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database for this test alone."""
    folder = shutil.copytree(_sqlite_template, tmp_path / "sqlite")
    return f"sqlite:///{folder / 'router.sqlite3'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database for this test alone: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As `database_url`, with no schema in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    postgres: PrivatePostgres = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
