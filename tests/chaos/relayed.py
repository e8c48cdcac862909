"""
A stock client of redis-py on a relay, beside our own client, through the same faults: for the report.

The relay and the client are processes of their own. What the client loses and how long it waits is redis-py's doing as
much as the relay's, so none of it is a finding.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rig.conditions import eventually
from switchmaster.lab import Lab

from .application import Entry, read_ledger
from .losses import Written
from .stock_writer import key_of, ledger_of

__all__ = ["Experience", "experience_of", "relayed", "written_through"]

Where = tuple[str, int]
START_LIMIT = 30.0
END_LIMIT = 40.0


@contextmanager
def relayed(
    sentinels: Sequence[Where], masters: Sequence[str], table: Mapping[Where, Where], folder: Path
) -> Iterator[None]:
    """
    Run a relay and the client for the length of a block.

    Args:
        sentinels: their addresses, as they are announced.
        masters: names; the client writes to each.
        table: what is announced -> what is dialled, by the relay and by its client.
        folder: for what they print, and for the client's ledgers.
    """
    said = folder / "relay.said"
    words = [f"{host}:{port}" for host, port in sentinels]
    for (host, port), (to, at) in table.items():
        words += ["--address-map", f"{host}:{port}={to}:{at}", "--client-map", f"{host}:{port}={to}:{at}"]
    command = [sys.executable, "-m", "switchmaster", "relay", "--listen", "127.0.0.1:0", *words]
    with said.open("wb") as out:
        relay = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=out)
    try:
        eventually(lambda: "clients are told of" in said.read_text("utf-8"), START_LIMIT, what="the relay to serve")
        line = next(one for one in said.read_text("utf-8").splitlines() if "relaying at" in one)
        writing = [sys.executable, "-m", "chaos.stock_writer", line.rpartition(":")[2], str(folder), *masters]
        with subprocess.Popen(writing, stdin=subprocess.PIPE, cwd=Path(__file__).parents[1]) as writer:
            assert writer.stdin is not None
            try:
                yield
            finally:
                writer.stdin.close()
                writer.wait(END_LIMIT)
    finally:
        relay.terminate()
        relay.wait(END_LIMIT)


def written_through(lab: Lab, masters: Sequence[str], folder: Path) -> list[Written]:
    """Return what the client did, and what the masters have of it; only after its end."""
    found = []
    for name in masters:
        with lab.master(name).client(5.0) as client:
            kept = [int(item) for item in client.call("LRANGE", key_of(name), 0, -1)]
        found.append(Written(name, key_of(name), read_ledger(ledger_of(name, folder)), kept))
    return found


@dataclass(frozen=True, slots=True)
class Experience:
    """A run as the clients of one kind had it."""

    acknowledged: int
    lost: int
    """Acknowledged, and not on the master at the end."""
    failed: int
    longest_gap: float
    """Seconds: the longest time between two acknowledgements of one writer."""


def experience_of(written: Iterable[Written]) -> Experience:
    """Return what several writers had together."""
    acknowledged = lost = failed = 0
    longest = 0.0
    for each in written:
        kept = set(each.kept)
        entries = list(each.entries)
        done = [entry for entry in entries if not entry.error]
        acknowledged += len(done)
        failed += len(entries) - len(done)
        lost += sum(entry.number not in kept for entry in done)
        longest = max([longest, *(_gap(one, other) for one, other in pairwise(done))])
    return Experience(acknowledged, lost, failed, longest)


def _gap(one: Entry, other: Entry) -> float:
    return other.ended - one.ended
