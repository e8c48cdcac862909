"""
A guard as a process of its own, so that a test can stop it, or run it in another network.

Its argument is JSON: the Sentinels, the policy, the Watcher's options. It writes a line of JSON for each notice, switch
and status, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from typing import Any

from switchmaster.guard.policy import Arming, Policy, Restart
from switchmaster.net.guard import Guard
from switchmaster.net.watcher import Watcher

STATUS_EVERY = 0.1


def tell(kind: str, /, **fields: Any) -> None:
    """Write one line; ``at`` is this machine's monotonic clock, which all processes share."""
    sys.stdout.write(json.dumps({"type": kind, "at": time.monotonic(), **fields}) + "\n")
    sys.stdout.flush()


async def main(asked: dict[str, Any]) -> None:
    policy = Policy(
        **{
            **asked["policy"],
            "arming": Arming(asked["policy"].get("arming", "armed")),
            "restart": Restart(asked["policy"].get("restart", "unknown")),
        }
    )
    options = asked.get("options", {})
    if "address_map" in options:
        options["address_map"] = {tuple(one): tuple(other) for one, other in options["address_map"]}
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), lambda: os.read(0, 64) or ended.set())
    async with Watcher([tuple(one) for one in asked["sentinels"]], **options) as watcher:
        watcher.on_switch(lambda switch: tell("switch", new=switch.new, epoch=switch.epoch))
        guard = Guard(
            watcher,
            lambda name: policy,
            identity=asked["identity"],
            on_notice=lambda notice: tell("notice", kind=str(notice.kind), text=notice.text),
        )
        guard.start()
        while not ended.is_set():
            for status in guard.status():
                tell(
                    "status",
                    phase=status.phase,
                    outlook=status.outlook,
                    counts=dict(status.counts),
                    objected=dict(status.objected),
                    may_order=status.may_order,
                    would_ask=status.would_ask,
                    reports={str(node): report.keys for node, report in status.reports.items()},
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), STATUS_EVERY)
        await guard.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
