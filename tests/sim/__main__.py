"""
Run the simulation: ``python -m sim --seeds 500``, or ``--seed 7`` for one story with its transcript.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter

from .story import TROUBLE, Told, tell


def main() -> int:
    """Run what the arguments say; return 1 where an invariant was broken."""
    parser = argparse.ArgumentParser(prog="python -m sim", description="Truth under faults, on a virtual clock.")
    parser.add_argument("--seeds", type=int, default=500, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone, and print its transcript")
    parser.add_argument("--trouble", type=float, default=TROUBLE, help="virtual seconds of faults in each")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--stop", action="store_true", help="end with the first that fails")
    options = parser.parse_args()
    if options.seed is not None:
        told = tell(options.seed, options.trouble)
        print("\n".join(told.lines))
        print(told.failure or "all invariants hold", f"({told.seconds:.0f} virtual seconds)")
        return int(bool(told.failure))
    return run_many(range(options.first, options.first + options.seeds), options.trouble, options.jobs, options.stop)


def run_many(seeds: range, trouble: float, jobs: int, stop: bool) -> int:
    """Run many seeds and print the results."""
    began, counts = time.perf_counter(), Counter[str]()
    failures: list[Told] = []
    behind = virtual = 0.0
    with multiprocessing.Pool(jobs) as pool:
        for told in pool.imap_unordered(_tell, ((seed, trouble) for seed in seeds), chunksize=1 if stop else 4):
            counts += told.counts
            behind, virtual = max(behind, told.behind), virtual + told.seconds
            if told.failure:
                failures.append(told)
                print(f"seed {told.seed}: {told.failure}", flush=True)
                if stop:
                    break
    took = time.perf_counter() - began
    for told in sorted(failures, key=lambda each: len(each.lines))[:1]:
        print(told.transcript())
    for name, count in sorted(counts.items()):
        print(f"{count:9d}  {name}")
    print(
        f"{len(seeds)} seeds, {virtual:.0f} virtual seconds in {took:.1f} s with {jobs} processes "
        f"({1000 * took * jobs / len(seeds):.0f} ms a seed and process); "
        f"the belief was behind for {behind:.1f} s at most; {len(failures)} failed"
    )
    return int(bool(failures))


def _tell(arguments: tuple[int, float]) -> Told:
    told = tell(*arguments)
    if not told.failure:
        told.lines = []
    return told


if __name__ == "__main__":
    sys.exit(main())
