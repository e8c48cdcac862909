"""
What `switchmaster explain` predicts, and what real servers then do: random faults, one forecast, one crash.

Run `.venv/bin/python tests/soak/predictions.py --trials 20`; it ends with 1 if a prediction was wrong. Each trial
starts a deployment, makes faults (dead or hung Sentinels; replicas of priority 0, hung, or cut off from their master
for too long; a quorum that is too high), asks what `explain` asks, kills the master, and waits for what happens. The
wait allows for split votes: with quorum 1, two Sentinels often try at once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from rig.conditions import eventually
from switchmaster.explain.forecast import Forecast, Likelihood, forecast
from switchmaster.explain.viewpoint import viewpoints
from switchmaster.lab import Lab, LabServer
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector

PASSWORD = "a-node-password"
MASTER = "mymaster"
DOWN_AFTER = 0.5
FAILOVER_TIMEOUT = 2.0
SEEN = 60.0
"""Seconds in which every Sentinel must show what was done."""
WAITED = DOWN_AFTER + 4 * 2 * FAILOVER_TIMEOUT
"""Seconds after the crash within which a failover comes, if one comes: four attempts."""


@dataclass(slots=True)
class Tally:
    """What became of all trials."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    predicted: dict[str, int] = field(default_factory=dict)


def predict(lab: Lab) -> Forecast:
    """Ask all Sentinels what `explain` asks them."""
    given = [Address(*address) for address in lab.sentinel_addresses]
    found = asyncio.run(Inspector(given, node_password=PASSWORD, timeout=0.5).inspect())
    return forecast(MASTER, viewpoints(found.of_master(MASTER)))


def cut_off(replica: LabServer) -> None:
    """Let a replica lose its master for good, while it goes on answering."""
    replica.call("CONFIG", "SET", "masterauth", "wrong")
    replica.call("CLIENT", "KILL", "TYPE", "master")


@dataclass(slots=True)
class Faults:
    """What was done to a deployment."""

    names: list[str] = field(default_factory=list)
    priorities: dict[int, int] = field(default_factory=dict)
    """By the port of the replica."""
    cut_off: list[int] = field(default_factory=list)
    """Ports of replicas."""
    silent: list[int] = field(default_factory=list)
    """Ports of replicas and Sentinels that do not answer."""


def spoil(lab: Lab, chance: random.Random) -> Faults:
    """Make some faults."""
    made = Faults()
    done = made.names
    quorum = chance.choice([1, 2, 2, 2, 3, 4])
    if quorum != 2:
        lab.sentinel_set(MASTER, "quorum", quorum)
        done.append(f"quorum {quorum}")
    for place, replica in enumerate(lab.replicas(MASTER)):
        fault = chance.choice(["", "", "", "priority 0", "hung", "cut off"])
        if fault in ("priority 0", ""):
            made.priorities[replica.port] = 0 if fault else 10 * (place + 1)
            replica.call("CONFIG", "SET", "replica-priority", made.priorities[replica.port])
        elif fault == "cut off":
            cut_off(replica)
            made.cut_off.append(replica.port)
        elif fault == "hung":
            lab.hang(replica)
            made.silent.append(replica.port)
        done += [f"replica {place} {fault}"] if fault else []
    for place, sentinel in enumerate(lab.sentinels):
        fault = chance.choice(["", "", "", "", "dead", "hung"])
        if fault == "dead":
            lab.crash(sentinel)
        elif fault == "hung":
            lab.hang(sentinel)
        made.silent += [sentinel.port] if fault else []
        done += [f"Sentinel {place} {fault}"] if fault else []
    return made


def unseen(lab: Lab, faults: Faults) -> list[str]:
    """Return which fault which answering Sentinel does not show yet; links must be down for 10 x down-after."""
    missing = []
    for index, sentinel in enumerate(lab.sentinels):
        if sentinel.port in faults.silent:
            continue
        rows = {}
        for part in ("REPLICAS", "SENTINELS"):
            reply = lab.sentinel_command(index, "SENTINEL", part, MASTER)
            assert isinstance(reply, list)
            for row in reply:
                assert isinstance(row, list)
                fields = {str(key): str(value) for key, value in zip(row[::2], row[1::2], strict=True)}
                rows[int(fields["port"])] = fields
        down = [port for port in faults.silent if port in rows and "s_down" not in rows[port]["flags"]]
        other = [port for port, value in faults.priorities.items() if int(rows[port]["slave-priority"]) != value]
        linked = [port for port in faults.cut_off if int(rows[port]["master-link-down-time"]) <= 10_000 * DOWN_AFTER]
        missing += [f"Sentinel {index}: {port}" for port in (*down, *other, *linked)]
    return missing


def trial(number: int, binary: str, seed: int, tally: Tally) -> None:
    """Start a deployment, spoil it, predict, crash the master, and compare."""
    chance = random.Random(seed)
    options = {"masters": (MASTER,), "binary": binary, "down_after_ms": int(1000 * DOWN_AFTER)}
    with Lab(**options, failover_timeout_ms=int(1000 * FAILOVER_TIMEOUT), password=PASSWORD) as lab:
        lab.wait_until_settled()
        for index in range(len(lab.sentinels)):
            lab.sentinel_command(index, "SENTINEL", "DEBUG", "INFO-PERIOD", 1000)
        old = lab.master(MASTER)
        faults = spoil(lab, chance)
        eventually(lambda: not unseen(lab, faults), SEEN, what=f"{faults.names} to be seen")
        made = predict(lab)
        lab.crash(old)
        crashed = time.monotonic()
        new: list[Address] = []

        def moved() -> bool:
            new[:] = [Address(*one.address) for one in lab.masters(MASTER)]
            return bool(new) or time.monotonic() - crashed > WAITED

        eventually(moved, 2 * WAITED)
    came = bool(new)
    right = {
        Likelihood.YES: came and new[0] in made.winners,
        Likelihood.NO: not came,
        Likelihood.DEPENDS: not came or new[0] in made.winners,
    }[made.likelihood]
    name = str(made.likelihood)
    tally.predicted[name] = tally.predicted.get(name, 0) + 1
    told = f"trial {number} (seed {seed}, {binary}; {', '.join(faults.names) or 'healthy'}): predicted {name}"
    told += f" {' or '.join(map(str, made.winners))}, came {', '.join(map(str, new)) or 'nothing'}"
    print(told + ("" if right else "  WRONG"), flush=True)
    if right:
        tally.right += 1
    else:
        tally.wrong.append(told)


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--trials", type=int, default=30)
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--server", action="append", help="such as redis-7.0; repeatable")
    given = reader.parse_args()
    servers, tally = given.server or ["redis-7.0", "valkey-9.1"], Tally()
    for number in range(given.trials):
        trial(number, servers[number % len(servers)], given.seed + number, tally)
    print(f"{tally.right} of {given.trials} predictions were right; predicted {tally.predicted}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
