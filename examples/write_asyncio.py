"""Write through failovers with redis-py's asyncio client. Usage: write_asyncio.py MASTER COUNT HOST:PORT..."""

import asyncio
import sys

from redis.exceptions import ConnectionError, TimeoutError

from switchmaster.redis.asyncio import Sentinel  # was: from redis.asyncio.sentinel import Sentinel


async def main(master: str, count: int, *sentinels: str) -> None:
    addresses = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in sentinels)]
    sentinel = Sentinel(addresses, socket_timeout=1.0)
    client = sentinel.master_for(master)
    failed = 0
    for number in range(count):
        try:
            await client.rpush("numbers", number)
        except (ConnectionError, TimeoutError):
            failed += 1  # sent and not answered: the server may have executed it, so it is not sent again
        if number % 100 == 0:
            print(f"{number} written to {await sentinel.discover_master(master)}", flush=True)
        await asyncio.sleep(0.005)
    print(f"{count} writes, {failed} failed", flush=True)
    await client.aclose()
    await sentinel.aclose()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
