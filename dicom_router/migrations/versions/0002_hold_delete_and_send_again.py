"""Studies can be held, deleted and sent again; the data folder has an identity."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "data_folder",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("router_id", sa.String(length=64), nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_folder")),
    )
    _change_deliveries()
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("patient_id", sa.String(length=256), nullable=False, server_default="")
        )
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hold_reason", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("deleted_by", sa.String(length=128), nullable=True))
        for name in ("attention", "other_patient_ids"):
            batch_op.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(
            sa.Column("needs_attention", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.create_index(
            "ix_studies_needs_attention",
            ["created_at", "study_uid"],
            unique=False,
            sqlite_where=sa.text("needs_attention = 1"),
            postgresql_where=sa.text("needs_attention"),
        )
        batch_op.create_index(
            "ix_studies_to_delete",
            ["study_uid"],
            unique=False,
            sqlite_where=sa.text("deleted = 1 AND on_disk = 1"),
            postgresql_where=sa.text("deleted AND on_disk"),
        )


def _change_deliveries() -> None:
    """One study revision may have several deliveries to one destination.

    SQLite can only do that by a new table, and as the old one goes its rows take their instances
    with them (ON DELETE CASCADE): those are kept aside meanwhile.
    """
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM delivery_instances")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("replaced_by", sa.String(length=32), nullable=True))
        batch_op.drop_constraint(
            batch_op.f("uq_deliveries_study_uid_revision_destination"), type_="unique"
        )
        batch_op.create_index(
            "ix_deliveries_study", ["study_uid", "revision", "destination"], unique=False
        )
    if is_sqlite:
        op.execute("DELETE FROM delivery_instances")
        op.execute("INSERT INTO delivery_instances SELECT * FROM kept")
        op.execute("DROP TABLE temp.kept")
