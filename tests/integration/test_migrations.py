"""Updates keep what earlier versions wrote."""

from contextlib import closing

from alembic import command
from sqlalchemy import text

from dicom_router.database import Database
from dicom_router.migrations import configuration, migrate
from dicom_router.models import Delivery, DeliveryInstance

_DELIVERY = """
    INSERT INTO deliveries (id, study_uid, revision, destination, state, attempt, created_at)
    VALUES ('d1', '1.2.3', 1, 'pacs', 'sending', 0, '2026-01-22 14:15:30')
"""
_INSTANCE = """
    INSERT INTO delivery_instances (delivery_id, receipt_id, state, attempts, aborts)
    VALUES ('d1', 'r1', 'delivered', 1, 0)
"""


def test_deliveries_and_their_instances_survive_the_second_version(empty_database_url: str) -> None:
    with closing(Database(empty_database_url)) as database:
        with database.write() as session:
            config = configuration()
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "0001")
            session.execute(text(_DELIVERY))
            session.execute(text(_INSTANCE))
        migrate(database)
        with database.write() as session:
            assert session.get_one(Delivery, "d1").replaced_by is None
            assert session.get_one(DeliveryInstance, ("d1", "r1")).state == "delivered"
            session.execute(text(_DELIVERY.replace("d1", "d2")))
            session.delete(session.get_one(Delivery, "d1"))
        with database.read() as session:
            assert session.get(DeliveryInstance, ("d1", "r1")) is None
