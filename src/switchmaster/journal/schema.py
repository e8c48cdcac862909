"""
The tables, for SQLAlchemy Core: the migrations make them, this module describes them.

Times are seconds since 1970. Columns are what is searched by. A reader gets the JSON of ``line`` or ``record``, which
is ASCII, so that text from the network (NUL, bytes that are not UTF-8) passes through any database.
Columns of type `Name` do the same for names (`stored_names`).

Each list of the API has an index in its order, so that a page costs no more than its items.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from .stored_names import plain, stored

__all__ = [
    "ANY_EPOCH",
    "METADATA",
    "Name",
    "action_starts",
    "claims",
    "comments",
    "deployments",
    "entries",
    "failovers",
    "masters",
    "observations",
    "observers",
    "pauses",
    "reactions",
    "receipts",
    "relays",
    "sharers",
    "switches",
]

METADATA: Final = MetaData()

ANY_EPOCH: Final = -1
"""In ``switches.epoch``, this and lower numbers: the epoch is not known. The next switch without one to the same
address gets the next lower number, so that both have a row."""


class Name(TypeDecorator[str]):
    """
    A column of names from the network: any text goes in and comes out again, whatever the database can keep.

    `stored` and `plain` say how; conditions on such a column take names as they are.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Return the text that is kept."""
        return None if value is None else stored(value)

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        """Return the name that was given."""
        return None if value is None else plain(value)


_id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite assigns numbers by itself to INTEGER columns only."""

observers = Table(
    "observers",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("name", Name, nullable=False),
    Column("started", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("ended", Double),
)
"""One row for each run of a daemon; ``seen`` moves while it is alive, ``ended`` is set when it shuts down in order."""

relays = Table(
    "relays",
    METADATA,
    Column("observer", String(64), ForeignKey("observers.id", ondelete="CASCADE"), primary_key=True),
    Column("deployment", Name, primary_key=True),
    Column("host", Name, nullable=False),
    Column("port", Integer, nullable=False),
)
"""Where clients reach the relays of each run of a daemon; they count while the run is alive."""

sharers = Table(
    "sharers",
    METADATA,
    Column("run", String(64), primary_key=True),
    Column("name", Name, nullable=False),
    Column("renewed", Double, nullable=False),
    Column("lease", Double, nullable=False),
    Column("daemons", Integer, nullable=False),
    Column("leaving", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
"""
The daemons that share deployments (`claims.Sharer`). A row counts until ``renewed`` and ``lease``, by the database's
clock, are over; then whoever looks removes it. ``revision`` grows with each change of the run's `claims`.
"""

claims = Table(
    "claims",
    METADATA,
    Column("run", String(64), ForeignKey("sharers.run", ondelete="CASCADE"), primary_key=True),
    Column("deployment", Name, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("masters", Integer, nullable=False),
)
"""What each of them offers and watches (`claims.Claim`)."""

deployments = Table(
    "deployments",
    METADATA,
    Column("deployment", Name, primary_key=True),
    Column("heard", Double, nullable=False),
)
"""When any daemon was last connected to a Sentinel of it: what happened later was missed."""

masters = Table(
    "masters",
    METADATA,
    Column("deployment", Name, primary_key=True),
    Column("master", Name, primary_key=True),
    Column("incarnation", Integer, nullable=False),
    Column("epoch", BigInteger),
    Column("host", Name, nullable=False),
    Column("port", Integer, nullable=False),
    Column("since", Double, nullable=False),
)
"""Where each master was last known to be: a daemon compares with it when it starts."""

entries = Table(
    "entries",
    METADATA,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("time", Double, nullable=False),
    Column("type", String(16), nullable=False),
    Column("deployment", Name),
    Column("master", Name),
    Column("failover", String(32)),
    Column("observer", String(64), nullable=False),
    Column("line", Text, nullable=False),
    Index("entries_time", "time"),
    Index("entries_failover", "failover"),
    Index("entries_master", "master", "id"),
    Index("entries_master_time", "master", "time"),
    sqlite_autoincrement=True,
)
"""
The stream: everything, in the order of commits.

No index begins with the deployment: SQLite would use it for questions about a deployment, and sort all of its rows.
"""

switches = Table(
    "switches",
    METADATA,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("deployment", Name, nullable=False),
    Column("master", Name, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("host", Name, nullable=False),
    Column("port", Integer, nullable=False),
    Column("time", Double, nullable=False),
    Column("line", Text, nullable=False),
    UniqueConstraint("deployment", "master", "incarnation", "epoch", "host", "port", name="switches_once"),
    Index("switches_time", "time"),
    Index("switches_deployment", "deployment", "time", "id"),
    Index("switches_master", "deployment", "master", "time", "id"),
    sqlite_autoincrement=True,
)

_NARROWED: Final = ("attempted", "outcome", "kind", "missed", "acknowledged", "master")
"""Filters of a list of failovers: in its index, so that rows that are filtered out are not read."""

failovers = Table(
    "failovers",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("deployment", Name, nullable=False),
    Column("master", Name, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("epoch", BigInteger),
    Column("old_host", Name),
    Column("old_port", Integer),
    Column("new_host", Name),
    Column("new_port", Integer),
    Column("outcome", String(16), nullable=False),
    Column("kind", String(16)),
    Column("attempted", Boolean, nullable=False),
    Column("missed", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("updated", Double, nullable=False),
    Column("acknowledged", Double),
    Column("line", Text, nullable=False),
    UniqueConstraint("deployment", "master", "incarnation", "epoch", "new_host", "new_port", name="failovers_once"),
    Index("failovers_started", "started", "id", *_NARROWED),
    Index("failovers_deployment", "deployment", "started", "id", *_NARROWED),
    Index("failovers_master", "deployment", "master", "started", "id"),
)
"""One row for each attempt, merged from all of its observations."""

observations = Table(
    "observations",
    METADATA,
    Column("observer", String(64), primary_key=True),
    Column("deployment", Name, primary_key=True),
    Column("master", Name, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("failover", String(32), ForeignKey("failovers.id", ondelete="CASCADE"), nullable=False),
    Column("record", Text, nullable=False),
    Index("observations_failover", "failover"),
)
"""What one run of one daemon saw of one attempt."""

comments = Table(
    "comments",
    METADATA,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("failover", String(32), ForeignKey("failovers.id", ondelete="CASCADE"), nullable=False),
    Column("time", Double, nullable=False),
    Column("by", Name, nullable=False),
    Column("acknowledges", Boolean, nullable=False),
    Column("text", Name, nullable=False),
    Index("comments_failover", "failover"),
)

action_starts = Table(
    "action_starts",
    METADATA,
    Column("action", Name, primary_key=True),
    Column("place", Name, primary_key=True),
    Column("switch", BigInteger, nullable=False),
    Column("time", Double, nullable=False),
)
"""From which switch on an action has been configured: it carries out no older one. ``place`` as in `reactions`."""

reactions = Table(
    "reactions",
    METADATA,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("action", Name, nullable=False),
    Column("place", Name, nullable=False),
    Column("deployment", Name, nullable=False),
    Column("master", Name, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("wish", Text),
    Column("delivery", String(36)),
    Column("state", String(16), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("wished", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("checked", Double, nullable=False),
    Column("problem", Name, nullable=False),
    Column("holder", String(64)),
    Column("held_until", Double, nullable=False),
    UniqueConstraint("action", "place", "deployment", "master", name="reactions_once"),
    Index("reactions_state", "state"),
    Index("reactions_master", "deployment", "master"),
    sqlite_autoincrement=True,
)
"""
The queue of one of each action and master: what is wished for, and how far it has come.

``place`` is empty for an action that one daemon carries out for all, else the name of the daemon that does it for
itself. ``seen`` is the newest switch that was considered. Whoever holds the row (``holder``, until ``held_until`` by
the database's clock) carries the action out.
"""

receipts = Table(
    "receipts",
    METADATA,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("action", Name, nullable=False),
    Column("place", Name, nullable=False),
    Column("deployment", Name, nullable=False),
    Column("master", Name, nullable=False),
    Column("delivery", String(36), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("attempts", Integer, nullable=False),
    Column("output", Name, nullable=False),
    Column("observer", Name, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("wish", Text, nullable=False),
    Index("receipts_started", "started", "id"),
    Index("receipts_action", "action", "started", "id"),
    Index("receipts_master", "deployment", "master", "started", "id"),
    Index("receipts_outcome", "outcome"),
    sqlite_autoincrement=True,
)
"""What an action did for one wish: one row for each run, changed with each of its attempts."""

pauses = Table(
    "pauses",
    METADATA,
    Column("action", Name, primary_key=True),
    Column("deployment", Name, primary_key=True),
    Column("master", Name, primary_key=True),
    Column("since", Double, nullable=False),
    Column("until", Double),
    Column("by", Name, nullable=False),
    Column("reason", Name, nullable=False),
)
"""What is recorded and not carried out, on all daemons; an empty name stands for all, no ``until`` for no end."""
