"""Follow a master with threads: print where it is, and each switch. Usage: follow_threads.py MASTER HOST:PORT..."""

import sys

from switchmaster import NoSentinelReachable, UnknownMaster
from switchmaster.sync import Watcher


def main(master: str, *sentinels: str) -> None:
    with Watcher(sentinels, masters=[master]) as watcher:
        print(f"{master} is {watcher.master(master)}", flush=True)
        for switch in watcher.switches():  # blocks; read it in a thread of its own beside other work
            print(f"{master} moved from {switch.old} to {switch.new}: {switch.why}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (NoSentinelReachable, UnknownMaster) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
