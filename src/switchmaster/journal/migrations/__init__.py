"""The journal's schema, version by version, for Alembic; `migrate.upgrade` runs them."""
