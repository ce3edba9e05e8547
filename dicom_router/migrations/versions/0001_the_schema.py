"""The schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "associations",
        sa.Column("association_id", sa.String(length=64), nullable=False),
        sa.Column("receiver", sa.String(length=128), nullable=False),
        sa.Column("calling_ae_title", sa.String(length=64), nullable=False),
        sa.Column("called_ae_title", sa.String(length=64), nullable=False),
        sa.Column("peer_address", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("receipts", sa.Integer(), nullable=True),
        sa.Column("refused", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("end_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("association_id", name=op.f("pk_associations")),
    )
    with op.batch_alter_table("associations", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_associations_calling_ae_title"), ["calling_ae_title"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_associations_closed_at"), ["closed_at"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("study_uid", sa.String(length=256), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "study_uid",
            "revision",
            "destination",
            name=op.f("uq_deliveries_study_uid_revision_destination"),
        ),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_created", ["created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_deliveries_due", ["destination", "state", "next_attempt_at"], unique=False
        )

    op.create_table(
        "destination_outages",
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("probe", sa.String(length=8), nullable=False),
        sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blamed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_destination_outages")),
    )
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("calling_ae_title", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("managed_by", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_destinations")),
    )
    op.create_table(
        "events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_events_event_id")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_time"), ["time"], unique=False)

    op.create_table(
        "milestones",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_milestones")),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("service", sa.String(length=16), nullable=False),
        sa.Column("exchange", sa.String(length=64), nullable=False),
        sa.Column("routing_key", sa.String(length=255), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_service"), ["service"], unique=False)

    op.create_table(
        "projection",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projection")),
    )
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.String(length=128), nullable=False),
        sa.Column("association_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("study_uid", sa.String(length=256), nullable=True),
        sa.Column("series_uid", sa.String(length=256), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=256), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=256), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=256), nullable=False),
        sa.Column("instance_number", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("spool_path", sa.String(length=1024), nullable=False),
        sa.Column("file_name", sa.String(length=1024), nullable=True),
        sa.Column("on_disk", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organized_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("pk_receipts")),
    )
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_receipts_assigned",
            ["receipt_id"],
            unique=False,
            sqlite_where=sa.text("state = 'assigned'"),
            postgresql_where=sa.text("state = 'assigned'"),
        )
        batch_op.create_index(
            batch_op.f("ix_receipts_association_id"), ["association_id"], unique=False
        )
        batch_op.create_index(
            "ix_receipts_quarantined",
            ["received_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('quarantined', 'superseded')"),
            postgresql_where=sa.text("state IN ('quarantined', 'superseded')"),
        )
        batch_op.create_index("ix_receipts_study", ["study_uid", "revision"], unique=False)
        batch_op.create_index(
            "uq_receipts_instance",
            ["study_uid", "sop_instance_uid"],
            unique=True,
            sqlite_where=sa.text("state = 'organized'"),
            postgresql_where=sa.text("state = 'organized'"),
        )

    op.create_table(
        "senders",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("settle_seconds", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_senders")),
    )
    with op.batch_alter_table("senders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_senders_ae_title"), ["ae_title"], unique=False)

    op.create_table(
        "series",
        sa.Column("study_uid", sa.String(length=256), nullable=False),
        sa.Column("series_uid", sa.String(length=256), nullable=False),
        sa.Column("modality", sa.String(length=64), nullable=False),
        sa.Column("series_number", sa.String(length=64), nullable=False),
        sa.Column("series_description", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("study_uid", "series_uid", name=op.f("pk_series")),
    )
    op.create_table(
        "studies",
        sa.Column("study_uid", sa.String(length=256), nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("patient_id", sa.String(length=256), nullable=False),
        sa.Column("patient_name", sa.String(length=256), nullable=False),
        sa.Column("study_date", sa.String(length=256), nullable=False),
        sa.Column("study_time", sa.String(length=256), nullable=False),
        sa.Column("modality", sa.String(length=64), nullable=False),
        sa.Column("modalities", sa.JSON(), nullable=False),
        sa.Column("accession_number", sa.String(length=256), nullable=False),
        sa.Column("study_description", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_stamp", sa.String(length=15), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("receiving", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("routed_revision", sa.Integer(), nullable=False),
        sa.Column("unrouted", sa.Boolean(), nullable=False),
        sa.Column("sent_revision", sa.Integer(), nullable=False),
        sa.Column("completeness", sa.JSON(), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("series_count", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("on_disk", sa.Boolean(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_over", sa.Boolean(), nullable=False),
        sa.Column("taken_over_images", sa.Integer(), nullable=False),
        sa.Column("taken_over_sent", sa.Boolean(), nullable=False),
        sa.Column("projected", sa.Boolean(), nullable=False),
        sa.Column("history_month", sa.String(length=7), nullable=True),
        sa.PrimaryKeyConstraint("study_uid", name=op.f("pk_studies")),
        sa.UniqueConstraint("folder", name=op.f("uq_studies_folder")),
    )
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_studies_accession_number"), ["accession_number"], unique=False
        )
        batch_op.create_index("ix_studies_created", ["created_at", "study_uid"], unique=False)
        batch_op.create_index(
            "ix_studies_history_month", ["history_month", "created_at"], unique=False
        )
        batch_op.create_index(
            "ix_studies_not_projected",
            ["study_uid"],
            unique=False,
            sqlite_where=sa.text("projected = 0"),
            postgresql_where=sa.text("NOT projected"),
        )
        batch_op.create_index(
            "ix_studies_not_routed",
            ["study_uid"],
            unique=False,
            sqlite_where=sa.text("unrouted = 1 OR routed_revision < revision"),
            postgresql_where=sa.text("unrouted OR routed_revision < revision"),
        )
        batch_op.create_index("ix_studies_on_disk", ["on_disk", "state", "sent_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_studies_patient_id"), ["patient_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_studies_patient_name"), ["patient_name"], unique=False)
        batch_op.create_index(
            "ix_studies_receiving",
            ["last_activity_at"],
            unique=False,
            sqlite_where=sa.text("receiving = 1"),
            postgresql_where=sa.text("receiving"),
        )
        batch_op.create_index(
            "ix_studies_state_created", ["state", "created_at", "study_uid"], unique=False
        )

    op.create_table(
        "timeline",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("study_uid", sa.String(length=256), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
    )
    with op.batch_alter_table("timeline", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_timeline_study_uid"), ["study_uid"], unique=False)

    op.create_table(
        "delivery_instances",
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("receipt_id", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("aborts", sa.Integer(), nullable=False),
        sa.Column("dicom_status", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_instances_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "receipt_id", name=op.f("pk_delivery_instances")),
    )
    with op.batch_alter_table("delivery_instances", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_delivery_instances_receipt_id"), ["receipt_id"], unique=False
        )
