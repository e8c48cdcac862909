"""
A process with unmodified clients of redis-py that write through a relay: ``stock_writer.py PORT FOLDER MASTER...``

One thread for each master, with a ledger of its own in the folder. It ends when its input ends.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from .application import SOCKET_TIMEOUT, Ledger

__all__ = ["key_of", "ledger_of"]

PACE = 0.02
"""Seconds between two writes."""


def key_of(master: str) -> str:
    """Return the list that the client of a master writes to."""
    return f"{master}-relayed"


def ledger_of(master: str, folder: Path) -> Path:
    """Return the file with what that client did."""
    return folder / f"{key_of(master)}.ledger"


def write(sentinel: Sentinel, ledger: Ledger, stop: threading.Event) -> None:
    """Write until the event, each number once."""
    client = sentinel.master_for(ledger.master, socket_timeout=SOCKET_TIMEOUT, retry=Retry(NoBackoff(), 0))
    number = 0
    while not stop.wait(PACE):
        number, sent = number + 1, time.monotonic()
        try:
            client.rpush(ledger.key, number)
        except Exception as error:
            ledger.note(sent, number, error)
        else:
            ledger.note(sent, number)
    client.close()
    ledger.close()


def main() -> None:
    """Write until the input ends."""
    port, folder, *masters = sys.argv[1:]
    stop = threading.Event()
    sentinel = Sentinel([("127.0.0.1", int(port))], socket_timeout=SOCKET_TIMEOUT)
    ledgers = [Ledger(name, key_of(name), ledger_of(name, Path(folder))) for name in masters]
    threads = [threading.Thread(target=write, args=(sentinel, ledger, stop)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
