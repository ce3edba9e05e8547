"""Updates keep what earlier versions wrote."""

from contextlib import closing

from alembic import command
from sqlalchemy import text

from dicom_router.database import Database
from dicom_router.migrations import configuration, migrate
from dicom_router.models import Association, Delivery, DeliveryInstance

_DELIVERY = """
    INSERT INTO deliveries (id, study_uid, revision, destination, state, attempt, created_at)
    VALUES ('d1', '1.2.3', 1, 'pacs', 'sending', 0, '2026-01-22 14:15:30')
"""
_INSTANCE = """
    INSERT INTO delivery_instances (delivery_id, receipt_id, state, attempts, aborts)
    VALUES ('d1', 'r1', 'delivered', 1, 0)
"""

_ASSOCIATION = """
    INSERT INTO associations
        (association_id, receiver, calling_ae_title, called_ae_title, peer_address, closed_at)
    VALUES (:id, 'host-1', 'CT1', 'DICOMROUTER', '10.0.0.7', :closed_at)
"""
_RECEIPT = """
    INSERT INTO receipts
        (receipt_id, association_id, state, series_uid, sop_class_uid, sop_instance_uid,
         transfer_syntax_uid, instance_number, size, sha256, spool_path, on_disk, received_at,
         patient_id)
    VALUES ('r1', 'open', 'assigned', '', '', '', '', '', 1, '', '', true, '2026-01-22 14:15:30',
            '')
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


def test_an_association_gets_a_time_by_which_it_is_listed(empty_database_url: str) -> None:
    with closing(Database(empty_database_url)) as database:
        with database.write() as session:
            config = configuration()
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "0002")
            session.execute(text(_ASSOCIATION), {"id": "open", "closed_at": None})
            session.execute(text(_ASSOCIATION), {"id": "ended", "closed_at": "2026-01-22 14:20:00"})
            session.execute(text(_RECEIPT))
        migrate(database)
        with database.read() as session:
            times = {
                each: session.get_one(Association, each).opened_at for each in ("open", "ended")
            }
    assert {each: f"{at:%H:%M}" for each, at in times.items() if at} == {
        "open": "14:15",
        "ended": "14:20",
    }
