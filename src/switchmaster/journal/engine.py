"""
Connections to the journal's database: SQLite (WAL) or PostgreSQL, by URL.

Every writing transaction takes the journal's one lock when it begins (``BEGIN IMMEDIATE``, or an advisory lock). So ids
rise in the order of commits, and what was read for a decision still holds when the decision is written. Readers take
no lock. SQLite syncs each commit to the disk: what was committed survives a kill and a loss of power.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ..errors import JournalUnavailable, MissingDependency, UsageError
from .database_errors import BUSY, advice_for

__all__ = ["connect", "make_engine", "parse_url", "shown", "unavailable"]

LOCK: Final = 0x5377_4D61
"""Our advisory lock in PostgreSQL: a number of our own ("SwMa")."""

CACHE_KIB: Final = 16_384
"""Memory for pages of a file that is written, eight times SQLite's default: hundreds of masters fail over together, and
each has a place of its own in the indexes."""


def make_engine(url: str, *, writing: bool) -> Engine:
    """
    Return an engine; it connects when it is first used.

    Args:
        url: ``sqlite:///PATH`` (``sqlite:////ABSOLUTE/PATH``) or ``postgresql+psycopg://…``; plain
            ``postgresql://`` means psycopg too.
        writing: whether each transaction takes the journal's lock.

    Raises:
        UsageError: the URL is none of these; the message shows no password.
        MissingDependency: the database's driver is not installed.
    """
    parsed = parse_url(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            engine = create_engine(parsed, connect_args={"timeout": BUSY, "check_same_thread": False})
            _prepare_sqlite(engine, writing)
        else:
            engine = create_engine(
                parsed,
                pool_pre_ping=True,
                pool_size=1 if writing else 5,
                connect_args={
                    "connect_timeout": int(BUSY),
                    "application_name": "switchmaster",
                    # For a server that disappears silently, and a daemon that hangs while it holds the lock.
                    "tcp_user_timeout": 10_000,
                    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
                },
            )
            if writing:
                event.listen(engine, "begin", _take_lock)
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "psycopg", "server") from None
    return engine


def shown(url: str) -> str:
    """Return a URL without its password, for people."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "URL"


@contextmanager
def connect(engine: Engine, url: str) -> Iterator[Connection]:
    """
    Open a transaction, committed at the end of the block.

    Raises:
        JournalUnavailable: the database refused, or could not be reached.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise unavailable(url, error) from error


def unavailable(url: str, error: SQLAlchemyError) -> JournalUnavailable:
    """Return the error for what a database or its driver reported."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    reason = " ".join(str(origin).split())
    return JournalUnavailable(shown(url), reason, advice_for(reason))


def parse_url(url: str) -> URL:
    """
    Return a journal's URL in its parts.

    Raises:
        UsageError: it is none of a journal; the message shows no password.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
            raise UsageError(
                f"the journal can't be kept in {parsed.drivername!r}: its URL must begin with sqlite:/// or "
                "postgresql+psycopg://"
            )
        if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise UsageError("the journal's URL names no file: write sqlite:////var/lib/switchmaster/journal.db")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(
            "the journal's URL is not valid: expected sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
        ) from None
    return parsed


def _prepare_sqlite(engine: Engine, writing: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(raw: Any, _: object) -> None:
        # The driver must not begin transactions by itself: BEGIN is ours, below.
        raw.isolation_level = None
        cursor = raw.cursor()
        if writing:
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _take_lock(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite journal; None for any other database."""
    parsed = parse_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
