"""The fixtures that other tests stand on: migrated databases and virtual hosts of one's own."""

import pika
import pytest
from sqlalchemy import create_engine, inspect, text


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_migrated_database_to_itself(database_url: str, turn: int) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        assert "alembic_version" in inspect(connection).get_table_names()
        assert "mine" not in inspect(connection).get_table_names(), f"seen in turn {turn}"
        connection.execute(text("CREATE TABLE mine (what INTEGER)"))
    engine.dispose()


@pytest.mark.rabbitmq
@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_virtual_host_to_itself(amqp_url: str, turn: int) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        declared = channel.queue_declare("mine", durable=True)
        assert declared.method.message_count == 0, f"seen in turn {turn}"
        channel.confirm_delivery()
        channel.basic_publish("", "mine", b"hello")
