"""find associations by time."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("associations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_associations_calling_ae_title"))
        batch_op.create_index(
            "ix_associations_caller",
            ["calling_ae_title", "opened_at", "association_id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_associations_opened", ["opened_at", "association_id"], unique=False
        )
        batch_op.create_index(
            "ix_associations_outcome", ["outcome", "opened_at", "association_id"], unique=False
        )
    op.execute(
        "UPDATE associations SET opened_at = coalesce(closed_at, end_seen_at, "
        "(SELECT min(received_at) FROM receipts "
        "WHERE receipts.association_id = associations.association_id)) "
        "WHERE opened_at IS NULL"
    )
