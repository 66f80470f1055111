"""Alembic's entry: the connection and its transaction come from the caller."""

from alembic import context
from sqlalchemy import text

from redrive.ledger import schema_triage  # noqa: F401 - its tables belong to the metadata
from redrive.ledger.schema import metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    # Two processes that start at once migrate one after the other.
    connection.execute(text("SELECT pg_advisory_xact_lock(7305114)"))
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
