"""A history as a hospital has it after years: studies, images and deliveries, made from a seed.

It is written with COPY, and its indexes are made afterwards: a million studies take minutes.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Table, text
from sqlalchemy.engine import Connection

from dicom_router.archive import ReceiptId
from dicom_router.database import Database
from dicom_router.models import (
    Association,
    Base,
    Delivery,
    DeliveryInstance,
    Receipt,
    Series,
    Study,
    StudyState,
)
from dicom_router.search import search_text
from services.organizer.names import folder_name

YEARS = 5
DESTINATIONS = ("pacs", "cloud")
_AT_A_TIME = 20_000  # studies
_WITH_ALL_IMAGES = 500  # the newest studies; older ones have one image on record, to save time

# As often as their places say (Zipf): the first is in one study of twenty.
_FAMILIES = """
SILVA SANTOS OLIVEIRA SOUZA RODRIGUES FERREIRA ALVES PEREIRA LIMA GOMES COSTA RIBEIRO MARTINS
CARVALHO ALMEIDA LOPES SOARES FERNANDES VIEIRA BARBOSA ROCHA DIAS NASCIMENTO ANDRADE MOREIRA
NUNES MARQUES MACHADO MENDES FREITAS CARDOSO RAMOS GONÇALVES SANTANA TEIXEIRA ARAÚJO CONCEIÇÃO
PINTO AZEVEDO CAMPOS MÜLLER SCHMIDT ROSSI BIANCHI YAMAMOTO TANAKA NAKAMURA HADDAD SALOMÃO
"""
FAMILIES = tuple(_FAMILIES.split())
_GIVEN = """
MARIA JOSÉ ANA JOÃO ANTÔNIO FRANCISCO CARLOS PAULO PEDRO LUCAS LUIZ MARCOS GABRIEL RAFAEL DANIEL
MARCELO BRUNO EDUARDO FELIPE RAIMUNDO RODRIGO MANOEL NELSON ROBERTO FÁBIO FRANCISCA ANTÔNIA
ADRIANA JULIANA MÁRCIA FERNANDA PATRÍCIA ALINE SANDRA CAMILA AMANDA BRUNA JÉSSICA LETÍCIA JÚLIA
LUCIANA VANESSA MARIANA GABRIELA ENZO VALENTINA HELOÍSA ZULMIRA
"""
GIVEN = tuple(_GIVEN.split())
_SYLLABLES = ("BA", "CO", "DU", "FE", "GO", "HA", "JU", "KE", "LA", "MI", "NO", "PE", "RI", "XI")
# modality, how often, images of the largest, what they say
MODALITIES = (
    ("CT", 30, 900, ("TC TORAX", "TC CRÂNIO SEM CONTRASTE", "TC ABDOME TOTAL", "ANGIO TC")),
    ("DX", 25, 4, ("RX TÓRAX PA PERFIL", "RX JOELHO", "RX COLUNA LOMBAR")),
    ("US", 18, 60, ("US ABDOME TOTAL", "US TIREOIDE", "US OBSTÉTRICO")),
    ("MR", 14, 700, ("RM CRÂNIO", "RM COLUNA CERVICAL", "RM JOELHO DIREITO")),
    ("CR", 8, 3, ("RX MÃOS", "RX BACIA")),
    ("MG", 4, 8, ("MAMOGRAFIA BILATERAL",)),
    ("NM", 0.6, 40, ("CINTILOGRAFIA ÓSSEA",)),
    ("XA", 0.3, 30, ("ANGIOGRAFIA CEREBRAL",)),
    ("PT", 0.1, 800, ("PET-CT ONCOLÓGICO",)),
)
# What became of studies long ago, and of today's.
_OLD = (
    (StudyState.SENT, 99.3),
    (StudyState.FAILED, 0.3),
    (StudyState.UNROUTED, 0.2),
    (StudyState.DELETED, 0.15),
    (StudyState.HELD, 0.05),
)
_AT_REST = ((StudyState.SENT, 99.85), (StudyState.DELETED, 0.15))
_TODAY = (
    (StudyState.SENT, 90),
    (StudyState.FORWARDING, 4),
    (StudyState.COMPLETE, 3),
    (StudyState.RECEIVING, 2),
    (StudyState.FAILED, 1),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some studies, by model."""

    of: dict[type[Base], list[dict[str, Any]]] = field(
        default_factory=lambda: {
            model: [] for model in (Association, Study, Series, Receipt, Delivery, DeliveryInstance)
        }
    )


def write_history(
    database: Database, studies: int, seed: int = 1, *, at_rest: bool = False
) -> None:
    """Write so many studies into a migrated PostgreSQL database that has none, the last of now.

    Their files are not there. If the services are to work on the database, they have to be studies
    for which nothing is left to do (`at_rest`), or a forwarder would go on looking for them.
    """
    with database.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        indexes = _drop_indexes(autocommit)
        for rows in _history(studies, random.Random(seed), datetime.now(UTC), at_rest):
            for model, values in rows.of.items():
                _copy(autocommit, model, values)
        for statement in indexes:
            autocommit.execute(text(statement))
        # What PostgreSQL's autovacuum has done by the time that there are so many.
        autocommit.execute(text("VACUUM ANALYZE"))


def _drop_indexes(connection: Connection) -> Sequence[str]:
    """Drop the indexes that are no constraints; the statements that make them again."""
    found = connection.execute(
        text(
            "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS statement "
            "FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
            "WHERE relnamespace = 'public'::regnamespace AND NOT indisprimary "
            "AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)"
        )
    ).all()
    for each in found:
        connection.execute(text(f"DROP INDEX {each.name}"))
    return [each.statement for each in found]


def _copy(connection: Connection, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = model.__table__
    assert isinstance(table, Table)
    columns = [table.c[name] for name in rows[0]]
    # JSON and times as SQLAlchemy gives them to the driver
    dialect = connection.dialect
    bind = [each.type.dialect_impl(dialect).bind_processor(dialect) for each in columns]
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    names = ", ".join(each.name for each in columns)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(
                [to(value) if to else value for to, value in zip(bind, row.values(), strict=True)]
            )


# -- made up -----------------------------------------------------------------------------------


def _history(studies: int, chance: random.Random, now: datetime, at_rest: bool) -> Iterator[Rows]:
    """All rows, the oldest studies first."""
    begin = now - timedelta(days=365 * YEARS)
    step = (now - begin) / max(1, studies)
    patients = max(1, studies // 3)
    today = 0 if at_rest else min(500, studies // 10)
    rows = Rows()
    for number in range(studies):
        left = studies - number
        at = begin + step * (number + chance.random())
        is_new = left <= today
        states = _TODAY if is_new else _AT_REST if at_rest else _OLD
        _add(
            rows,
            chance,
            number,
            at,
            chance.randrange(patients),
            is_new,
            _weighted(chance, states),
            left <= _WITH_ALL_IMAGES,
        )
        if len(rows.of[Study]) == _AT_A_TIME:
            yield rows
            rows = Rows()
    yield rows


def patient_name(patient: int) -> str:
    """A patient's name, the same at each visit: families as frequent as their places in the list.

    One family of fifty is hardly ever met again.
    """
    chance = random.Random(patient)
    if chance.random() < 0.02:
        family = "".join(chance.choices(_SYLLABLES, k=4))
    else:
        family = _zipf(chance, FAMILIES)
    given = [_zipf(chance, GIVEN) for _ in range(chance.choice((1, 1, 2)))]
    return "_".join([family, *given, _zipf(chance, FAMILIES)])


def _zipf(chance: random.Random, names: Sequence[str]) -> str:
    """One of the names; the first is met as often as the last twenty or so together."""
    return names[min(int((len(names) + 1) ** chance.random()) - 1, len(names) - 1)]


def _weighted(chance: random.Random, choices: Iterable[tuple[StudyState, float]]) -> StudyState:
    states, weights = zip(*choices, strict=True)
    found: StudyState = chance.choices(states, weights)[0]
    return found


def _add(
    rows: Rows,
    chance: random.Random,
    number: int,
    at: datetime,
    patient: int,
    is_new: bool,
    state: StudyState,
    with_all_images: bool,
) -> None:
    modality, _weight, most, descriptions = chance.choices(
        MODALITIES, [each[1] for each in MODALITIES]
    )[0]
    uid = f"1.2.840.113619.2.{chance.randrange(1, 40)}.{at:%Y%m%d%H%M%S}.{number}"
    images = chance.randint(1, most)
    study = _study(chance, uid, number, at, patient, modality, images, state)
    study["study_description"] = chance.choice(descriptions)
    study["search"] = search_text(
        study["patient_name"],
        study["patient_id"],
        study["accession_number"],
        study["study_description"],
    )
    study["on_disk"] = is_new or state in (StudyState.FAILED, StudyState.UNROUTED, StudyState.HELD)
    study["history_month"] = None if study["on_disk"] or is_new else f"{at:%Y-%m}"
    rows.of[Study].append(study)
    association = f"{number:016x}"
    rows.of[Association].append(_association(association, at, modality, images))
    series = f"{uid}.1"
    rows.of[Series].append(
        {
            "study_uid": uid,
            "series_uid": series,
            "modality": modality,
            "series_number": "1",
            "series_description": study["study_description"],
        }
    )
    on_record = min(images, 300) if with_all_images else 1
    receipts = [_receipt(study, series, association, at, each) for each in range(on_record)]
    rows.of[Receipt].extend(receipts)
    for order, destination in enumerate(DESTINATIONS):
        # the second one has been there for a year, and is sent what is not plain
        if order and (is_new or modality in ("DX", "CR") or number % 5):
            continue
        _deliver(rows, study, destination, [each["receipt_id"] for each in receipts], at)


def _study(
    chance: random.Random,
    uid: str,
    number: int,
    at: datetime,
    patient: int,
    modality: str,
    images: int,
    state: StudyState,
) -> dict[str, Any]:
    name = patient_name(patient)
    patient_id = f"P{patient:07d}"
    sent = state == StudyState.SENT
    attention = [{"kind": "identity", "text": "Two patients", "at": at.isoformat()}]
    is_odd = chance.random() < 0.0002
    return {
        "study_uid": uid,
        "folder": f"{folder_name(at, patient_id, name)}_{number}",
        "patient_id": patient_id,
        "patient_name": name,
        "study_date": f"{at:%Y%m%d}",
        "study_time": f"{at:%H%M%S}",
        "modality": modality,
        "modalities": [modality, "SR"] if number % 20 == 0 else [modality],
        "accession_number": f"{at:%Y}{number:07d}",
        "study_description": "",
        "search": "",
        "created_at": at,
        "created_stamp": f"{at:%Y%m%d_%H%M%S}",
        "state": str(state),
        "receiving": state == StudyState.RECEIVING,
        "held": state == StudyState.HELD,
        "hold_reason": None,
        "deleted": state == StudyState.DELETED,
        "deleted_by": None,
        "attention": attention if is_odd else [],
        "needs_attention": is_odd,
        "other_patient_ids": [],
        "revision": 0 if state == StudyState.RECEIVING else 1,
        "routed_revision": 0 if state == StudyState.RECEIVING else 1,
        "unrouted": state == StudyState.UNROUTED,
        "sent_revision": 1 if sent else 0,
        "completeness": {"why": "released"},
        "last_activity_at": at,
        "image_count": images,
        "series_count": 1,
        "size_bytes": images * 526_000,
        "on_disk": False,
        "sent_at": at + timedelta(minutes=5) if sent else None,
        "taken_over": False,
        "taken_over_images": 0,
        "taken_over_sent": False,
        "projected": True,
        "history_month": None,
    }


def _association(key: str, at: datetime, modality: str, images: int) -> dict[str, Any]:
    return {
        "association_id": key,
        "receiver": "receiver-1",
        "calling_ae_title": f"{modality}_ROOM_1",
        "called_ae_title": "DICOMROUTER",
        "peer_address": "10.0.0.7",
        "opened_at": at,
        "closed_at": at + timedelta(minutes=1),
        "outcome": "released",
        "receipts": images,
        "refused": 0,
        "reason": None,
        "end_seen_at": at + timedelta(minutes=1),
    }


def _receipt(
    study: dict[str, Any], series: str, association: str, at: datetime, number: int
) -> dict[str, Any]:
    received = at + timedelta(milliseconds=20 * number)
    uid = f"{series}.{number}"
    return {
        "receipt_id": str(ReceiptId(received, association, number)),
        "association_id": association,
        "state": "organized",
        "study_uid": study["study_uid"],
        "series_uid": series,
        "patient_id": study["patient_id"],
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "sop_instance_uid": uid,
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "instance_number": str(number),
        "size": 526_000,
        "sha256": f"{number:064x}",
        "spool_path": "",
        "file_name": f"{study['modality']}.{uid}.dcm",
        "on_disk": study["on_disk"],
        "reason": None,
        "revision": study["revision"] or None,
        "received_at": received,
        "organized_at": received,
    }


def _deliver(
    rows: Rows, study: dict[str, Any], destination: str, receipts: Sequence[str], at: datetime
) -> None:
    """What a study owes a destination, as its state says."""
    states = {
        StudyState.SENT: "delivered",
        StudyState.HELD: "waiting",
        StudyState.DELETED: "delivered",
        StudyState.FAILED: "failed",
        StudyState.FORWARDING: "sending",
        StudyState.COMPLETE: "waiting",
    }
    state = states.get(study["state"])
    if state is None:
        return
    key = f"{len(rows.of[Delivery]):08x}{study['created_at']:%Y%m%d%H%M%S%f}"[:32]
    ended = state in ("delivered", "failed")
    refused = {"kind": "refused", "dicom_status": 0xA900, "text": "Refused with A900"}
    rows.of[Delivery].append(
        {
            "id": key,
            "study_uid": study["study_uid"],
            "revision": 1,
            "destination": destination,
            "state": state,
            "attempt": 4 if state == "failed" else 0,
            "next_attempt_at": None if ended else at + timedelta(days=30),
            "reason": refused if state == "failed" else None,
            "created_at": at + timedelta(minutes=2),
            "started_at": at + timedelta(minutes=2),
            "finished_at": at + timedelta(minutes=5) if ended else None,
            "lease_owner": None,
            "lease_until": at + timedelta(days=30) if state == "sending" else None,
            "replaced_by": None,
            "images": study["image_count"] if state == "delivered" else None,
        }
    )
    rows.of[DeliveryInstance].extend(
        {
            "delivery_id": key,
            "receipt_id": each,
            "state": state if ended else "waiting",
            "attempts": 0,
            "aborts": 0,
            "dicom_status": 0 if state == "delivered" else None,
            "detail": None,
            "delivered_at": at + timedelta(minutes=5) if state == "delivered" else None,
        }
        for each in receipts
    )
