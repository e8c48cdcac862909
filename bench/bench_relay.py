"""
Unmodified clients on the relay, beside the same clients on the Sentinels; and what the relay itself can carry.

The failovers are those of `bench_failover`, with two writers for each client: one has the addresses of the Sentinels,
the other that of one relay. PHP's and Ruby's clients take part where Debian's packages are installed (php-cli,
php-redis, php-nrk-predis, ruby-redis).

Throughput is measured in commands per second of the server's processor time, by redis-benchmark, for the relay and a
real Sentinel: what else the machine does plays no part. Then 5,000 clients subscribe, and get an announcement.
"""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench_failover import DOWN_AFTER, FAILOVER_TIMEOUT, kinds_of, listed, outcomes, play, preferred, shown
from clients import CLIENTS, HERE, Client, Writer
from figures import Figure, Table, median, report
from rounds import KINDS, Round
from switchmaster.errors import LabError
from switchmaster.lab import Lab

SUBSCRIBERS = 5_000
REQUESTS = 200_000
QUESTION = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
GOAL = 50_000
RISE = 60.0
ON_RELAY = ", relay"


@dataclass(frozen=True)
class Foreign(Client):
    """A client of another language, from Debian's packages."""

    program: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    """A command that prints its version."""

    def lacking(self) -> str:
        if not shutil.which(self.program[0]):
            return f"{self.program[0]} is not found"
        done = subprocess.run(self.check, capture_output=True, text=True)
        return "" if done.returncode == 0 and done.stdout.strip() else f"{self.package} is not installed"

    def version(self) -> str:
        return f"{self.package} {subprocess.run(self.check, capture_output=True, text=True).stdout.strip()}"

    def command(self) -> list[str]:
        return [self.program[0], str(HERE / self.program[1]), *self.program[2:]]


PHP_REDIS = ("php", "-r", 'echo phpversion("redis");')
PREDIS = ("php", "-r", 'require "Predis/autoload.php"; echo Predis\\Client::VERSION;')
RUBY = ("ruby", "-e", 'require "redis"; print Redis::VERSION')
OTHERS = (
    Client("valkey-py", "threads", "valkey", "valkey.sentinel"),
    Foreign("php-redis", "", "php-redis", program=("php", "writer.php", "php-redis"), check=PHP_REDIS),
    Foreign("predis", "", "predis", program=("php", "writer.php", "predis"), check=PREDIS),
    Foreign("redis-rb", "", "redis-rb", program=("ruby", "writer.rb"), check=RUBY),
)
STOCK = tuple(client for client in CLIENTS if not client.name.startswith("switchmaster")) + OTHERS


class RelayProcess:
    """``switchmaster relay`` on a lab's Sentinels, as a process."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        words = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        self._said = folder / "relay.said"
        command = [sys.executable, "-m", "switchmaster", "relay", "--listen", "127.0.0.1:0", *words]
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        deadline = time.monotonic() + RISE
        while "clients are told of" not in self._said.read_text(encoding="utf-8"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise LabError(f"the relay does not serve: {self._said.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        line = next(line for line in self._said.read_text(encoding="utf-8").splitlines() if "relaying at" in line)
        self.address = ("127.0.0.1", int(line.rpartition(":")[2]))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


@contextmanager
def relaying(lab: Lab) -> Iterator[tuple[RelayProcess, Path]]:
    with tempfile.TemporaryDirectory(prefix="switchmaster-bench-") as folder:
        relay = RelayProcess(lab, Path(folder))
        try:
            yield relay, Path(folder)
        finally:
            relay.stop()


def measure(options: argparse.Namespace) -> list[Figure | Table]:
    found: list[Figure | Table] = []
    with Lab(binary=options.binary, down_after_ms=DOWN_AFTER, failover_timeout_ms=FAILOVER_TIMEOUT) as lab:
        assert lab.binary is not None
        with relaying(lab) as (relay, _):
            found += throughput(lab, relay)
            found += crowd(lab, relay)
        if options.rounds:
            with relaying(lab) as (relay, folder):
                found.append(failovers(lab, relay, folder, options))
    return found


# Throughput ---------------------------------------------------------------------------------------


def throughput(lab: Lab, relay: RelayProcess) -> list[Figure]:
    sentinel = lab.sentinels[0]
    found = []
    for what, words in (
        ("50 clients, one command each at a time", ()),
        ("the same, 16 commands at a time", ("-P", "16")),
    ):
        ours = per_core(relay.address[1], relay.process.pid, words)
        assert sentinel.process is not None
        theirs = per_core(sentinel.port, sentinel.process.pid, words)
        goal = f">= {GOAL:,}"
        name = f"GET-MASTER-ADDR-BY-NAME per second of one core, {what}"
        found.append(Figure(name, f"{ours:,.0f}", f"a Sentinel: {theirs:,.0f}", f"{ours / theirs:.2f}", goal))
    return found


def per_core(port: int, process: int, words: Sequence[str]) -> float:
    """Return the commands that a server answers in a second of its processor time."""
    count = str(REQUESTS)
    command = ["redis-benchmark", "-p", str(port), "-c", "50", "-n", count, "-q", *words, *QUESTION]
    before = processor_seconds(process)
    subprocess.run(command, check=True, capture_output=True)
    return REQUESTS / (processor_seconds(process) - before)


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Many subscribers ---------------------------------------------------------------------------------


def crowd(lab: Lab, relay: RelayProcess) -> list[Figure]:
    """Subscribe many clients, and measure an event's way to all of them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before = resident(relay.process.pid)
    clients, selector = [], selectors.DefaultSelector()
    for _ in range(SUBSCRIBERS):
        client = socket.create_connection(relay.address)
        client.sendall(b"*2\r\n$10\r\nPSUBSCRIBE\r\n$4\r\n+set\r\n")
        assert client.recv(1000)
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
        clients.append(client)
    grown = resident(relay.process.pid) - before
    chosen = min(lab.sentinels, key=lambda server: f"{server.host}:{server.port}")
    begun = time.monotonic()
    chosen.call("SENTINEL", "SET", "mymaster", "parallel-syncs", 1)
    times = []
    while len(times) < SUBSCRIBERS and time.monotonic() < begun + RISE:
        for key, _ in selector.select(1.0):
            assert isinstance(key.fileobj, socket.socket)
            if key.fileobj.recv(1000):
                times.append((time.monotonic() - begun) * 1e3)
                selector.unregister(key.fileobj)
    for client in clients:
        client.close()
    return [
        Figure(f"{SUBSCRIBERS:,} subscribers: one event reached", f"{len(times):,} of them", goal=f"{SUBSCRIBERS:,}"),
        Figure(
            f"{SUBSCRIBERS:,} subscribers: from SENTINEL SET to the message, the first, half, and the last of them",
            f"{times[0]:.0f} ms, {median(times):.0f} ms, {times[-1]:.0f} ms",
        ),
        Figure(f"{SUBSCRIBERS:,} subscribers: memory for each", f"{grown / SUBSCRIBERS / 1024:.1f} KiB"),
    ]


def resident(process: int) -> int:
    """Return a process's resident memory in bytes."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# Failovers ----------------------------------------------------------------------------------------


def failovers(lab: Lab, relay: RelayProcess, folder: Path, options: argparse.Namespace) -> Table:
    wanted = [client for client in STOCK if not options.clients or client.name in options.clients]
    lacking = {client.name: lack for client in wanted if (lack := client.lacking())}
    present = [client for client in wanted if client.name not in lacking]
    writers = [
        Writer(one, addresses, options.beat / 1e3, folder)
        for client in present
        for one, addresses in (
            (client, lab.sentinel_addresses),
            (replace(client, name=client.name + ON_RELAY), [relay.address]),
        )
    ]
    spoiled: list[str] = []
    played = play(lab, folder, writers, kinds_of(options), spoiled)
    return table(played, present, lacking, setting(lab, present, spoiled, options))


def table(played: Sequence[Round], present: Sequence[Client], lacking: dict[str, str], setting: str) -> Table:
    columns = ["client", "failover", "first write: on the Sentinels", "on the relay", "lost: on the Sentinels",
               "on the relay", "errors: on the Sentinels", "on the relay"]  # fmt: skip
    rows = []
    for kind in KINDS:
        for client in present:
            beside = outcomes(played, client.name, kind)
            ours = outcomes(played, client.name + ON_RELAY, kind)
            if not ours:
                continue
            both = (beside, ours)
            rows.append(
                [
                    *(client.name, kind),
                    *(shown(median([one.recovery for one in found])) for found in both),
                    *(f"{median([one.lost for one in found]):,.0f}" for found in both),
                    *(f"{median([one.errors.total() for one in found]):,.0f}" for found in both),
                ]
            )
    rows += [[name, "all", lack, *[""] * (len(columns) - 3)] for name, lack in lacking.items()]
    return Table("unmodified clients on the Sentinels and on the relay, in the same failovers", setting, columns, rows)


def setting(lab: Lab, present: Sequence[Client], spoiled: Sequence[str], options: argparse.Namespace) -> str:
    assert lab.binary is not None
    kinds = ", ".join(f"{options.rounds} x {kind}" for kind in options.kinds)
    discarded = f" Discarded, since it was not one failover: {'; '.join(spoiled)}." if spoiled else ""
    versions = ", ".join(sorted({client.version() for client in present}))
    return (
        f"{lab.binary.describe()}, 1 master, 2 replicas, 3 Sentinels, down-after {DOWN_AFTER} ms; {kinds}; medians. "
        f"Two writers of each client at once, at most one write in {options.beat:g} ms each. First write: from the "
        f"moment when the new master was writable. {versions}.{discarded}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare unmodified clients on the relay with the same on Sentinels.")
    parser.add_argument("--rounds", type=int, default=3, help="failovers of each kind (%(default)s); 0 for none")
    parser.add_argument("--kinds", type=partial(listed, known=KINDS), default=list(KINDS), help=", ".join(KINDS))
    names = [client.name for client in STOCK]
    parser.add_argument("--clients", type=partial(listed, known=names), help=", ".join(names))
    parser.add_argument("--binary", default=preferred(), help="the server, as the lab takes it (%(default)s)")
    parser.add_argument("--beat", type=float, default=2.0, help="milliseconds between two writes (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    report(partial(measure, parser.parse_args()))


if __name__ == "__main__":
    main()
