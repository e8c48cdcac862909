"""What Alembic runs: the migrations, over the connection that `migrate.upgrade` hands in."""

from __future__ import annotations

from alembic import context

from switchmaster.journal.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,  # the transaction is the caller's, on SQLite too
)
context.run_migrations()
