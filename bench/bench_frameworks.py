"""
What a failover costs frameworks that take neither a class nor a pool: with `switchmaster.redis.install()`, and stock.

The same program (tests/rig/framework_program.py) goes through planned failovers and crashes of a real deployment, first
with our classes and then with redis-py's own. For each framework: the longest time without a success, from before the
failover until its replicas follow, and the operations that failed in it. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from switchmaster.lab import Lab

PROGRAM = Path(__file__).parent.parent / "tests" / "rig" / "framework_program.py"
FRAMEWORKS = ("flask-caching", "limits", "channels", "channels pubsub", "taskiq")
KINDS = ("crash", "planned")
DOWN_AFTER_MS = 1000
GOING_ON = 10
"""Successes after which a framework goes on again."""
LIMIT = 90.0


class Program:
    def __init__(self, mode: str, lab: Lab) -> None:
        sentinels = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), mode, *sentinels],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def tell(self) -> dict[str, Any]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["uses"]

    def wait_until_all_go_on(self) -> dict[str, Any]:
        """Wait for more successes of each; return what all had, with the longest gap meanwhile."""
        before, until = self.tell(), time.monotonic() + LIMIT
        gaps = {name: before.get(name, {"gap": 0.0})["gap"] for name in FRAMEWORKS}
        while time.monotonic() < until:
            now = self.tell()
            gaps = {name: max(gaps[name], now.get(name, {"gap": 0.0})["gap"]) for name in FRAMEWORKS}
            if all(now.get(n, {"done": 0})["done"] > before.get(n, {"done": 0})["done"] + GOING_ON for n in FRAMEWORKS):
                return {name: {**now[name], "gap": gaps[name]} for name in FRAMEWORKS}
            time.sleep(0.1)
        raise SystemExit(f"a framework does not go on: {self.tell()}")


def settle(lab: Lab) -> None:
    for server in lab.servers:
        if not server.alive:
            lab.restart(server)
    lab.wait_until_settled()


def go_through(mode: str, rounds: int) -> dict[tuple[str, str], list[tuple[float, int]]]:
    """Return, for each kind and framework, gap and failures of each round."""
    found: dict[tuple[str, str], list[tuple[float, int]]] = {(k, name): [] for k in KINDS for name in FRAMEWORKS}
    with Lab(binary="redis-7.0", replicas=2, down_after_ms=DOWN_AFTER_MS) as lab:
        program = Program(mode, lab)
        for number in range(rounds * len(KINDS)):
            kind = KINDS[number % len(KINDS)]
            program.wait_until_all_go_on()
            before, old = program.tell(), lab.master()
            if kind == "crash":
                lab.crash(old)
            else:
                lab.failover()
            while all(each is old for each in lab.masters()):
                time.sleep(0.01)
            settle(lab)  # the old master is a replica then: who stayed on it has noticed
            after = program.wait_until_all_go_on()
            for name in FRAMEWORKS:
                found[kind, name].append((after[name]["gap"], after[name]["failures"] - before[name]["failures"]))
            print(f"{mode}, {kind}: {[found[kind, name][-1] for name in FRAMEWORKS]}", file=sys.stderr)
        program.process.communicate()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="crashes and planned failovers, each (3)")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    options = parser.parse_args()
    ours, stock = go_through("ours", options.rounds), go_through("stock", options.rounds)

    def cells(kind: str, name: str) -> list[str]:
        gaps = [statistics.median(gap for gap, _ in each[kind, name]) for each in (ours, stock)]
        failures = [sum(failed for _, failed in each[kind, name]) / options.rounds for each in (ours, stock)]
        return [f"{gaps[0]:.2f} / {gaps[1]:.2f} s", f"{failures[0]:.0f} / {failures[1]:.0f}"]

    table = {
        "title": "frameworks after switchmaster.redis.install(), ours / stock",
        "setting": f"Redis 7.0, three Sentinels, down-after {DOWN_AFTER_MS} ms, {options.rounds} failovers of each "
        "kind; longest time without a success (median) and failed operations for each failover (mean)",
        "columns": ["framework", "crash: gap", "crash: failed", "planned: gap", "planned: failed"],
        "rows": [[name, *cells("crash", name), *cells("planned", name)] for name in FRAMEWORKS],
    }
    if options.json:
        print(json.dumps([table]))
        return
    for row in [table["columns"], *table["rows"]]:
        print(" | ".join(row))


if __name__ == "__main__":
    main()
