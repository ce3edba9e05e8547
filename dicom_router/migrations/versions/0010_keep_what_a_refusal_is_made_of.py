"""Keep what the reason of a refusal was made of, for readers of other languages."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("associations") as batch_op:
        batch_op.add_column(sa.Column("reason_said", sa.JSON(), nullable=True))
