"""Write through failovers with redis-py, and count what fails. Usage: write_redis_py.py MASTER COUNT HOST:PORT..."""

import sys
import time

from redis.exceptions import ConnectionError, TimeoutError

from switchmaster.redis import Sentinel  # was: from redis.sentinel import Sentinel


def main(master: str, count: int, *sentinels: str) -> None:
    addresses = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in sentinels)]
    sentinel = Sentinel(addresses, socket_timeout=1.0)
    client = sentinel.master_for(master)
    failed, longest, last = 0, 0.0, time.monotonic()
    for number in range(count):
        try:
            client.rpush("numbers", number)
        except (ConnectionError, TimeoutError):
            failed += 1  # sent and not answered: the server may have executed it, so it is not sent again
        else:
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        if number % 100 == 0:
            print(f"{number} written to {sentinel.discover_master(master)}", flush=True)
        time.sleep(0.005)
    print(f"{count} writes, {failed} failed, longest pause {longest:.3f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
