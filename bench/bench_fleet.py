"""
`switchmaster serve` with a journal in front of 100, 1,000 and 10,000 masters: memory, processor, and a storm.

The Sentinels are a process of their own (`fleet_sentinels`): 3 for all masters, or 300 in 100 deployments. At rest, the
processor time of `REST` seconds is counted. Then many masters fail over in one moment: a switch's time in the journal
is when it was decided, and the journal is read until every failover is closed. The largest fleets do that once more
while Sentinels flap: their connections are cut every `FLAP` seconds. A relay's subscriber and a client that asks it are
measured in a storm of their own. Chromium opens the overview, if it is there. SWITCHMASTER_BENCH_FLEETS sets other
fleets, such as ``100,10000/100`` (masters/deployments) or ``1000r`` (with a relay); SWITCHMASTER_BENCH_JOURNAL another
journal, whose database must be empty.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import hiredis

from daemon_process import Client, Served, launched, line_of, until_ready
from figures import Figure, Table, median, percentile, report
from switchmaster.journal import FailoverFilter, Reader, open_reader
from switchmaster.lab.ports import free_ports
from switchmaster.render import seconds_of
from switchmaster.wire.resp import encode

FLEETS = os.environ.get("SWITCHMASTER_BENCH_FLEETS", "100,1000,10000,10000/100,10000r").split(",")
URL = os.environ.get("SWITCHMASTER_BENCH_JOURNAL", "")
TIMEOUT = os.environ.get("SWITCHMASTER_BENCH_TIMEOUT", "10")
"""Seconds, as in the daemon's settings."""
SENTINELS = 3
"""Of each deployment."""
FAILOVERS = 1_000
CALM = 20.0
"""Seconds after the first beliefs until the daemon counts as at rest."""
REST = 30.0
FLAP = 2.0
"""Seconds for which a Sentinel that flaps keeps its connections."""
FLAPPING = 0.1
"""The share of the Sentinels that flap; one at least."""
PATIENCE = 300.0
"""Seconds for a storm to be in the journal."""
OPENED = 5
ASK_SECONDS = 0.005
"""Between two questions to the relay."""
PEER = Path(__file__).with_name("fleet_sentinels.py")


@dataclass(frozen=True)
class Fleet:
    """What the daemon watches."""

    masters: int
    deployments: int = 1
    relay: bool = False

    @classmethod
    def of(cls, text: str) -> Fleet:
        """Read ``MASTERS``, ``MASTERS/DEPLOYMENTS``, or either with ``r`` for a relay."""
        masters, _, deployments = text.removesuffix("r").partition("/")
        return cls(int(masters), int(deployments or 1), text.endswith("r"))

    @property
    def failovers(self) -> int:
        """How many of its masters fail over at once."""
        return min(self.masters, FAILOVERS)

    @property
    def sentinels(self) -> int:
        return SENTINELS * self.deployments


def processor(served: Served) -> float:
    """Return the seconds of processor time that the daemon has used."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Peer:
    """The process of the Sentinels."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.ports = [int(each) for each in line_of(process).split()]

    def ask(self, words: str) -> bytes:
        assert self._process.stdin is not None
        self._process.stdin.write(words.encode() + b"\n")
        self._process.stdin.flush()
        return line_of(self._process)

    def storm(self, count: int) -> tuple[float, float]:
        """Let masters fail over; return the moments of the first and the last write."""
        begun, sent = map(float, self.ask(f"storm {count}").strip(b"[]\n").split(b","))
        return begun, sent


def settings(fleet: Fleet, ports: list[int], relay: int) -> str:
    lines = []
    for at in range(fleet.deployments):
        named = ", ".join(f'"127.0.0.1:{port}"' for port in ports[at * SENTINELS : (at + 1) * SENTINELS])
        lines += [f"[deployments.fleet{at:03}]", f"sentinels = [{named}]"]
        lines += ["probe = false", "discover = false", f"timeout = {TIMEOUT}"]
    return "\n".join([*lines, *(["[relay]", f'listen = "127.0.0.1:{relay}"'] if fleet.relay else [])])


@contextmanager
def daemon(fleet: Fleet, folder: Path, url: str) -> Iterator[tuple[Served, Peer, int]]:
    """Serve while the block lasts; the number is the relay's port."""
    port, relay = free_ports(2)
    config = folder / "switchmaster.toml"
    with ExitStack() as stack:
        words = (str(PEER), str(fleet.masters), str(fleet.sentinels), str(fleet.deployments))
        peer = Peer(stack.enter_context(launched(sys.executable, *words)))
        said = settings(fleet, peer.ports, relay)
        config.write_text(f'{said}\n[journal]\nurl = "{url}"\n[http]\nlisten = "127.0.0.1:{port}"\n', encoding="utf-8")
        log = stack.enter_context((folder / "log").open("wb"))
        command = (sys.executable, "-m", "switchmaster", "serve", "--config", str(config))
        process = stack.enter_context(launched(*command, log=log))
        until_ready(port, fleet.masters, folder / "log")
        yield Served(process, port), peer, relay


def storm(port: int, peer: Peer, reader: Reader, count: int) -> tuple[float, float, float, float]:
    """
    Let masters fail over.

    Returns:
        The moment of the first write, and the seconds of sending, until the last decision, and until all is in the
        journal.
    """
    begun, sent = peer.storm(count)
    until = time.monotonic() + PATIENCE
    client = Client(port)
    journaled = quiet = 0.0
    while quiet < 2.0 and time.monotonic() < until:
        time.sleep(0.2)
        waiting = client.page("/api/v1/status")["journal"]["waiting"]
        if waiting or not journaled:
            journaled, quiet = time.time(), 0.0
        quiet = time.time() - journaled
    client.close()
    found = reader.failovers(FailoverFilter(outcome="completed", since=begun - 1), limit=1000).items
    switches = reader.switches(since=begun - 1, limit=1000).items
    closed = sum(line["closed"] for line in found)
    if (len(switches), closed) != (count, count):
        raise RuntimeError(f"{len(switches)} switches and {closed} failovers of {count} are in the journal")
    return begun, sent - begun, max(seconds_of(line["time"]) for line in switches) - begun, journaled - begun


class RelayClients:
    """A subscriber of a relay, and a client that asks it where masters are, each in a thread of its own."""

    def __init__(self, port: int) -> None:
        self.told: list[float] = []
        """When each ``+switch-master`` came, in seconds since 1970."""
        self.took: list[tuple[float, float]] = []
        """When each question was sent, in seconds since 1970, and how long its answer took."""
        self._ended = threading.Event()
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        self._threads = [threading.Thread(target=one, args=(self._sockets[at],)) for at, one in enumerate(self._ways)]
        for thread in self._threads:
            thread.start()

    @property
    def _ways(self) -> tuple[object, ...]:
        return self._listen, self._ask

    def _listen(self, connection: socket.socket) -> None:
        connection.sendall(encode(("SUBSCRIBE", "+switch-master")))
        reader = hiredis.Reader()
        while data := connection.recv(65536):
            reader.feed(data)
            while (words := reader.gets()) is not False:
                if words[0] == b"message":
                    self.told.append(time.time())

    def _ask(self, connection: socket.socket) -> None:
        number = 0
        while not self._ended.wait(ASK_SECONDS):
            number = (number + 1) % FAILOVERS
            begun = time.time()
            connection.sendall(encode(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", f"shard-{number:05}")))
            if not connection.recv(65536):
                return
            self.took.append((begun, time.time() - begun))

    def close(self) -> None:
        self._ended.set()
        self._threads[1].join()
        for one in self._sockets:
            one.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for one in self._sockets:
            one.close()


def overview(port: int) -> tuple[float, int]:
    """Return the seconds that the overview's answer takes, and its bytes."""
    client = Client(port)
    took, size = [], 0
    for _ in range(OPENED):
        begun = time.perf_counter()
        size = len(client.get("/api/v1/overview"))
        took.append(time.perf_counter() - begun)
    client.close()
    return median(took), size


def opened(port: int) -> float | None:
    """Return the seconds until Chromium shows the first masters; None if there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    took = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for _ in range(OPENED):
            page = browser.new_page()
            begun = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_selector("tbody tr", timeout=60_000)
            took.append(time.perf_counter() - begun)
            page.close()
        browser.close()
    return median(took)


def one(fleet: Fleet) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = URL or f"sqlite:///{folder}/journal.db"
        with daemon(fleet, folder, url) as (served, peer, relay):
            time.sleep(CALM)
            found["memory"], before = served.resident(), processor(served)
            time.sleep(REST)
            found["share"] = (processor(served) - before) / REST
            found["answered"], found["size"] = overview(served.port)
            found["shown"] = opened(served.port)
            reader = open_reader(url)
            clients = RelayClients(relay) if fleet.relay else None
            before = processor(served)
            begun, found["sending"], found["decided"], found["journaled"] = storm(
                served.port, peer, reader, fleet.failovers
            )
            found["spent"], found["after"] = processor(served) - before, served.resident()
            if clients is not None:
                found |= asked(clients, begun, found["journaled"] or 0.0)
            if fleet.masters >= 2 * FAILOVERS:
                found |= flapping(fleet, served, peer, reader)
            reader.close()
    return found


def asked(clients: RelayClients, begun: float, seconds: float) -> dict[str, float | None]:
    """Return what the clients of the relay got in the storm."""
    clients.close()
    took = [spent for at, spent in clients.took if begun <= at <= begun + seconds]
    if len(clients.told) != FAILOVERS:
        raise RuntimeError(f"the subscriber got {len(clients.told)} switches of {FAILOVERS}")
    return {"told": max(clients.told) - begun, "p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}


def flapping(fleet: Fleet, served: Served, peer: Peer, reader: Reader) -> dict[str, float | None]:
    """Let Sentinels flap, and then masters fail over."""
    peer.ask(f"flap {max(1, round(FLAPPING * fleet.sentinels))} {FLAP}")
    before = processor(served)
    time.sleep(REST)
    share = (processor(served) - before) / REST
    _, _, decided, journaled = storm(served.port, peer, reader, fleet.failovers)
    peer.ask("flap 0 0")
    return {"flap share": share, "flap decided": decided, "flap journaled": journaled}


def fleet_table(found: dict[Fleet, dict[str, float | None]]) -> Table:
    rows = [
        [
            f"{fleet.masters:,}",
            f"{fleet.sentinels} in {fleet.deployments}",
            f"{row['memory']:.0f} MB",
            f"{row['after']:.0f} MB",
            f"{100 * row['share']:.1f} %",
            f"{fleet.failovers:,}",
            f"{row['sending']:.2f} s",
            f"{row['decided']:.2f} s",
            f"{row['journaled']:.1f} s",
            f"{1000 * row['spent'] / fleet.failovers:.1f} ms",
            f"{1000 * row['answered']:.0f} ms, {row['size'] / 1000:.0f} kB",
            "-" if row["shown"] is None else f"{row['shown']:.2f} s",
        ]
        for fleet, row in found.items()
    ]
    columns = [
        "masters", "Sentinels in deployments", "memory", "after the storm", "processor at rest", "failovers at once",
        "sent in", "decided in", "in the journal in", "processor a failover", "the overview's answer",
        "shown in Chromium",
    ]  # fmt: skip
    setting = (
        f"`switchmaster serve` with a journal in {'PostgreSQL' if URL else 'SQLite'}; the Sentinels run on the same "
        "machine. Times of a storm count from its first message."
    )
    return Table("a fleet", setting, columns, rows)


def flapping_table(found: dict[Fleet, dict[str, float | None]]) -> Table:
    rows = [
        [
            f"{fleet.masters:,}",
            f"{max(1, round(FLAPPING * fleet.sentinels))} of {fleet.sentinels}",
            f"{100 * row['flap share']:.0f} %",
            f"{row['flap decided']:.2f} s",
            f"{row['flap journaled']:.1f} s",
        ]
        for fleet, row in found.items()
        if "flap share" in row
    ]
    at_once = f"{FAILOVERS:,} failovers"
    columns = ["masters", "Sentinels that flap", "processor", f"{at_once} decided in", "in the journal in"]
    return Table("flapping", f"Their connections are cut every {FLAP:g} s, also in the storm.", columns, rows)


def relay_table(found: dict[Fleet, dict[str, float | None]]) -> Table:
    rows = [
        [f"{fleet.masters:,}", f"{row['told']:.2f} s", f"{1000 * row['p50']:.1f} ms", f"{1000 * row['p99']:.0f} ms"]
        for fleet, row in found.items()
        if "told" in row
    ]
    columns = ["masters", "the last +switch-master at a subscriber", "GET-MASTER-ADDR-BY-NAME p50", "p99"]
    setting = f"The daemon's relay in the storm: a subscriber, and a client that asks every {1000 * ASK_SECONDS:g} ms."
    return Table("the relay in a storm", setting, columns, rows)


def measure() -> list[Figure | Table]:
    found = {fleet: one(fleet) for fleet in map(Fleet.of, FLEETS)}
    largest = max(found, key=lambda fleet: (fleet.masters, -fleet.deployments, not fleet.relay))
    row = found[largest]
    return [
        Figure(f"daemon with {largest.masters:,} masters, memory", f"{row['memory']:.0f} MB", goal="<= 400 MB"),
        Figure("the same, processor at rest", f"{100 * row['share']:.1f} %", goal="<= 5 %"),
        *(table for make in (fleet_table, flapping_table, relay_table) if (table := make(found)).rows),
    ]


if __name__ == "__main__":
    report(measure)
