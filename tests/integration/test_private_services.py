"""The private servers behave as real ones do: they keep, lose, stop and leave nothing behind."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import psutil
import psycopg
import pytest
from pika.exceptions import ChannelClosedByBroker

from infra.private_services import (
    PrivatePostgres,
    PrivateRabbitMQ,
    PrivateServer,
    ServiceFailed,
)
from tests.conftest import started

pytestmark = pytest.mark.xdist_group("private services")

QUEUE = "kept"
DURABLE = pika.BasicProperties(delivery_mode=2)


@pytest.fixture(scope="module")
def own_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitMQ]:
    """One that these tests may treat badly."""
    yield from started(PrivateRabbitMQ(tmp_path_factory.mktemp("rabbitmq")))


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """One that these tests may treat badly."""
    yield from started(PrivatePostgres(tmp_path_factory.mktemp("postgres")))


def publish(broker: PrivateRabbitMQ) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", QUEUE, b"hello", DURABLE)


def is_published(broker: PrivateRabbitMQ) -> bool:
    with pika.BlockingConnection(pika.URLParameters(broker.amqp_url)) as connection:
        channel = connection.channel()
        try:
            return channel.basic_get(QUEUE)[2] == b"hello"
        except ChannelClosedByBroker:
            return False


def insert(database: PrivatePostgres) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE kept (what text)")
        connection.execute("INSERT INTO kept VALUES ('hello')")


def is_inserted(database: PrivatePostgres) -> bool:
    with connect(database) as connection:
        try:
            return connection.execute("SELECT what FROM kept").fetchone() == ("hello",)
        except psycopg.errors.UndefinedTable:
            return False


def connect(database: PrivatePostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(database.url.replace("+psycopg", ""))


def family_of(server: PrivateServer) -> list[psutil.Process]:
    return [
        member
        for child in psutil.Process().children()
        if str(server.folder) in " ".join([*child.cmdline(), *child.environ().values()])
        for member in [child, *child.children(recursive=True)]
    ]


@pytest.mark.rabbitmq
def test_rabbitmq_keeps_its_messages_over_restart_and_kill_and_loses_them_with_its_disk(
    own_rabbitmq: PrivateRabbitMQ,
) -> None:
    publish(own_rabbitmq)
    own_rabbitmq.restart()
    assert is_published(own_rabbitmq)

    own_rabbitmq.kill()
    own_rabbitmq.start()
    assert is_published(own_rabbitmq)

    own_rabbitmq.kill()
    own_rabbitmq.lose_data()
    own_rabbitmq.start()
    assert not is_published(own_rabbitmq)


@pytest.mark.postgresql
def test_postgresql_keeps_its_rows_over_restart_and_kill_and_loses_them_with_its_disk(
    own_postgres: PrivatePostgres,
) -> None:
    insert(own_postgres)
    own_postgres.restart()
    assert is_inserted(own_postgres)

    own_postgres.kill()
    own_postgres.start()
    assert is_inserted(own_postgres)

    own_postgres.kill()
    own_postgres.lose_data()
    own_postgres.start()
    assert not is_inserted(own_postgres)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("end", [PrivateServer.stop, PrivateServer.kill])
def test_an_ended_rabbitmq_leaves_no_process(
    own_rabbitmq: PrivateRabbitMQ, end: Callable[[PrivateServer], None]
) -> None:
    if not own_rabbitmq.is_running:
        own_rabbitmq.start()
    family = family_of(own_rabbitmq)
    assert {"epmd", "beam.smp", "erl_child_setup"} <= {member.name() for member in family}

    end(own_rabbitmq)
    assert not [member for member in family if is_alive(member)]


@pytest.mark.postgresql
@pytest.mark.parametrize("end", [PrivateServer.stop, PrivateServer.kill])
def test_an_ended_postgresql_leaves_no_process(
    own_postgres: PrivatePostgres, end: Callable[[PrivateServer], None]
) -> None:
    if not own_postgres.is_running:
        own_postgres.start()
    family = family_of(own_postgres)
    assert len(family) > 1

    end(own_postgres)
    assert not [member for member in family if is_alive(member)]


@pytest.mark.postgresql
def test_postgresql_starts_in_spite_of_a_lock_file_that_names_another_program(
    own_postgres: PrivatePostgres,
) -> None:
    own_postgres.kill()
    lock = own_postgres.folder / "data" / "postmaster.pid"
    lock.write_text(f"{psutil.Process().pid}\n", "utf-8")

    own_postgres.start()
    assert own_postgres.is_running


@pytest.mark.postgresql
def test_a_running_server_does_not_let_its_data_be_deleted(own_postgres: PrivatePostgres) -> None:
    if not own_postgres.is_running:
        own_postgres.start()
    with pytest.raises(RuntimeError, match="stop or kill it"):
        own_postgres.lose_data()


@pytest.mark.postgresql
def test_a_server_that_cannot_start_says_where_its_log_is(own_postgres: PrivatePostgres) -> None:
    own_postgres.close()
    intruder = PrivatePostgres(own_postgres.folder)
    (own_postgres.folder / "data" / "PG_VERSION").rename(own_postgres.folder / "PG_VERSION")
    with pytest.raises(ServiceFailed, match=r"output\.log"):
        intruder.start()
    (own_postgres.folder / "PG_VERSION").rename(own_postgres.folder / "data" / "PG_VERSION")
    assert not intruder.is_running


PARENT = """
import sys
from pathlib import Path
from infra.private_services import PrivatePostgres, PrivateRabbitMQ

folder = Path(sys.argv[1])
servers = PrivateRabbitMQ(folder / "rabbitmq"), PrivatePostgres(folder / "postgres")
for server in servers:
    server.spawn()
for server in servers:
    server.wait_until_ready()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.rabbitmq
@pytest.mark.postgresql
def test_servers_end_with_a_parent_that_is_killed(
    tmp_path: Path, rabbitmq: PrivateRabbitMQ, postgres: PrivatePostgres
) -> None:
    assert rabbitmq.is_running, "installed, or this test would not have come this far"
    assert postgres.is_running
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) > 5

        parent.send_signal(signal.SIGKILL)
        parent.wait()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
