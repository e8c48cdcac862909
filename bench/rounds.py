"""
Failovers of one deployment, one after the other, and the cost of each for every writer.

From a running lab and running writers to a `Round` for each failover. Between two failovers everything settles: one
master, all replicas linked, all Sentinels agreed, every writer writing, and every writer's list empty.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients import Writer
from outcomes import Outcome, reckon
from switchmaster.errors import LabError
from switchmaster.lab import CommandRefused, Lab, LabServer, ServerSilent

__all__ = ["KINDS", "Discarded", "Observer", "Round", "Rounds"]

KINDS = ("crash", "hang", "planned")
HANG = 4.0
"""Seconds that a master hangs."""
CALM = 3.0
"""Seconds after a promotion without any question from us, because that is when we measure."""
PROMOTION_LIMIT = 40.0
SETTLE_LIMIT = 60.0
RETURN_LIMIT = 45.0
"""Seconds for a writer to write again once everything has settled; then it is restarted."""
STEADY = 1.5
"""Seconds that all write undisturbed before the next failover."""
POLL = 0.25


class Discarded(Exception):
    """It was not exactly one failover, so it says nothing about the clients."""


@dataclass(frozen=True)
class Round:
    """One failover."""

    kind: str
    promotion: float
    """Seconds from its beginning to the moment when the new master was writable."""
    outcomes: dict[str, Outcome]
    """Outcomes by client name."""


class Observer:
    """The process of `observer.py`, and what it has reported so far."""

    def __init__(self, nodes: Sequence[LabServer], folder: Path) -> None:
        script = Path(__file__).with_name("observer.py")
        words = [f"{node.name}={node.host}:{node.port}" for node in nodes]
        path = folder / "observer.record"
        with path.open("wb") as record:
            self._process = subprocess.Popen([sys.executable, str(script), *words], stdout=record)
        self._record = path.open(encoding="ascii")
        self._partial = ""
        self._said: list[tuple[int, str, str]] = []

    def promoted(self, old: str, since: int) -> list[tuple[int, str]]:
        """Return when other nodes reported that they are master, and their names."""
        lines = (self._partial + self._record.read()).split("\n")
        self._partial = lines.pop()
        for line in lines:
            moment, name, role = line.split(" ")
            self._said.append((int(moment), name, role))
        return [(at, name) for at, name, role in self._said if role == "master" and name != old and at > since]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._record.close()


class Rounds:
    """The failovers of a lab with writers on it."""

    def __init__(self, lab: Lab, writers: Sequence[Writer], observer: Observer) -> None:
        self.lab, self.writers, self.observer = lab, writers, observer
        self._leader = 0
        # A tenth of its beats proves that a writer works, even on a busy machine.
        self._least = max(5, int(0.1 / writers[0].beat)) if writers else 0

    def begin(self) -> None:
        """Wait until all write, before the first failover."""
        for writer in self.settle():
            raise LabError(writer.ended or f"{writer.client.name} does not write, although all is well")
        self._accounts(0, 0)

    def play(self, kind: str) -> Round:
        """
        Run one failover, and wait until everything has settled.

        Raises:
            Discarded: it was not exactly one failover; everything has settled nevertheless.
        """
        old, began = self.lab.master(), time.monotonic_ns()
        self._break(kind, old)
        promoted = self._promotion(kind, old, began)
        if promoted:
            time.sleep(CALM)
        self._mend(kind, old, began)
        missing = self.settle()
        accounts = self._accounts(began, promoted[0][0] if promoted else 0)
        self._start_again(missing)
        names = {name for _, name in self.observer.promoted(old.name, began)}
        # A promotion after the end of a hang counts as none.
        if not promoted or names != {self.lab.master().name}:
            raise Discarded(f"promoted: {', '.join(sorted(names)) or 'none in time'}; master: {self.lab.master().name}")
        return Round(kind, (promoted[0][0] - began) / 1e9, accounts)

    def settle(self) -> list[Writer]:
        """
        Wait until everything has settled.

        Returns:
            the writers that still do not write.
        """
        wait(self.lab.lacking, SETTLE_LIMIT)
        settled = time.monotonic()
        while True:
            for writer in self.writers:
                writer.read()
            now = time.monotonic_ns()
            missing = [writer for writer in self.writers if writer.ended or not writer.steady(now, self._least)]
            spent = time.monotonic() - settled
            if spent > RETURN_LIMIT or (spent > STEADY and not missing):
                return missing
            time.sleep(POLL)

    def _break(self, kind: str, master: LabServer) -> None:
        match kind:
            case "crash":
                self.lab.crash(master)
            case "hang":
                self.lab.hang(master)
            case _:
                self.lab.failover(sentinel=self._leader % len(self.lab.sentinels))
                self._leader += 1

    def _promotion(self, kind: str, old: LabServer, began: int) -> list[tuple[int, str]]:
        deadline = time.monotonic() + (HANG if kind == "hang" else PROMOTION_LIMIT)
        while not (promoted := self.observer.promoted(old.name, began)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return promoted

    def _mend(self, kind: str, old: LabServer, began: int) -> None:
        if kind == "hang":
            time.sleep(max(0.0, HANG - (time.monotonic_ns() - began) / 1e9))
            self.lab.resume(old)
        if kind == "crash":
            wait(self.lab.lacking, SETTLE_LIMIT)
            self.lab.restart(old)

    def _accounts(self, began: int, writable: int) -> dict[str, Outcome]:
        """Return the outcome of every writer, and empty the lists."""
        master = self.lab.master()
        return {writer.client.name: account(writer, master, began, writable) for writer in self.writers}

    def _start_again(self, missing: Sequence[Writer]) -> None:
        for writer in missing:
            told = writer.ended or f"{writer.client.name} does not write any more"
            print(f"{told}; it is started again", file=sys.stderr, flush=True)
            writer.stop()
            writer.start()
        if missing:
            self.settle()


def account(writer: Writer, master: LabServer, began: int, writable: int) -> Outcome:
    """Return the outcome of one writer, and empty its list."""
    writer.read()
    # In this order: whatever is read as acknowledged is in the list by then, or is lost.
    kept = [int(item) for item in taken(master, writer.key)]
    outcome = reckon(writer.acknowledged, writer.failed, kept, writer.early, began, writable)
    writer.early = set(kept) - {one.number for one in writer.acknowledged}
    writer.forget()
    return outcome


def taken(master: LabServer, key: str) -> list[Any]:
    """Read and remove a list in one step, so that every write is before or after it."""
    aside = f"{key}, aside"
    with master.client(timeout=10.0) as client:
        try:
            client.call("RENAME", key, aside)
        except CommandRefused:  # nothing was ever written to it
            return []
        items: list[Any] = client.call("LRANGE", aside, 0, -1)
        client.call("DEL", aside)
    return items


def wait(lacking: Callable[[], str], limit: float) -> None:
    """Wait as the lab does, but ask less often, since questions take time from the writers."""
    deadline = time.monotonic() + limit
    while lack := _ask(lacking):
        if time.monotonic() > deadline:
            raise LabError(f"waited {limit:g} s for the lab without success: {lack}")
        time.sleep(POLL)


def _ask(lacking: Callable[[], str]) -> str:
    try:
        return lacking()
    except (ServerSilent, CommandRefused) as error:
        return str(error)
