"""
What the death of a master costs with a guard, beside Sentinel alone, and what a restart of an empty master wipes.

Two tables. In the first a master is killed, with ``down-after-milliseconds`` at its default of 30 s: how long until
another node takes writes, and until a writer through our client, and one through redis-py, go on; and how many
failovers the Sentinels tried, until 90 s after the last kill. In the second a master is restarted some time after its
death: how many of the keys are left on the node that has the fewest. ``repl-diskless-sync-delay`` says how long a
master waits until it sends its data to a replica that asks for all of it: 5 s by default since Redis 7.0. The servers
are started afresh for each restart, and put in order again by hand after each kill.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import redis.sentinel

import switchmaster.redis
from figures import Table, median, report
from switchmaster.guard.policy import Arming, Policy, Restart
from switchmaster.lab import Lab, LabServer, find_binaries
from switchmaster.lab.lab_client import CommandRefused, ServerSilent
from switchmaster.net.guard import Guard
from switchmaster.net.watcher import Watcher

DOWN_AFTER_MS = 30_000
KEYS = 20_000
PAUSES = (0.02, 0.1, 0.3, 1.0, 4.0, 10.0)
"""Seconds from a death to the restart."""
LIMIT = 60.0
SHORT = 0.3
"""A restart so soon is a race with the promotion, and is repeated."""
SETTLED = 3.0
"""Seconds after which replicas have connected to whom they follow, and copied; the delay comes on top."""
DELAY = 5
"""Seconds: the default of repl-diskless-sync-delay; in a lab it is 0."""
PERSISTENT = ("appendonly yes",)
DELAYED = (f"repl-diskless-sync-delay {DELAY}",)


class Loop:
    """A loop in a thread, in which a guard runs."""

    def __init__(self, sentinels: Sequence[tuple[str, int]], policy: Policy) -> None:
        self._sentinels, self._policy = sentinels, policy
        self.orders = 0
        self.tries = 0
        """Failovers that Sentinels tried."""
        self.ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def close(self) -> None:
        self._stop()
        self._thread.join(LIMIT)

    async def _run(self) -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = partial(loop.call_soon_threadsafe, over.set)
        async with Watcher(self._sentinels) as watcher:
            watcher.on_event(self._hear)
            guard = Guard(watcher, lambda _: self._policy, identity="bench", on_notice=self._note)
            guard.start()
            while not over.is_set():
                if all(not status.outlook and len(status.reports) > 2 for status in guard.status()):
                    self.ready.set()
                else:
                    self.ready.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 0.05)
            await guard.close()

    def _hear(self, heard: Any) -> None:
        self.tries += heard.event.channel == "+try-failover"

    def _note(self, notice: Any) -> None:
        self.orders += notice.kind == "guard-ordered"


@contextmanager
def guarded(lab: Lab, policy: Policy | None) -> Iterator[Loop | None]:
    """Guard a lab while the block lasts, or leave it to Sentinel."""
    if policy is None:
        yield None
        return
    loop = Loop(lab.sentinel_addresses, policy)
    try:
        assert loop.ready.wait(LIMIT), "the guard did not become ready"
        yield loop
    finally:
        loop.close()


class Writer(threading.Thread):
    """Writes through a client, one key after the other, and remembers when it went on."""

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self._client = client
        self.over = False
        self.good: list[float] = []

    def run(self) -> None:
        while not self.over:
            with contextlib.suppress(Exception):
                self._client.set("writer", time.monotonic())
                self.good.append(time.monotonic())
            time.sleep(0.005)

    def gap(self, since: float) -> float:
        """Return the seconds from a moment to the first write after it; wait for that."""
        before = len(self.good)
        wait(lambda: len(self.good) > before + 3 and self.good[-1] > since)
        return next(at for at in self.good if at > since + 0.02) - since


def wait(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def keys(node: LabServer) -> int:
    return int(node.call("DBSIZE"))


def takes_writes(node: LabServer) -> bool:
    try:
        node.call("SET", "after", "1")
    except (CommandRefused, ServerSilent):  # a promotion ends its connections
        return False
    return True


def in_order(lab: Lab) -> bool:
    """Whether every replica follows the master, and every Sentinel knows it."""
    new, reports = lab.master(), lab.reports()
    linked = [each for each in reports if each.linked and each.follows == new.address]
    named = {tuple(lab.sentinel_command(n, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")) for n in range(3)}
    flags = lab.sentinel_command(0, "SENTINEL", "MASTER", "mymaster")[9]
    # A Sentinel may say for seconds that it is disconnected from a new master, which it is not.
    return len(linked) == 2 and named == {(new.host, str(new.port))} and "failover_in_progress" not in flags


def kill(lab: Lab, writers: Sequence[Writer]) -> tuple[float, list[float]]:
    """Kill the master; return the seconds until another node takes writes, and until each writer goes on."""
    old, others = lab.master(), [node for node in lab.nodes() if node is not lab.master()]
    begun = time.monotonic()
    lab.crash(old)
    wait(lambda: any(takes_writes(node) for node in others))
    outage = time.monotonic() - begun
    gaps = [writer.gap(begun) for writer in writers]
    lab.restart(old)
    old.call("REPLICAOF", *lab.master().address)
    wait(lambda: in_order(lab))
    return outage, gaps


def kills(binary: str, policy: Policy | None, times: int, watched: float) -> list[str]:
    with Lab(binary=binary, down_after_ms=DOWN_AFTER_MS, failover_timeout_ms=10_000) as lab:
        assert lab.binary is not None
        sentinels = lab.sentinel_addresses
        ours = switchmaster.redis.Sentinel(sentinels, socket_timeout=1)
        stock = redis.sentinel.Sentinel(sentinels, socket_timeout=1)
        writers = [Writer(each.master_for("mymaster")) for each in (ours, stock)]
        with guarded(lab, policy) as loop:
            for writer in writers:
                writer.start()
            found = []
            for _ in range(times):
                time.sleep(SETTLED / 2)  # the guard has the nodes' word once a second
                wait(lambda: loop is None or loop.ready.is_set())
                found.append(kill(lab, writers))
            if loop is not None:
                time.sleep(watched)
            counted = ["-", "-"] if loop is None else [str(loop.orders), str(loop.tries)]
            for writer in writers:
                writer.over = True
                writer.join(LIMIT)
        ours.close()
        columns = [[outage for outage, _ in found], *([gaps[at] for _, gaps in found] for at in (0, 1))]
        shown = [f"{median(each):.2f} / {max(each):.2f}" for each in columns]
        return [lab.binary.describe(), _who(policy), str(times), *shown, *counted]


def _who(policy: Policy | None) -> str:
    if policy is None:
        return "Sentinel alone"
    return "guard, grace 0.25 s" if policy.restart is Restart.KEEPS else "guard, urgent"


def left(binary: str, pause: float, policy: Policy | None, lines: tuple[str, ...]) -> str:
    """Return how many keys are left on the node that has the fewest, after a restart."""
    options: dict[str, Any] = {"node_lines": lines} if lines else {}
    with Lab(binary=binary, down_after_ms=DOWN_AFTER_MS, failover_timeout_ms=10_000, **options) as lab:
        old = lab.master()
        old.call("EVAL", f"for n = 1, {KEYS} do redis.call('SET', 'key:' .. n, 'x') end", "0")
        wait(lambda: all(keys(node) == KEYS for node in lab.nodes()))
        with guarded(lab, policy):
            lab.crash(old)
            time.sleep(pause)
            lab.restart(old)
            time.sleep(SETTLED + (DELAY if lines == DELAYED else 0))
            if lab.master() is not old:
                old.call("REPLICAOF", *lab.master().address)
                wait(lambda: in_order(lab))
            return str(min(keys(node) for node in lab.nodes()))


def lefts(binary: str, pause: float, policy: Policy | None, lines: tuple[str, ...], times: int) -> str:
    """Return how many keys are left after restarts, and after how many of them."""
    runs = times if pause <= SHORT and policy is not None else 1
    found = [left(binary, pause, policy, lines) for _ in range(runs)]
    counted = sorted({(int(one), found.count(one)) for one in found})
    return ", ".join(str(number) if runs == 1 else f"{number} ({many} of {runs})" for number, many in counted)


def measure(options: argparse.Namespace) -> list[Table]:
    armed = Policy(arming=Arming.ARMED, cool_down=0.5)
    waits = replace(armed, restart=Restart.KEEPS)
    binaries = [str(each.path) for each in find_binaries()]
    rows = [kills(binary, armed, options.kills, options.watched) for binary in binaries]
    rows += [kills(binary, waits, options.kills, options.watched) for binary in binaries]
    rows += [kills(binary, None, options.alone, 0.0) for binary in binaries[:1]]
    urgent, patient = Policy(arming=Arming.ARMED), Policy(arming=Arming.ARMED, restart=Restart.KEEPS)
    ways: dict[str, tuple[Policy | None, tuple[str, ...]]] = {
        "no persistence, sync delay 5 s, Sentinel alone": (None, DELAYED),
        "no persistence, sync delay 5 s, a patient guard (grace 0.25 s)": (patient, DELAYED),
        "no persistence, sync delay 5 s, an urgent guard": (urgent, DELAYED),
        "no persistence, no sync delay, Sentinel alone": (None, ()),
        "no persistence, no sync delay, a patient guard (grace 0.25 s)": (patient, ()),
        "no persistence, no sync delay, an urgent guard": (urgent, ()),
        "append-only file, no sync delay, a guard": (urgent, PERSISTENT),
    }
    tried = binaries[options.restarted]
    lost = [[name, *(lefts(tried, pause, *way, options.restarts) for pause in PAUSES)] for name, way in ways.items()]
    setting = f"1 master, 2 replicas, 3 Sentinels, down-after {DOWN_AFTER_MS / 1000:g} s; times in seconds"
    columns = [
        "server",
        "who acts",
        "kills",
        "writable p50 / worst",
        "our writer",
        "redis-py's writer",
        "orders",
        "failovers",
    ]
    return [
        Table("A master is killed", setting, columns, rows),
        Table(
            "A dead master is restarted",
            f"{find_binaries()[options.restarted].describe()}, {KEYS} keys before; the keys left on the node that has "
            "the fewest, by the seconds until the restart",
            ["", *(f"{pause:g} s" for pause in PAUSES)],
            lost,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each server, with a guard")
    parser.add_argument("--alone", type=int, default=2, help="by Sentinel alone, half a minute each")
    parser.add_argument("--watched", type=float, default=90.0, help="seconds after the last kill")
    parser.add_argument("--restarts", type=int, default=3, help="of each kind that races with the promotion")
    parser.add_argument("--restarted", type=int, default=1, help="the number of the server in the list of those found")
    parser.add_argument("--json", action="store_true")
    report(partial(measure, parser.parse_args()))


if __name__ == "__main__":
    main()
