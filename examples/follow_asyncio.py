"""Follow all masters with asyncio: print each stage of each failover. Usage: follow_asyncio.py HOST:PORT..."""

import asyncio
import sys

from switchmaster import Failover, Watcher


async def main(*sentinels: str) -> None:
    stages: dict[tuple[str, int], int] = {}  # how many stages of an attempt were printed
    async with Watcher(sentinels) as watcher:
        for name in watcher.masters():
            print(f"{name} is {watcher.master(name)}", flush=True)
        async for failover in watcher.failovers():  # a new record with every stage
            attempt = (failover.master, failover.number)
            print_news(failover, stages.get(attempt, 0))
            stages[attempt] = len(failover.stages)
            if failover.closed:
                del stages[attempt]
                print(f"{failover.master}: {failover.outcome}, {failover.durations}", flush=True)


def print_news(failover: Failover, printed: int) -> None:
    for entry in failover.stages[printed:]:
        print(f"{failover.master}: {entry.stage} by {entry.sentinel or 'the node itself'}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
