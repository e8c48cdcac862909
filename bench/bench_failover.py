"""
The cost of the same failovers for Sentinel clients: ours, redis-py, redis.asyncio, coredis, ioredis and node-redis.

One deployment (1 master, 2 replicas, 3 Sentinels, down-after 500 ms), one writer for each client, all at the same
time, and three kinds of failover: the master is killed and restarted, hangs for 4 s, or is replaced by ``SENTINEL
FAILOVER``. An independent observer asks the nodes when the new master is writable. A write is lost if it was
acknowledged and is not on the new master once everything has settled, the old master's demotion included.

Every client has its library's defaults, except that a connect and a reply may take 1 s.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from clients import CLIENTS, Client, Writer
from figures import Figure, Table, median, percentile, report
from outcomes import Outcome
from rounds import KINDS, Discarded, Observer, Round, Rounds
from switchmaster.errors import LabError
from switchmaster.lab import Lab, find_binary

PREFERRED = "redis-7.0"
"""Debian's redis-server, with which the goals were set."""
DOWN_AFTER, FAILOVER_TIMEOUT = 500, 5000
"""Milliseconds. A split vote costs twice the failover-timeout; less than 5 s could cut a slow promotion short."""
SPOILED = 5
"""Rounds that may be discarded before we give up."""
P50_GOAL, P99_GOAL = 5.0, 20.0
BESIDE = {"switchmaster.redis": "redis-py", "switchmaster.redis.asyncio": "redis.asyncio"}


def measure(options: argparse.Namespace) -> list[Figure | Table]:
    wanted = [client for client in CLIENTS if not options.clients or client.name in options.clients]
    lacking = {client.name: lack for client in wanted if (lack := client.lacking())}
    present = [client for client in wanted if client.name not in lacking]
    spoiled: list[str] = []
    made = Lab(binary=options.binary, down_after_ms=DOWN_AFTER, failover_timeout_ms=FAILOVER_TIMEOUT)
    with tempfile.TemporaryDirectory(prefix="switchmaster-bench-") as folder, made as lab:
        writers = [Writer(client, lab.sentinel_addresses, options.beat / 1e3, Path(folder)) for client in present]
        played = play(lab, Path(folder), writers, kinds_of(options), spoiled)
        assert lab.binary is not None
        server = lab.binary.describe()
    return [*figures(played, present), table(played, wanted, lacking, setting(server, present, spoiled, options))]


def play(lab: Lab, folder: Path, writers: Sequence[Writer], kinds: Sequence[str], spoiled: list[str]) -> list[Round]:
    """
    Run failovers, and report progress on standard error.

    Args:
        lab: of one master.
        folder: for the observer's record.
        writers: not started yet; they are stopped at the end.
        kinds: of the failovers, in order.
        spoiled: gets what was discarded, and why.
    """
    observer = Observer(lab.nodes(), folder)
    played: list[Round] = []
    try:
        for writer in writers:
            writer.start()
        rounds = Rounds(lab, writers, observer)
        rounds.begin()
        wanted = list(kinds)
        while wanted:
            try:
                played.append(rounds.play(wanted[0]))
            except Discarded as reason:
                spoiled.append(f"{wanted[0]}: {reason}")
                print(f"discarded, {spoiled[-1]}", file=sys.stderr, flush=True)
                if len(spoiled) > SPOILED:
                    raise LabError(f"{len(spoiled)} failovers went wrong: {'; '.join(spoiled)}") from reason
                continue
            wanted.pop(0)
            tell(played[-1], len(played), len(played) + len(wanted))
    finally:
        for writer in writers:
            writer.stop()
        observer.stop()
    return played


def kinds_of(options: argparse.Namespace) -> list[str]:
    """Return the kinds of all rounds, kinds in turn."""
    return [kind for _ in range(options.rounds) for kind in options.kinds]


def tell(one: Round, number: int, of: int) -> None:
    told = ", ".join(f"{name} {shown(outcome.recovery)}" for name, outcome in one.outcomes.items())
    print(f"{number}/{of} {one.kind}, promoted after {one.promotion:.2f} s: {told}", file=sys.stderr, flush=True)


def shown(milliseconds: float) -> str:
    if math.isinf(milliseconds):
        return "never"
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds / 1e3:.2f} s"


def outcomes(played: Sequence[Round], client: str, kind: str) -> list[Outcome]:
    return [one.outcomes[client] for one in played if one.kind == kind and client in one.outcomes]


def figures(played: Sequence[Round], present: Sequence[Client]) -> list[Figure]:
    """Return the figures that have goals: ours compared with the library that it replaces."""
    found = []
    names = {client.name for client in present}
    for ours, theirs in BESIDE.items():
        for kind in KINDS:
            mine, other = outcomes(played, ours, kind), outcomes(played, theirs, kind)
            if mine:
                found += of_one_kind(f"{kind}, {ours}", mine, other, theirs if theirs in names else "")
    return found


def of_one_kind(what: str, mine: Sequence[Outcome], other: Sequence[Outcome], theirs: str) -> list[Figure]:
    found = []
    times, others = [one.recovery for one in mine], [one.recovery for one in other]
    for name, share, goal in (("p50", 0.5, P50_GOAL), ("p99", 0.99, P99_GOAL)):
        a = median(times) if share == 0.5 else percentile(times, share)
        beside, ratio = "", ""
        if others:
            b = median(others) if share == 0.5 else percentile(others, share)
            beside, ratio = f"{theirs}: {shown(b)}", f"{a / b:.4f}" if math.isfinite(a / b) else ""
        named = f"{what}: first acknowledged write after the new master is writable, {name} of {len(mine)}"
        found.append(Figure(named, shown(a), beside, ratio, f"<= {goal:g} ms"))
    lost, errors = "acknowledged writes lost, all together", "errors that the application saw, the most in one failover"
    most = max((one.errors.total() for one in other), default=0)
    # What a master had not replicated when it died is lost for every client: replication is asynchronous. And an RPUSH
    # in flight may have been executed: only the application can decide whether to repeat it.
    planned = what.startswith("planned")
    loss = "" if what.startswith("crash") else "0"
    found.append(counted(f"{what}: {lost}", sum(o.lost for o in mine), theirs, sum(o.lost for o in other), loss))
    errors_goal = "0" if planned else "<= 1, the write under way"
    found.append(counted(f"{what}: {errors}", max(o.errors.total() for o in mine), theirs, most, errors_goal))
    return found


def counted(what: str, mine: int, theirs: str, other: int, goal: str) -> Figure:
    return Figure(what, f"{mine:,}", f"{theirs}: {other:,}" if theirs else "", "", goal)


def table(played: Sequence[Round], wanted: Sequence[Client], lacking: dict[str, str], setting: str) -> Table:
    columns = ["client", "failover", "first write on the new master: p50", "p99", "longest gap, p50", "lost, each",
               "lost, most", "written twice", "errors, p50", "errors, most", "mostly"]  # fmt: skip
    rows = [
        [client.name, kind, *row(found)]
        for kind in KINDS
        for client in wanted
        if (found := outcomes(played, client.name, kind))
    ]
    rows += [[name, "all", lack, *[""] * (len(columns) - 3)] for name, lack in lacking.items()]
    return Table("the same failovers for every client", setting, columns, rows)


def row(found: Sequence[Outcome]) -> list[str]:
    times = [one.recovery for one in found]
    lost, errors = [one.lost for one in found], [one.errors.total() for one in found]
    kinds = sum((one.errors for one in found), Counter[str]())
    return [
        shown(median(times)),
        shown(percentile(times, 0.99)),
        shown(median([one.gap for one in found])),
        f"{median(lost):,.0f}",
        f"{max(lost):,}",
        f"{sum(one.twice for one in found):,}",
        f"{median(errors):,.0f}",
        f"{max(errors):,}",
        kinds.most_common(1)[0][0] if kinds else "",
    ]


def setting(server: str, present: Sequence[Client], spoiled: Sequence[str], options: argparse.Namespace) -> str:
    """Return the conditions under which the table was measured."""
    versions = sorted({client.version() for client in present})
    if any(not client.module for client in present):
        said = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
        versions.append(f"Node.js {said.strip()}")
    kinds = ", ".join(f"{options.rounds} x {kind}" for kind in options.kinds)
    discarded = f" Discarded, since it was not one failover: {'; '.join(spoiled)}." if spoiled else ""
    return (
        f"{server}, 1 master, 2 replicas, 3 Sentinels, down-after {DOWN_AFTER} ms; {kinds}; each client writes at most "
        f"once in {options.beat:g} ms, in a process of its own, with 1 s for a connect or a reply and its defaults "
        f"otherwise. The p99 of fewer than 100 is the worst. {', '.join(versions)}.{discarded}"
    )


def preferred() -> str | None:
    try:
        find_binary(PREFERRED)
    except LabError:
        return None
    return PREFERRED


def listed(text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare Sentinel clients on the same failovers.")
    parser.add_argument("--rounds", type=int, default=10, help="failovers of each kind (%(default)s)")
    parser.add_argument("--quick", action="store_const", const=2, dest="rounds", help="two of each kind")
    parser.add_argument("--kinds", type=partial(listed, known=KINDS), default=list(KINDS), help=", ".join(KINDS))
    names = [client.name for client in CLIENTS]
    parser.add_argument("--clients", type=partial(listed, known=names), help=", ".join(names))
    parser.add_argument("--binary", default=preferred(), help="the server, as the lab takes it (%(default)s)")
    parser.add_argument("--beat", type=float, default=1.0, help="milliseconds between two writes (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    report(partial(measure, parser.parse_args()))


if __name__ == "__main__":
    main()
