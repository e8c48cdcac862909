"""
Run chaos: ``python -m chaos --seconds 120 --seed 7``.
"""

from __future__ import annotations

import argparse
import random
import sys

from rig import netns
from switchmaster.lab import find_binary

from .schedule import draw
from .story import kinds_of, tell
from .table import table


def main() -> int:
    """Run chaos as the arguments say; return 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description="Truth among real servers that fail.")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults occur")
    parser.add_argument("--seed", type=int, help="of the schedule; a new one if none is given")
    parser.add_argument("--server", help="as for the lab: valkey, redis-7.0, a path...")
    parser.add_argument("--schedule", action="store_true", help="only show what would be done")
    parser.add_argument("--alone", action="store_true", help="no stock clients on a relay and behind the proxy")
    parser.add_argument("--transcript", help="write the whole story to this file, whatever the outcome")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    binary = find_binary(options.server)
    if options.schedule:
        for fault in draw(seed, options.seconds, kinds_of(binary)):
            print(f"{fault.at:8.3f}  {fault.describe()}")
        return 0
    print(f"{binary.describe()}, seed {seed}, {options.seconds:g} s", flush=True)
    if reason := netns.lacking():
        print(f"no server is cut off from the others: {reason}", flush=True)
    outcome = tell(binary, seed, options.seconds, with_stock=not options.alone)
    if options.transcript:
        with open(options.transcript, "w", encoding="utf-8") as file:
            file.write(outcome.transcript() + "\n")
    findings = outcome.findings()
    if findings and not options.transcript:
        print(outcome.transcript())
    print(table(outcome))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
