"""Daemons that share deployments, and which of them watches which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sharers",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("renewed", sa.Double(), nullable=False),
        sa.Column("lease", sa.Double(), nullable=False),
        sa.Column("daemons", sa.Integer(), nullable=False),
        sa.Column("leaving", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run"),
    )
    op.create_table(
        "claims",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("masters", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["sharers.run"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "deployment"),
    )
