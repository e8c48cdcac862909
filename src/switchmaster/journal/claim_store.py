"""
The claims of the daemons that share deployments, in PostgreSQL: one look renews a lease, reads, decides and writes.

All looks take one lock, which is not the journal's: a busy journal holds no lease back. Leases are compared by the
database's clock. Of other daemons a look reads one row each, and their claims only where these have changed.

A daemon whose own lease has ended without its doing (PostgreSQL was away, or the daemon hung) claims nothing for one
lease after it is back: the others come back too, and what they watch is not free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, create_engine, delete, insert, select, text, update

from ..errors import UsageError
from .claims import Claim, ClaimState, Moves, Sharer, decide_claims
from .engine import connect, parse_url
from .schema import claims, sharers

__all__ = ["ClaimLook", "ClaimStore"]

CLAIMS_LOCK: Final = 0x5377_436C
"""The advisory lock of all looks: a number of our own ("SwCl")."""
ANSWER_SECONDS: Final = 2
"""Seconds for a connection, for a statement and for the lock."""
NAMES_AT_ONCE: Final = 1_000
"""Deployments in one statement."""
IDLE_SECONDS: Final = 1
"""Seconds after which PostgreSQL ends the look of a daemon that hangs, and gives the lock to the others."""

_OPTIONS: Final = " ".join(
    f"-c {setting}"
    for setting in (
        f"statement_timeout={ANSWER_SECONDS}s",
        f"lock_timeout={ANSWER_SECONDS}s",
        f"idle_in_transaction_session_timeout={IDLE_SECONDS}s",
        "idle_session_timeout=0",
        # A claim that a crash of PostgreSQL takes back is made again by the next look.
        "synchronous_commit=off",
    )
)


@dataclass(frozen=True, slots=True)
class ClaimLook:
    """What one look has found and decided."""

    sharers: tuple[Sharer, ...]
    """The daemons whose lease runs, by id; this one with what it has decided."""
    moves: Moves
    """What this daemon does now."""


class ClaimStore:
    """
    The claims of one run of one daemon. All methods block; one thread at a time calls them.

    Args:
        url: of the journal, in PostgreSQL; its tables must be there.
        run: the run's id.
        name: the name that people know the daemon by.

    Raises:
        UsageError: the journal is not in PostgreSQL.
    """

    def __init__(self, url: str, run: str, name: str) -> None:
        if parse_url(url).get_backend_name() != "postgresql":
            raise UsageError("deployments can be shared only through a journal in PostgreSQL")
        self.run, self.name = run, name
        self._url = url
        self._engine = create_engine(
            parse_url(url),
            pool_size=1,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": ANSWER_SECONDS,
                "application_name": "switchmaster-claims",
                "tcp_user_timeout": ANSWER_SECONDS * 1000,
                "options": _OPTIONS,
            },
        )
        self._revision = 0
        self._written: dict[str, Claim] | None = None
        """Our claims in the database; None if they are not known."""
        self._others: dict[str, tuple[int, Mapping[str, Claim]]] = {}
        """Those of the other daemons as last read, with their revision."""
        self._rests_until: float | None = None
        """Until when nothing is claimed, by the database's clock; None before the first look."""

    def look(self, offers: Mapping[str, Claim], daemons: int, lease: float, leaving: bool = False) -> ClaimLook:
        """
        Renew this daemon's lease, and decide what it claims and gives up.

        Args:
            offers: how it stands to each deployment of its file.
            daemons: how many daemons are to watch each deployment.
            lease: seconds for which this look counts.
            leaving: whether the daemon is about to end.

        Raises:
            JournalUnavailable: PostgreSQL refused, or could not be reached; nothing is decided.
        """
        try:
            with connect(self._engine, self._url) as connection:
                return self._look(connection, Sharer(self.run, self.name, 0.0, lease, daemons, leaving, dict(offers)))
        except BaseException:
            # What is there now is not known: the next look writes and reads all of it.
            self._written, self._others = None, {}
            self._engine.dispose()
            raise

    def leave(self) -> None:
        """
        Remove this daemon: what it has claimed is free at once.

        Raises:
            JournalUnavailable: PostgreSQL refused, or could not be reached; the lease ends by itself.
        """
        self._written = None
        with connect(self._engine, self._url) as connection:
            connection.execute(delete(sharers).where(sharers.c.run == self.run))

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    # -- in the transaction -------------------------------------------------------------------------

    def _look(self, connection: Connection, own: Sharer) -> ClaimLook:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CLAIMS_LOCK})
        now = float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
        ours, others = self._read(connection, now)
        if self._rests_until is None:
            self._rests_until = now
        elif ours is None or not ours.alive(now):
            self._rests_until = now + own.lease
        own = replace(own, renewed=now)
        moves = decide_claims([own, *others], self.run, now, taking=now >= self._rests_until)
        own = replace(own, claims=_decided(own.claims, moves))
        self._write(connection, own, new=ours is None)
        return ClaimLook(tuple(sorted([own, *others], key=lambda one: one.id)), moves)

    def _read(self, connection: Connection, now: float) -> tuple[Sharer | None, list[Sharer]]:
        """Return our own row, without claims, and the daemons that live; those that are dead are removed."""
        found = {
            row.run: (Sharer(row.run, row.name, row.renewed, row.lease, row.daemons, row.leaving, {}), row.revision)
            for row in connection.execute(select(sharers))
        }
        ours, _ = found.pop(self.run, (None, 0))
        dead = [run for run, (one, _) in found.items() if not one.alive(now)]
        if dead:
            connection.execute(delete(sharers).where(sharers.c.run.in_(dead)))
        living = {run: pair for run, pair in found.items() if run not in dead}
        changed = [run for run, (_, revision) in living.items() if self._others.get(run, (None,))[0] != revision]
        read = _claims_of(connection, changed)
        self._others = {
            run: (revision, read[run] if run in read else self._others[run][1]) for run, (_, revision) in living.items()
        }
        return ours, [replace(one, claims=self._others[run][1]) for run, (one, _) in living.items()]

    def _write(self, connection: Connection, own: Sharer, new: bool) -> None:
        known = None if new else self._written
        changed = {name: one for name, one in own.claims.items() if known is None or known.get(name) != one}
        gone = [] if known is None else [name for name in known if name not in own.claims]
        if changed or gone or known is None:
            self._revision += 1
        row = {
            "name": own.name, "renewed": own.renewed, "lease": own.lease, "daemons": own.daemons,
            "leaving": own.leaving, "revision": self._revision,
        }  # fmt: skip
        if new:
            connection.execute(insert(sharers).values(run=own.id, **row))
        else:
            connection.execute(update(sharers).where(sharers.c.run == own.id).values(**row))
        ours = claims.c.run == own.id
        if known is None:
            connection.execute(delete(claims).where(ours))
        for names in _parts([*changed, *gone]):
            connection.execute(delete(claims).where(ours, claims.c.deployment.in_(names)))
        rows = [
            {"run": own.id, "deployment": name, "state": str(one.state), "kept": one.kept, "masters": one.masters}
            for name, one in changed.items()
        ]
        if rows:
            connection.execute(insert(claims), rows)
        self._written = dict(own.claims)


def _claims_of(connection: Connection, runs: Sequence[str]) -> dict[str, dict[str, Claim]]:
    found: dict[str, dict[str, Claim]] = {run: {} for run in runs}
    if runs:
        for row in connection.execute(select(claims).where(claims.c.run.in_(runs))):
            found[row.run][row.deployment] = Claim(ClaimState(row.state), row.kept, row.masters)
    return found


def _decided(offers: Mapping[str, Claim], moves: Moves) -> dict[str, Claim]:
    """Return a daemon's claims after its moves."""
    decided = dict(offers)
    for name in moves.claim:
        decided[name] = replace(decided[name], state=ClaimState.STARTING)
    for name in moves.release:
        decided[name] = replace(decided[name], state=ClaimState.FREE)
    return decided


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[begin : begin + NAMES_AT_ONCE] for begin in range(0, len(names), NAMES_AT_ONCE))
