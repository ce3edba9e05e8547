"""Updates keep what earlier versions wrote."""

import uuid
from contextlib import closing

import pytest
from alembic import command
from sqlalchemy import make_url, text

from dicom_router.database import Database
from dicom_router.migrations import configuration, migrate, require_current
from dicom_router.models import Association, Delivery, DeliveryInstance, Study
from infra.private_services import PrivatePostgres

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

_STUDY = """
    INSERT INTO studies
        (study_uid, folder, patient_id, patient_name, study_date, study_time, modality, modalities,
         accession_number, study_description, created_at, created_stamp, state, receiving, held,
         deleted, revision, routed_revision, unrouted, sent_revision, last_activity_at, image_count,
         series_count, size_bytes, on_disk, taken_over, taken_over_images, taken_over_sent,
         projected)
    VALUES (:uid, :uid, 'P1', :name, '', '', 'CT', '["CT"]', 'A1', 'TÓRAX', '2026-01-22 14:15:30',
            '20260122_141530', 'sent', false, false, false, 1, 1, false, 1, '2026-01-22 14:15:30',
            1, 1, 1, true, false, 0, false, true)
"""
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_studies_search')"
_INVALIDATE = (
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('ix_studies_search')"
)


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


def test_studies_of_an_earlier_version_are_found_by_their_words(empty_database_url: str) -> None:
    with closing(Database(empty_database_url)) as database:
        with database.write() as session:
            config = configuration()
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "0008")
            for number, name in enumerate(("CONCEIÇÃO_MARIA", "DOE_JOHN")):
                session.execute(text(_STUDY), {"uid": f"1.{number}", "name": name})
        migrate(database)
        with database.read() as session:
            found = {uid: session.get_one(Study, uid).search for uid in ("1.0", "1.1")}
    assert found == {
        "1.0": " conceicao maria | p1 a1 torax",
        "1.1": " doe john | p1 a1 torax",
    }


@pytest.mark.postgresql
def test_who_may_not_have_trigrams_is_told_and_goes_on(postgres: PrivatePostgres) -> None:
    name = f"test_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    with closing(Database(url)) as owner, closing(Database(_as_guest(owner, url, name))) as guest:
        remark = migrate(guest)
        assert remark is not None
        assert "CREATE EXTENSION pg_trgm" in remark
        require_current(guest)
        with owner.write() as session:
            session.execute(text("CREATE EXTENSION pg_trgm"))
        assert migrate(guest) is None
        assert _has_valid_index(guest)
    postgres.drop_database(name)


@pytest.mark.postgresql
def test_an_index_that_was_left_half_made_is_made_anew(postgresql_url: str) -> None:
    with closing(Database(postgresql_url)) as database:
        with database.write() as session:
            session.execute(text(_INVALIDATE))
        assert not _has_valid_index(database)
        assert migrate(database) is None
        assert _has_valid_index(database)


def _as_guest(owner: Database, url: str, name: str) -> str:
    """The URL for one who may do anything in a database but owns it not."""
    with owner.write() as session:
        session.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'guest'"))
        session.execute(text(f"GRANT ALL ON SCHEMA public TO {name}"))
    return make_url(url).set(username=name, password="guest").render_as_string(False)


def _has_valid_index(database: Database) -> bool:
    with database.read() as session:
        return session.scalar(text(_IS_VALID)) is True


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
