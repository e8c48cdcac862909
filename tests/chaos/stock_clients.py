"""
Stock clients of redis-py on a relay and behind the proxy, beside our own, through the same faults: for the report.

The relay, the proxy and the clients are processes of their own. What such a client loses and how long it waits is
redis-py's doing as much as ours, so it is no finding. These are: a relay or a proxy that ends by itself, and a client
that does not write to the master although everything is repaired.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from rig.child import Child
from rig.conditions import eventually
from rig.programs import PATH
from switchmaster.lab import Lab
from switchmaster.lab.ports import free_ports

from .application import Entry, read_ledger
from .losses import Written
from .stock_writer import Way, key_of, ledger_of

__all__ = ["Experience", "StockClients", "experience_of", "lost_ground", "stock_clients"]

Where = tuple[str, int]
HOST = "127.0.0.1"
START_LIMIT = 30.0
END_LIMIT = 40.0


@dataclass
class StockClients:
    """The clients of one run."""

    folder: Path
    """Has what they did, and what the relay and the proxy print."""
    ways: tuple[Way, ...] = ()
    """How they find a master."""
    troubles: list[str] = field(default_factory=list)
    """Findings: what must not happen, whatever redis-py does."""

    def written(self, lab: Lab, masters: Sequence[str]) -> dict[Way, list[Written]]:
        """Return what the clients did, and what the masters have of it; only after their end."""
        found: dict[Way, list[Written]] = {way: [] for way in self.ways}
        for name in masters:
            with lab.master(name).client(5.0) as client:
                for way, all_of_it in found.items():
                    kept = [int(item) for item in client.call("LRANGE", key_of(name, way), 0, -1)]
                    entries = list(read_ledger(ledger_of(name, way, self.folder)))
                    all_of_it.append(Written(name, key_of(name, way), entries, kept))
        return found


@contextmanager
def stock_clients(
    sentinels: Sequence[Where], masters: Sequence[str], table: Mapping[Where, Where], folder: Path
) -> Iterator[StockClients]:
    """
    Run a relay, a proxy where HAProxy is installed, and their clients for the length of a block.

    Args:
        sentinels: their addresses, as they are announced.
        masters: names; each client writes to each.
        table: what is announced -> what is dialled, by the relay and its clients, and by HAProxy.
        folder: for what they print, and for the clients' ledgers.
    """
    clients = StockClients(folder)
    words = [f"{host}:{port}" for host, port in sentinels]
    plain = [(f"{host}:{port}", f"{to}:{at}") for (host, port), (to, at) in table.items()]
    words += [f"--address-map={announced}={dialled}" for announced, dialled in plain]
    client_map = [f"--client-map={announced}={dialled}" for announced, dialled in plain]
    plan: dict[str, object] = {"folder": str(folder), "masters": list(masters)}
    haproxy = shutil.which("haproxy", path=PATH)
    with ExitStack() as stack:
        said = stack.enter_context(
            _running(clients, "relay", ["--listen", f"{HOST}:0", *words, *client_map], "clients are told of")
        )
        line = next(one for one in said.splitlines() if "relaying at" in one)
        plan[Way.RELAY] = int(line.rpartition(":")[2])
        clients.ways = (Way.RELAY,)
        if haproxy is not None:
            plan[Way.PROXY] = ports = dict(zip(masters, free_ports(len(masters)), strict=True))
            # Short: HAProxy's sockets are in it.
            short = tempfile.mkdtemp(prefix="smc-", dir="/tmp")
            stack.callback(shutil.rmtree, short, ignore_errors=True)
            places = [f"--write={name}={HOST}:{port}" for name, port in ports.items()]
            places += ["--folder", f"{short}/p", "--haproxy", haproxy]
            stack.enter_context(_running(clients, "proxy", [*places, *words], "clients find"))
            clients.ways = (Way.RELAY, Way.PROXY)
        stack.enter_context(_writing(plan))
        yield clients


@contextmanager
def _running(clients: StockClients, verb: str, arguments: Sequence[str], ready: str) -> Iterator[str]:
    """Run one of our programs until it has said that it is ready, and for the length of a block."""
    said = clients.folder / f"{verb}.said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "switchmaster", verb, *arguments], stdout=subprocess.DEVNULL, stderr=out
        )
    try:
        eventually(lambda: ready in said.read_text("utf-8"), START_LIMIT, what=f"the {verb} to serve")
        yield said.read_text("utf-8")
    finally:
        if process.poll() is not None:
            clients.troubles.append(f"the {verb} ended by itself ({process.returncode}): {said.read_text('utf-8')}")
        process.send_signal(signal.SIGTERM)
        process.wait(END_LIMIT)
        if "Traceback" in (text := said.read_text("utf-8")):
            clients.troubles.append(f"the {verb} has a fault: {text}")


@contextmanager
def _writing(plan: Mapping[str, object]) -> Iterator[None]:
    """Run the clients for the length of a block."""
    command = [sys.executable, "-m", "chaos.stock_writer"]
    with Child(command, stdin=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as writer:
        assert writer.stdin is not None  # we asked for a pipe
        writer.stdin.write(json.dumps(plan) + "\n")
        writer.stdin.flush()
        try:
            yield
        finally:
            writer.stdin.close()
            writer.wait(END_LIMIT)


@dataclass(frozen=True, slots=True)
class Experience:
    """A run as the clients of one kind had it."""

    acknowledged: int
    failed: int
    longest_gap: float
    """Seconds: the longest time between two acknowledgements of one writer."""


def experience_of(written: Iterable[Written]) -> Experience:
    """Return what several writers had together."""
    acknowledged = failed = 0
    longest = 0.0
    for each in written:
        entries = list(each.entries)
        done = [entry for entry in entries if not entry.error]
        acknowledged += len(done)
        failed += len(entries) - len(done)
        longest = max([longest, *(_gap(one, other) for one, other in pairwise(done))])
    return Experience(acknowledged, failed, longest)


def _gap(one: Entry, other: Entry) -> float:
    return other.ended - one.ended


def lost_ground(way: Way, written: Iterable[Written], since: float) -> list[str]:
    """
    Return the findings of clients that did not write to the master at the end.

    Args:
        way: how they find it.
        written: what they did.
        since: when everything was repaired and known, in monotonic seconds.
    """
    found = []
    for each in written:
        kept = set(each.kept)
        if not any(entry.ended > since and entry.number in kept for entry in each.entries if not entry.error):
            found.append(f"after the repair no write of a client on the {way} reached the master of {each.master}")
    return found
