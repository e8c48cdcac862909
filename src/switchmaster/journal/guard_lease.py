"""
The lease of a deployment's guards: of all daemons on one journal in PostgreSQL, one holds it, and only its guards act.
Planned failovers have another: one daemon at a time runs one.

It is an advisory lock of a session, on a connection of its own in a thread of its own, so that neither a busy journal
nor a busy daemon holds it back. PostgreSQL ends the lock with the session: at once if the holder's process dies, after
about 2 s (`DEAD_SECONDS`) if its host does.

Two daemons never hold it at once. The holder counts each `CHECK_SECONDS` on a fresh answer and gives up `VALID_SECONDS`
after it asked for the last one, which is before PostgreSQL can end the session of a host that it does not reach; it
gives up at once if its connection ends.

SQLite has no lease: a journal in a file belongs to one daemon.
"""

from __future__ import annotations

import hashlib
import logging
import select
import threading
import time
from typing import Any, Final

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from .engine import parse_url, unavailable

__all__ = ["FAILOVERS", "GUARDS", "GuardLease", "open_lease"]

_log = logging.getLogger("switchmaster.guard")

GUARDS: Final = "guard"
FAILOVERS: Final = "failover"
"""The purposes: acting on a death, and planned failovers."""
CHECK_SECONDS: Final = 0.3
"""Seconds between two checks of the holder, and between two attempts of the others."""
VALID_SECONDS: Final = 1.0
"""Seconds for which an answer of PostgreSQL makes its holder sure; it must be less than `DEAD_SECONDS`."""
DEAD_SECONDS: Final = 2
"""Seconds of silence after which PostgreSQL ends the session of a dead host: one before its probe, one after it."""
CONNECT_SECONDS: Final = 2
END_SECONDS: Final = 5.0
"""Seconds that the thread has to end; then it is abandoned, and ends with the process."""

_OPTIONS: Final = " ".join(
    f"-c {setting}"
    for setting in (
        "tcp_keepalives_idle=1",
        "tcp_keepalives_interval=1",
        "tcp_keepalives_count=1",
        f"tcp_user_timeout={DEAD_SECONDS * 1000}",
        "idle_session_timeout=0",
        "statement_timeout=2s",
    )
)


class GuardLease:
    """
    The lease of one deployment.

    Args:
        url: the journal's, of PostgreSQL.
        deployment: its name.
        purpose: what it is for: each purpose has a lease of its own.
    """

    def __init__(self, url: str, deployment: str, purpose: str = GUARDS) -> None:
        self._url, self._deployment, self._purpose = url, deployment, purpose
        parsed = parse_url(url)
        place = f"{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''}"
        self.name: Final = f"lease-{_digest(f'{place} {deployment}', purpose).hex()[:16]}"
        """Names the lease to other guards: daemons that name the database in the same way share it."""
        self._key = int.from_bytes(_digest(deployment, purpose)[:8], "big", signed=True)
        self._engine = create_engine(
            parsed,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "switchmaster-guard",
                "tcp_user_timeout": DEAD_SECONDS * 1000,
                "options": _OPTIONS,
            },
        )
        self._until = 0.0
        """Until when it is held, in monotonic seconds, unless the next check says more."""
        self._told: bool | None = None
        """What was last logged: whether it is held."""
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether this daemon holds the lease now; from any thread."""
        return time.monotonic() < self._until

    def start(self) -> None:
        """Compete for the lease until `close`."""
        if self._thread is None:
            # A daemon thread: a database that hangs must not keep the process alive.
            self._end = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._end,), name="switchmaster-lease", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Give the lease up; blocks until the session has ended."""
        self._end.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(END_SECONDS)
        self._until = 0.0

    def _run(self, end: threading.Event) -> None:
        while not end.is_set():
            try:
                with self._engine.connect() as connection:
                    self._compete(connection, end)
            except SQLAlchemyError as error:
                self._give_up(str(unavailable(self._url, error)))
            finally:
                self._until = 0.0
            end.wait(CHECK_SECONDS)
        self._engine.dispose()

    def _compete(self, connection: Connection, end: threading.Event) -> None:
        while not end.is_set():
            begun = time.monotonic()
            if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}):
                return self._hold(connection, begun, end)
            self._say(False, "another daemon holds it")
            end.wait(CHECK_SECONDS)

    def _hold(self, connection: Connection, begun: float, end: threading.Event) -> None:
        self._until = begun + VALID_SECONDS
        self._say(True, "")
        driver: Any = connection.connection.driver_connection
        while not end.is_set():
            # Readable without a query: PostgreSQL has ended the session, or says that it does.
            if select.select([driver.fileno()], [], [], CHECK_SECONDS)[0]:
                self._until = 0.0
            begun = time.monotonic()
            connection.execute(text("SELECT 1"))
            self._until = begun + VALID_SECONDS

    def _give_up(self, reason: str) -> None:
        self._until = 0.0
        self._say(False, reason)

    def _say(self, held: bool, reason: str) -> None:
        if held != self._told:
            self._told = held
            words = f"holds the {self._purpose} lease" if held else f"does not hold the {self._purpose} lease: {reason}"
            level = logging.INFO if held else logging.WARNING
            _log.log(level, "%s: this daemon %s", self._deployment, words)


def open_lease(url: str, deployment: str, purpose: str = GUARDS) -> GuardLease | None:
    """
    Return a lease of a deployment, not started; None where the journal is in SQLite.

    Args:
        url: the journal's.
        deployment: its name.
        purpose: what it is for.

    Raises:
        UsageError: the URL is none of a journal.
    """
    return GuardLease(url, deployment, purpose) if parse_url(url).get_backend_name() == "postgresql" else None


def _digest(name: str, purpose: str) -> bytes:
    return hashlib.sha256(f"switchmaster {purpose} {name}".encode("utf-8", "surrogateescape")).digest()
