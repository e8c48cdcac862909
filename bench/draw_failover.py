"""
Measure one crash and one planned failover for redis-py and for switchmaster.redis, and draw README's picture of it.

Both clients write to the same deployment at the same time (`writer.py`), so both go through the same failovers. A write
is lost if it was acknowledged and is not on the new master once everything has settled, the old master's demotion
included. What was measured goes to docs/pictures/same-failover.json, and the picture beside it; ``--redraw`` draws that
again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from failover_picture import THEMES, alternative, drawn

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
NAME = "same-failover"
DOWN_AFTER = 1000
BEAT = 0.002
SHOWN = {
    "crash": {"begins": "kill -9", "from": -1.0, "to": 4.0, "bucket": 0.02, "tick": 1},
    "planned": {"begins": "the order", "from": -1.2, "to": 14.0, "bucket": 0.08, "tick": 2},
}


def measure(server: str) -> dict[str, Any]:
    from clients import CLIENTS, Writer
    from rounds import Observer, Rounds
    from switchmaster.lab import Lab

    chosen = [client for client in CLIENTS if client.name in ("redis-py", "switchmaster.redis")]
    with (
        tempfile.TemporaryDirectory(prefix="switchmaster-bench-") as folder,
        Lab(binary=server, down_after_ms=DOWN_AFTER) as lab,
    ):
        writers = [Writer(client, lab.sentinel_addresses, BEAT, Path(folder)) for client in chosen]
        observer = Observer(lab.nodes(), Path(folder))
        try:
            for writer in writers:
                writer.start()
            rounds = Rounds(lab, writers, observer)
            rounds.begin()
            failovers = [play(rounds, kind) for kind in SHOWN]
        finally:
            for writer in writers:
                writer.stop()
            observer.stop()
        assert lab.binary is not None
        versions = ", ".join(dict.fromkeys(client.version() for client in chosen))
        server = f"{lab.binary.describe()}, 3 Sentinels, down-after {DOWN_AFTER} ms"
        setting = f"{server}; {versions}; a write every {BEAT * 1e3:g} ms"
    return {"setting": setting, "failovers": failovers}


def play(rounds: Any, kind: str) -> dict[str, Any]:
    """Go through one failover, and return every writer's writes around it."""
    from rounds import taken

    shown = SHOWN[kind]
    rounds.settle()
    lab = rounds.lab
    old, began = lab.master(), time.monotonic_ns()
    if kind == "crash":
        lab.crash(old)
    else:
        lab.failover()
    while not (promoted := rounds.observer.promoted(old.name, began)):
        if time.monotonic_ns() - began > 60e9:
            raise SystemExit(f"no node was promoted within 60 s of the {kind}")
        time.sleep(0.05)
    time.sleep(max(0.0, shown["to"] - (time.monotonic_ns() - began) / 1e9))
    if kind == "crash":
        lab.restart(old)
    rounds.settle()
    clients = {}
    for writer in rounds.writers:
        writer.read()
        kept = {int(item) for item in taken(lab.master(), writer.key)} | writer.early
        clients[writer.client.name] = account(writer.acknowledged, kept, began, shown)
        writer.early = kept - {one.number for one in writer.acknowledged}
        writer.forget()
    return {"kind": kind, **shown, "promoted": round((promoted[0][0] - began) / 1e9, 3), "clients": clients}


def account(acknowledged: Sequence[Any], kept: set[int], began: int, shown: dict[str, Any]) -> dict[str, Any]:
    """Return a writer's writes in buckets, with its longest gap since the failover began and all that it lost."""
    buckets = math.ceil((shown["to"] - shown["from"]) / shown["bucket"])
    found: dict[str, Any] = {"kept": [0] * buckets, "lost": [0] * buckets}
    for one in acknowledged:
        place = math.floor(((one.at - began) / 1e9 - shown["from"]) / shown["bucket"])
        if 0 <= place < buckets:
            found["kept" if one.number in kept else "lost"][place] += 1
    last = [one.at for one in acknowledged if one.at <= began][-1:]
    during = [*last, *(one.at for one in acknowledged if one.at > began)]
    found["gap"] = round(max(later - earlier for earlier, later in pairwise(during)) / 1e9, 3)
    found["lost_writes"] = sum(one.number not in kept for one in acknowledged)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redraw", action="store_true", help="draw what was measured before")
    parser.add_argument("--server", default="redis-7.0", help="as the lab takes it (%(default)s)")
    options = parser.parse_args()
    record = PICTURES / f"{NAME}.json"
    if not options.redraw:
        record.write_text(json.dumps(measure(options.server)) + "\n", encoding="utf-8")
    data = json.loads(record.read_text(encoding="utf-8"))
    for theme in THEMES:
        (PICTURES / f"{NAME}-{theme}.svg").write_text(drawn(data, theme), encoding="utf-8")
    print(alternative(data), file=sys.stderr)


if __name__ == "__main__":
    main()
