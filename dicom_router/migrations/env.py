"""Run by Alembic for every command; the connection comes from `migrate`."""

from alembic import context

from dicom_router.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
