"""
Indexes that give the order of a list, whatever it is narrowed to: a page costs what is on it, not what there is.

Those of failovers hold what lists are narrowed by too, so that rows that are left out are not read.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("entries_master", "entries", ["master", "id"], unique=False)
    op.create_index("entries_master_time", "entries", ["master", "time"], unique=False)
    op.create_index("switches_deployment", "switches", ["deployment", "time", "id"], unique=False)
    op.create_index("switches_master", "switches", ["deployment", "master", "time", "id"], unique=False)
    narrowed = ["attempted", "outcome", "kind", "missed", "acknowledged", "master"]
    op.drop_index("failovers_started", "failovers")
    op.create_index("failovers_started", "failovers", ["started", "id", *narrowed], unique=False)
    op.create_index("failovers_deployment", "failovers", ["deployment", "started", "id", *narrowed], unique=False)
    op.drop_index("failovers_master", "failovers")
    op.create_index("failovers_master", "failovers", ["deployment", "master", "started", "id"], unique=False)
