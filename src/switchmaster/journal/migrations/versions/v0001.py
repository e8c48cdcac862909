"""The first version: the stream, switches, failovers with their observations and comments, heads, observers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _make_stream()
    _make_failovers()
    _make_heads()


def _make_stream() -> None:
    op.create_table(
        "entries",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=True),
        sa.Column("master", sa.Text(), nullable=True),
        sa.Column("failover", sa.String(length=32), nullable=True),
        sa.Column("observer", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("entries_failover", "entries", ["failover"], unique=False)
    op.create_index("entries_time", "entries", ["time"], unique=False)
    op.create_table(
        "switches",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("deployment", "master", "incarnation", "epoch", "host", "port", name="switches_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("switches_time", "switches", ["time"], unique=False)


def _make_failovers() -> None:
    op.create_table(
        "failovers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("old_host", sa.Text(), nullable=True),
        sa.Column("old_port", sa.Integer(), nullable=True),
        sa.Column("new_host", sa.Text(), nullable=True),
        sa.Column("new_port", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("attempted", sa.Boolean(), nullable=False),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.Column("acknowledged", sa.Double(), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "deployment", "master", "incarnation", "epoch", "new_host", "new_port", name="failovers_once"
        ),
    )
    op.create_index("failovers_master", "failovers", ["deployment", "master", "started"], unique=False)
    op.create_index("failovers_started", "failovers", ["started", "id"], unique=False)
    op.create_table(
        "observations",
        sa.Column("observer", sa.String(length=64), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("failover", sa.String(length=32), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["failover"], ["failovers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("observer", "deployment", "master", "number"),
    )
    op.create_index("observations_failover", "observations", ["failover"], unique=False)
    op.create_table(
        "comments",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("failover", sa.String(length=32), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("acknowledges", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["failover"], ["failovers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("comments_failover", "comments", ["failover"], unique=False)


def _make_heads() -> None:
    op.create_table(
        "masters",
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("deployment", "master"),
    )
    op.create_table(
        "deployments",
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("heard", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("deployment"),
    )
    op.create_table(
        "observers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("seen", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
