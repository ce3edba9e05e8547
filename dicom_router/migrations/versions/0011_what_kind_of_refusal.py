"""An association that was refused says by which kind of refusal, for which there is help."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("associations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("refusal", sa.String(length=32), nullable=True))
