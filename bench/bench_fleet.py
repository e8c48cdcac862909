"""
`switchmaster serve` with a journal in front of 100, 1,000 and 10,000 masters: memory, processor, and a storm.

The Sentinels are a process of their own (`fleet_sentinels`). At rest, the processor time of `REST` seconds is counted.
Then many masters fail over in one moment: a switch's time in the journal is when it was decided, and the journal is
read until every failover is closed. Last, Chromium opens the overview, if it is there. SWITCHMASTER_BENCH_FLEETS sets
other sizes, such as ``100,1000``; SWITCHMASTER_BENCH_JOURNAL another journal, whose database must be empty.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon_process import Client, Served, launched, line_of, until_ready
from figures import Figure, Table, median, report
from switchmaster.journal import FailoverFilter, Reader, open_reader
from switchmaster.lab.ports import free_ports
from switchmaster.render import seconds_of

SIZES = tuple(map(int, os.environ.get("SWITCHMASTER_BENCH_FLEETS", "100,1000,10000").split(",")))
URL = os.environ.get("SWITCHMASTER_BENCH_JOURNAL", "")
SENTINELS = 3
FAILOVERS = 1_000
CALM = 20.0
"""Seconds after the first beliefs until the daemon counts as at rest."""
REST = 30.0
PATIENCE = 300.0
"""Seconds for a storm to be in the journal."""
OPENED = 5
PEER = Path(__file__).with_name("fleet_sentinels.py")


def processor(served: Served) -> float:
    """Return the seconds of processor time that the daemon has used."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def daemon(masters: int, folder: Path, url: str) -> Iterator[tuple[Served, subprocess.Popen[bytes]]]:
    [port] = free_ports(1)
    config = folder / "switchmaster.toml"
    with launched(sys.executable, str(PEER), str(masters), str(SENTINELS)) as fleet:
        named = ", ".join(f'"127.0.0.1:{int(each)}"' for each in line_of(fleet).split())
        config.write_text(
            f"[deployments.fleet]\nsentinels = [{named}]\nprobe = false\ndiscover = false\ntimeout = 10\n"
            f'[journal]\nurl = "{url}"\n[http]\nlisten = "127.0.0.1:{port}"\n',
            encoding="utf-8",
        )
        with (folder / "log").open("wb") as log:
            command = (sys.executable, "-m", "switchmaster", "serve", "--config", str(config))
            with launched(*command, log=log) as process:
                until_ready(port, masters, folder / "log")
                yield Served(process, port), fleet


def storm(port: int, fleet: subprocess.Popen[bytes], reader: Reader, count: int) -> tuple[float, float, float]:
    """Let masters fail over; return the seconds of sending, until the last decision, until all is in the journal."""
    assert fleet.stdin is not None
    fleet.stdin.write(b"storm %d\n" % count)
    fleet.stdin.flush()
    begun, sent = map(float, line_of(fleet).strip(b"[]\n").split(b","))
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
    return sent - begun, max(seconds_of(line["time"]) for line in switches) - begun, journaled - begun


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


def one(masters: int) -> dict[str, float | None]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = URL or f"sqlite:///{folder}/journal.db"
        with daemon(masters, folder, url) as (served, fleet):
            time.sleep(CALM)
            memory, before = served.resident(), processor(served)
            time.sleep(REST)
            share = (processor(served) - before) / REST
            answered, size = overview(served.port)
            shown = opened(served.port)
            reader = open_reader(url)
            before = processor(served)
            sending, decided, journaled = storm(served.port, fleet, reader, min(masters, FAILOVERS))
            spent = processor(served) - before
            reader.close()
            after = served.resident()
    return {
        "memory": memory, "after": after, "share": share, "answered": answered, "size": size, "shown": shown,
        "sending": sending, "decided": decided, "journaled": journaled, "spent": spent,
    }  # fmt: skip


def measure() -> list[Figure | Table]:
    found = {masters: one(masters) for masters in SIZES}
    rows = [
        [
            f"{masters:,}",
            f"{row['memory']:.0f} MB",
            f"{row['after']:.0f} MB",
            f"{100 * row['share']:.1f} %",
            f"{min(masters, FAILOVERS):,}",
            f"{row['sending']:.2f} s",
            f"{row['decided']:.2f} s",
            f"{row['journaled']:.1f} s",
            f"{1000 * row['spent'] / min(masters, FAILOVERS):.1f} ms",
            f"{1000 * row['answered']:.0f} ms, {row['size'] / 1000:.0f} kB",
            "-" if row["shown"] is None else f"{row['shown']:.2f} s",
        ]
        for masters, row in found.items()
    ]
    columns = [
        "masters", "memory", "after the storm", "processor at rest", "failovers at once", "sent in", "decided in",
        "in the journal in", "processor a failover", "the overview's answer", "shown in Chromium",
    ]  # fmt: skip
    setting = (
        f"`switchmaster serve` with a journal in {'PostgreSQL' if URL else 'SQLite'} and {SENTINELS} Sentinels, which "
        "run on the same machine. Times of a storm count from its first message."
    )
    largest = found[max(found)]
    return [
        Figure(f"daemon with {max(found):,} masters, memory", f"{largest['memory']:.0f} MB", goal="<= 400 MB"),
        Figure("the same, processor at rest", f"{100 * largest['share']:.1f} %", goal="<= 5 %"),
        Table("a fleet", setting, columns, rows),
    ]


if __name__ == "__main__":
    report(measure)
