"""
The journal's schema, version by version, for Alembic; `switchmaster.journal.migrate.upgrade` runs them.

- `env`: runs the migrations over the connection that the caller opened.
- `versions`: one module for each version, never changed once it is released.
"""
