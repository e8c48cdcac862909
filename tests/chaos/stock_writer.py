"""
A process with unmodified clients of redis-py that write through a relay, and through the proxy.

It reads a line of JSON: ``{"folder": PATH, "masters": [NAME, ...], "relay": PORT, "proxy": {NAME: PORT, ...}}``. One
thread for each master and way, with a ledger of its own in the folder. It ends when its input ends.
"""

from __future__ import annotations

import json
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from .application import SOCKET_TIMEOUT, Ledger, write

__all__ = ["Way", "key_of", "ledger_of"]

PACE = 0.02
"""Seconds between two writes."""
HOST = "127.0.0.1"


class Way(StrEnum):
    """How a client finds the master."""

    RELAY = "relay"
    """It asks a relay, as it would a Sentinel."""
    PROXY = "proxy"
    """It has one address."""


def key_of(master: str, way: Way) -> str:
    """Return the list that a client writes to."""
    return f"{master}-by-{way}"


def ledger_of(master: str, way: Way, folder: Path) -> Path:
    """Return the file with what that client did."""
    return folder / f"{key_of(master, way)}.ledger"


def write_and_close(client: Redis, ledger: Ledger, stop: threading.Event) -> None:
    """Write until the event."""
    write(client, ledger, stop, PACE)
    client.close()
    ledger.close()


def main() -> None:
    """Write until the input ends."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    stop = threading.Event()
    once = {"socket_timeout": SOCKET_TIMEOUT, "retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel([(HOST, plan[Way.RELAY])], socket_timeout=SOCKET_TIMEOUT)
    found = {(name, Way.RELAY): sentinel.master_for(name, **once) for name in plan["masters"]}
    found |= {(name, Way.PROXY): Redis(HOST, port, **once) for name, port in plan.get(Way.PROXY, {}).items()}
    threads = []
    for (name, way), client in found.items():
        ledger = Ledger(name, key_of(name, way), ledger_of(name, way, Path(plan["folder"])))
        threads.append(threading.Thread(target=write_and_close, args=(client, ledger, stop)))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
