"""Studies and deliveries are found quickly among millions.

Takes about 1 min for each million studies that are there already.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from dicom_router.search import search_text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_AT_A_TIME = 10_000
_ORDERS = ("patient_name", "patient_id", "study_date", "image_count", "size_bytes")


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("search", sa.Text(), nullable=False, server_default=""))
        for name in ("accession_number", "patient_id", "patient_name"):
            batch_op.drop_index(batch_op.f(f"ix_studies_{name}"))
    _fill_in(op.get_bind())
    with op.batch_alter_table("studies", schema=None) as batch_op:
        for name in _ORDERS:
            batch_op.create_index(f"ix_studies_{name}", [name, "study_uid"], unique=False)
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("images", sa.Integer(), nullable=True))
        batch_op.create_index("ix_deliveries_state", ["state", "created_at", "id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE INDEX ix_studies_modalities ON studies "
            "USING gin (CAST(modalities AS jsonb) jsonb_path_ops)"
        )


def _fill_in(connection: sa.Connection) -> None:
    """Write down by what each study is found."""
    fill_in = sa.text("UPDATE studies SET search = :search WHERE study_uid = :uid")
    if connection.dialect.name == "postgresql":
        # one statement for all: of a million of them each costs more than what it does
        fill_in = sa.text(
            "UPDATE studies SET search = given.search "
            "FROM unnest(CAST(:uids AS text[]), CAST(:searches AS text[])) AS given (uid, search) "
            "WHERE study_uid = given.uid"
        )
    for rows in _studies(connection):
        found = [(uid, search_text(name, *others)) for uid, name, *others in map(tuple, rows)]
        if connection.dialect.name == "postgresql":
            uids, searches = zip(*found, strict=True)
            connection.execute(fill_in, {"uids": list(uids), "searches": list(searches)})
        else:
            connection.execute(fill_in, [{"uid": uid, "search": text} for uid, text in found])


def _studies(connection: sa.Connection) -> Iterator[Sequence[sa.Row[Any]]]:
    query = sa.text(
        "SELECT study_uid, patient_name, patient_id, accession_number, study_description "
        "FROM studies WHERE study_uid > :after ORDER BY study_uid LIMIT :limit"
    )
    after = ""
    while rows := connection.execute(query, {"after": after, "limit": _AT_A_TIME}).all():
        yield rows
        after = rows[-1].study_uid
