"""Move a master to a replica, and wait until all is settled. Usage: planned_maintenance.py MASTER HOST:PORT..."""

import sys
import time

import redis

from switchmaster import MasterState, WaitTimeout
from switchmaster.sync import Watcher


def main(master: str, *sentinels: str, limit: float = 60.0) -> None:
    with Watcher(sentinels, masters=[master]) as watcher:
        if watcher.state(master).electorate.possible is False:
            sys.exit(f"{master}: the Sentinels could not fail it over now; see `switchmaster topology`")
        host, _, port = sentinels[0].rpartition(":")
        with watcher.switches() as switches, redis.Redis(host=host, port=int(port)) as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", master)
            try:
                switch = switches.next(limit)
            except WaitTimeout:
                sys.exit(f"{master} did not move within {limit:g} s; it is {watcher.master(master)}")
        print(f"{master} moved from {switch.old} to {switch.new}", flush=True)
        deadline = time.monotonic() + limit
        while not settled(watcher.state(master)):
            if time.monotonic() > deadline:
                sys.exit(f"{master}: not settled within {limit:g} s")
            time.sleep(0.1)
        print(f"settled: {switch.old} is free for maintenance", flush=True)


def settled(state: MasterState) -> bool:
    return state.failover is None and all(opinion.agrees for opinion in state.opinions if opinion.live)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
