"""
Is every right that `switchmaster doctor --acl` prints used? Each is taken away in turn, and the servers say so.

Run `.venv/bin/python tests/soak/least_rights.py [--server redis-7.0]`: for each use and each right, a user that has all
rights of the use but this one does what the use does, on real servers. A right is used if some server refuses that
command then (ACL LOG). It prints the rights that nothing asked for, and ends with 1 if there are any. A planned
failover for each right on the nodes takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from rig.conditions import eventually
from rig.granted import USES, access, grant, refused, rights_of
from rig.guarding import guarding
from rig.lab_fixtures import find_binary
from switchmaster import Watcher
from switchmaster.errors import SwitchmasterError
from switchmaster.lab import Lab
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector
from switchmaster.net.planned_failover import PlannedFailover
from switchmaster.planned.request import FailoverRequest

NAME = "mymaster"
LIMIT = 60.0
UNASKED = 15.0
"""Seconds for which a connection may stay unasked, and a little."""
NEVER_REFUSED = {"hello"}
"""No server asks its ACL about it (`CMD_NO_AUTH` in its table of commands); it is granted for readers of the line."""


async def watch(lab: Lab, user: str, lacking: str) -> None:
    """Watch, through a planned failover, until the lacking right was missed, or nothing more can come."""
    async with Watcher(lab.sentinel_addresses, **access(user)):
        with tempfile.TemporaryDirectory() as folder:
            await fail_over(lab, "all", Path(folder))
        await asyncio.to_thread(wait_until_missed, lab, user, lacking)


def wait_until_missed(lab: Lab, user: str, lacking: str) -> None:
    """Wait as long as idle connections stay unasked; it is no error if the right is not missed."""
    with suppress(AssertionError):
        eventually(lambda: lacking in refused(lab, user), UNASKED, 0.5)


async def inspect(lab: Lab, user: str, lacking: str) -> None:
    """Inspect once."""
    del lacking
    given = [Address(*address) for address in lab.sentinel_addresses]
    await Inspector(given, **access(user), timeout=5.0).inspect()


async def fail_over(lab: Lab, user: str, folder: Path) -> None:
    """Order a planned failover, with a preferred replica."""
    wanted = lab.replicas(NAME)[-1]
    request = FailoverRequest(NAME, to=Address(*wanted.address), cool_down=0.0, timeout=LIMIT, wait_replicas=True)
    async with (
        Watcher(lab.sentinel_addresses, **access(user)) as watcher,
        PlannedFailover(watcher, request, folder, lambda said: None, 5.0) as planned,
    ):
        plan = await planned.plan(wait=30.0 if user == "all" else 3.0)
        if not plan.refusals:
            await planned.carry_out(plan)


async def move(lab: Lab, user: str, lacking: str) -> None:
    """Order a planned failover."""
    del lacking
    with tempfile.TemporaryDirectory() as folder:
        await fail_over(lab, user, Path(folder))


async def guard(lab: Lab, user: str, lacking: str) -> None:
    """Let a guard look around until the right was missed."""

    def stand_by() -> None:
        with guarding(lab.sentinel_addresses, options=access(user), evidence_timeout=1.0):
            wait_until_missed(lab, user, lacking)

    await asyncio.to_thread(stand_by)


WORK = {"watching": watch, "doctor": inspect, "failover": move, "guard": guard}


def unused(lab: Lab, use: str) -> list[str]:
    """Return the rights that no server was asked for."""
    left = []
    watching = USES["watching"]
    for place, rules, shown_before in (
        ("Sentinels", USES[use].sentinels, watching.sentinels),
        ("nodes", USES[use].nodes, watching.nodes),
    ):
        for right in rights_of(rules):
            if right in NEVER_REFUSED:
                continue
            if use != "watching" and right in rights_of(shown_before):
                continue  # every use watches
            user = f"{use}-{place}-{right}".replace("|", "-")
            lacking = {"without_of_sentinels" if place == "Sentinels" else "without_of_nodes": right}
            grant(lab, use, user, **lacking)
            lab.wait_until_settled()
            with suppress(SwitchmasterError):  # without the right it may fail
                asyncio.run(WORK[use](lab, user, right))
            found = refused(lab, user)
            # 6.2 to 9.1 name a subcommand in full; a container that lacks all is named alone.
            shown = {right, right.partition("|")[0]} & found
            print(f"  {use:9} {place:9} {right:32} {'used' if shown else 'NOT USED'}", flush=True)
            if not shown:
                left.append(f"{use}: {right} on {place}")
    return left


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--server", default="redis-7.0")
    reader.add_argument("--use", action="append", choices=WORK)
    given = reader.parse_args()
    with Lab(binary=str(find_binary(given.server).path), down_after_ms=60_000, failover_timeout_ms=120_000) as lab:
        lab.wait_until_settled()
        grant(lab, "all")
        for sentinel in lab.sentinels:
            sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", "500")
        left = [each for use in given.use or WORK for each in unused(lab, use)]
    print("every right is used" if not left else "not used: " + "; ".join(left))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
