"""
A client that knows no Sentinel, behind the proxy, beside HAProxy's classic check and a client that knows Sentinel.

The failovers are those of `bench_failover`, with a writer for each way: stock redis-py with the one address of
``switchmaster proxy``; the same with that of a HAProxy that asks every node for ``role:master`` once a second, as it is
usually set up; stock redis-py with the Sentinels. Then plain traffic by redis-benchmark, to the master itself and
through the proxy.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench_failover import DOWN_AFTER, FAILOVER_TIMEOUT, kinds_of, listed, outcomes, play, preferred, shown
from bench_relay import RISE
from clients import Client, Writer
from figures import Figure, Table, median, percentile, report
from rounds import KINDS, Round
from switchmaster.errors import LabError
from switchmaster.lab import Lab
from switchmaster.lab.ports import free_ports

REQUESTS = 100_000
GOAL_MS = 20.0
PROXY = Client("redis-py behind the proxy", "plain", "redis", "redis")
CLASSIC = Client("redis-py behind the classic check", "plain", "redis", "redis")
SENTINEL = Client("redis-py on the Sentinels", "threads", "redis", "redis.sentinel")
OURS = Client("switchmaster.redis on the Sentinels", "threads", "switchmaster", "switchmaster.redis")
WAYS = (PROXY, CLASSIC, SENTINEL, OURS)

CLASSIC_CONFIGURATION = """
defaults
    mode tcp
    timeout connect 4s
    timeout client 30m
    timeout server 30m
listen redis
    bind 127.0.0.1:{port}
    option tcp-check
    tcp-check send PING\\r\\n
    tcp-check expect string +PONG
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master
    tcp-check send QUIT\\r\\n
    tcp-check expect string +OK
"""
"""The usual one, of many tutorials; ``on-marked-down shutdown-sessions`` is what its careful readers add."""


@contextmanager
def proxying(lab: Lab, folder: Path) -> Iterator[int]:
    """Run ``switchmaster proxy``, and yield its port."""
    [port] = free_ports(1)
    words = [f"{host}:{number}" for host, number in lab.sentinel_addresses]
    said = folder / "proxy.said"
    command = [
        sys.executable,
        "-m",
        "switchmaster",
        "proxy",
        "--port",
        str(port),
        "--folder",
        str(folder / "p"),
        *words,
    ]
    with said.open("wb") as output:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)
    try:
        wait_until(lambda: "clients find" in said.read_text(encoding="utf-8"), process, said)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def checking(lab: Lab, folder: Path) -> Iterator[int]:
    """Run a HAProxy with the classic check, and yield its port."""
    [port] = free_ports(1)
    file, said = folder / "classic.cfg", folder / "classic.said"
    servers = [
        f"    server {node.name} {node.host}:{node.port} check inter 1s on-marked-down shutdown-sessions\n"
        for node in lab.nodes()
    ]
    file.write_text(CLASSIC_CONFIGURATION.format(port=port).lstrip() + "".join(servers), encoding="utf-8")
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "haproxy"
    with said.open("wb") as output:
        process = subprocess.Popen([program, "-db", "-f", str(file)], stdout=output, stderr=output)
    try:
        time.sleep(3.0)  # until its checks have found the master
        wait_until(lambda: True, process, said)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + RISE
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.05)
    raise LabError(f"a proxy does not serve: {said.read_text(encoding='utf-8')}")


def measure(options: argparse.Namespace) -> list[Figure | Table]:
    with (
        tempfile.TemporaryDirectory(prefix="smb-", dir="/tmp") as name,
        Lab(binary=options.binary, down_after_ms=DOWN_AFTER, failover_timeout_ms=FAILOVER_TIMEOUT) as lab,
        proxying(lab, Path(name)) as proxy,
    ):
        folder = Path(name)
        found: list[Figure | Table] = [*traffic(lab.master().port, proxy, options.traffic)]
        if options.rounds:
            with checking(lab, folder) as classic:
                found += failovers(lab, folder, proxy, classic, options)
    return found


# Plain traffic ------------------------------------------------------------------------------------


def traffic(direct: int, proxy: int, times: int) -> list[Figure]:
    found: list[Figure] = []
    if not times:
        return found
    for what, words in (("50 clients", ("-c", "50")), ("one client", ("-c", "1")), ("50, 16 at a time", ("-P", "16"))):
        runs = [(benchmarked(proxy, words), benchmarked(direct, words)) for _ in range(times)]
        for name, at, form in (("commands per second", 0, "{:,.0f}"), ("p99", 1, "{:.3f} ms")):
            ours, theirs = (median([run[side][at] for run in runs]) for side in (0, 1))
            ratio = f"{ours / theirs:.2f}" if theirs else ""
            beside = f"the master itself: {form.format(theirs)}"
            found.append(Figure(f"SET through the proxy, {what}: {name}", form.format(ours), beside, ratio))
    return found


def benchmarked(port: int, words: Sequence[str]) -> tuple[float, float]:
    """Return commands per second and the 99th percentile in milliseconds."""
    count = str(REQUESTS if "1" not in words else REQUESTS // 10)
    command = ["redis-benchmark", "-p", str(port), "-n", count, "-t", "set", "--csv", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    [row] = csv.DictReader(io.StringIO(done.stdout))
    return float(row["rps"]), float(row["p99_latency_ms"])


# Failovers ----------------------------------------------------------------------------------------


def failovers(lab: Lab, folder: Path, proxy: int, classic: int, options: argparse.Namespace) -> list[Figure | Table]:
    places = {PROXY: [("127.0.0.1", proxy)], CLASSIC: [("127.0.0.1", classic)]}
    writers = [Writer(way, places.get(way, lab.sentinel_addresses), options.beat / 1e3, folder) for way in WAYS]
    spoiled: list[str] = []
    played = play(lab, folder, writers, kinds_of(options), spoiled)
    assert lab.binary is not None
    kinds = ", ".join(f"{options.rounds} x {kind}" for kind in options.kinds)
    discarded = f" Discarded, since it was not one failover: {'; '.join(spoiled)}." if spoiled else ""
    setting = (
        f"{lab.binary.describe()}, 2 replicas, 3 Sentinels, down-after {DOWN_AFTER} ms; {kinds}. First write: "
        f"from the moment when the new master was writable. {PROXY.version()}.{discarded}"
    )
    return [*goals(played, options.kinds), table(played, options.kinds, setting)]


def goals(played: Sequence[Round], kinds: Sequence[str]) -> list[Figure]:
    found = []
    for kind in kinds:
        ours, theirs = outcomes(played, PROXY.name, kind), outcomes(played, CLASSIC.name, kind)
        if not ours:
            continue
        mine, other = (median([one.recovery for one in some]) for some in (ours, theirs))
        goal = f"<= {GOAL_MS:g} ms"
        beside, ratio = f"the classic check: {shown(other)}", f"{mine / other:.3f}"
        found.append(Figure(f"{kind}: first write after writable, p50", shown(mine), beside, ratio, goal))
        lost = (sum(one.lost for one in some) for some in (ours, theirs))
        mine_lost, other_lost = lost
        goal = "0" if kind == "planned" else ""
        found.append(Figure(f"{kind}: acknowledged writes lost, all", f"{mine_lost:,}", f"{other_lost:,}", "", goal))
    return found


def table(played: Sequence[Round], kinds: Sequence[str], setting: str) -> Table:
    columns = [
        "way",
        "failover",
        "first write, p50",
        "p90",
        "longest gap, p50",
        "lost, p50",
        "most lost",
        "errors, p50",
    ]
    rows = []
    for kind in kinds:
        for way in WAYS:
            found = outcomes(played, way.name, kind)
            if found:
                recovery = [one.recovery for one in found]
                rows.append(
                    [
                        *(way.name, kind, shown(median(recovery)), shown(percentile(recovery, 0.9))),
                        shown(median([one.gap for one in found])),
                        f"{median([one.lost for one in found]):,.0f}",
                        f"{max(one.lost for one in found):,}",
                        f"{median([one.errors.total() for one in found]):,.0f}",
                    ]
                )
    return Table("one address, through the same failovers", setting, columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the proxy with HAProxy's classic check and with Sentinels.")
    parser.add_argument("--rounds", type=int, default=5, help="failovers of each kind (%(default)s); 0 for none")
    parser.add_argument("--traffic", type=int, default=3, help="runs of plain traffic (%(default)s); 0 for none")
    parser.add_argument("--kinds", type=partial(listed, known=KINDS), default=list(KINDS), help=", ".join(KINDS))
    parser.add_argument("--binary", default=preferred(), help="the server, as the lab takes it (%(default)s)")
    parser.add_argument("--beat", type=float, default=2.0, help="milliseconds between two writes (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    report(partial(measure, parser.parse_args()))


if __name__ == "__main__":
    main()
