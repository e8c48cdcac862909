"""Where clients reach the relays of each daemon: the other relays name them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "relays",
        sa.Column("observer", sa.String(length=64), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["observer"], ["observers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("observer", "deployment"),
    )
