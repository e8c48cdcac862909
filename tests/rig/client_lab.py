"""The drop-in seen from outside: a Sentinel's subscribers, this process's sockets and threads, and a lab that is made
ready for the next failover at once."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rig.conditions import eventually
from rig.writers import Writers
from switchmaster.lab import Lab, LabServer

READY_LIMIT = 40.0
FAILOVER_LIMIT = 60.0
NAMED = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")


def subscribers(lab: Lab, sentinel: int = 0) -> int:
    """Return how many clients subscribe to one Sentinel."""
    return len(str(lab.sentinel_command(sentinel, "CLIENT", "LIST", "TYPE", "pubsub")).splitlines())


def wait_for_subscribers(lab: Lab, count: int) -> None:
    """Wait until each Sentinel has this many subscribers."""
    everyone = range(len(lab.sentinels))
    eventually(
        lambda: [subscribers(lab, one) for one in everyone] == [count] * len(everyone),
        what=f"{count} listeners at each Sentinel",
    )


def watcher_threads() -> list[threading.Thread]:
    """Return the threads of this process in which a Watcher runs."""
    return [thread for thread in threading.enumerate() if thread.name == "switchmaster watcher"]


def sockets() -> set[str]:
    """Return the sockets that this process has open."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
        except FileNotFoundError:
            continue
    return {one for one in found if "socket:" in one}


def end(*clients: Any) -> None:
    """Close clients and their Sentinels for good, even if others share them."""
    for client in clients:
        client.connection_pool.shared_out = False
        client.close()
        client.connection_pool.sentinel_manager.close()


def attempt(work: Callable[[], Any]) -> Any:
    """Return what `work` returns or raises."""
    try:
        return work()
    except Exception as error:
        return error


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `work` in a thread; what it returns or raises is appended to the list."""
    came: list[Any] = []
    thread = threading.Thread(target=lambda: came.append(attempt(work)), daemon=True)
    thread.start()
    return thread, came


@contextmanager
def leaving_nothing(lab: Lab) -> Iterator[None]:
    """Check that a block leaves no Watcher, socket or subscriber, and make the lab ready for another failover."""
    old, before = lab.master(), sockets()
    yield
    gc.collect()
    eventually(lambda: watcher_threads() == [], what="the end of every Watcher")
    eventually(lambda: sockets() <= before, what="the end of every socket")
    wait_for_subscribers(lab, 0)
    make_ready(lab, old)


def make_ready(lab: Lab, old: LabServer | None = None, master: str | None = None) -> None:
    """
    Wait until another failover may follow.

    Args:
        lab: with replicas.
        old: the master before a planned failover; it is demoted by hand, as Sentinel does 11 s later.
        master: its name; None for the only one.
    """
    name = master or "mymaster"
    if old is not None and old.alive and old is not (new := lab.master(master)):
        old.call("REPLICAOF", *new.address)

    def ready() -> bool:
        # The newest: at a low down-after Sentinel may make a second failover (docs/topics/protocol.md, 5.4).
        new, reports = lab.master(master), lab.reports(master)
        linked = [report for report in reports if report.linked and report.follows == new.address]
        asked = (*NAMED[:2], name)
        named = {tuple(lab.sentinel_command(index, *asked)) for index in range(len(lab.sentinels))}
        flags = lab.sentinel_command(0, "SENTINEL", "MASTER", name)[9]
        others = len(reports) - 1
        return len(linked) == others > 0 and named == {(new.host, str(new.port))} and flags == "master"

    eventually(ready, READY_LIMIT, what="a lab that is ready for another failover")


def go_through_failover(
    lab: Lab, client: Any, make_client: Callable[[], Any] | None = None, begin: str = "w", threads: int = 2
) -> None:
    """
    Write through a planned failover and check that no write failed or was lost; then make the lab ready again.

    Args:
        lab: with one master.
        client: a client for threads.
        make_client: makes a client for asyncio.
        begin: the first part of each key; a new one for each call.
        threads: how many threads write.
    """
    old = lab.master()
    with Writers(client, threads, make_client, 2 if make_client else 0, begin) as writers:
        eventually(lambda: writers.going_on(0.0), what="the writers' beginning")
        lab.failover()
        eventually(lambda: lab.master() is not old, FAILOVER_LIMIT, what="another master")
        switched = time.monotonic()
        eventually(lambda: writers.going_on(switched), FAILOVER_LIMIT, what="every writer to go on")
    assert writers.failed() == [], writers.failed()[:3]
    # Lists are read as bytes, whatever the client decodes.
    master = lab.master()
    assert writers.lost(lambda key: master.call("LRANGE", key, 0, -1)) == []
    make_ready(lab, old)


def blocked(lab: Lab, count: int = 1) -> None:
    """Wait until this many clients are blocked at the master."""
    wanted = f"blocked_clients:{count}\r\n"
    eventually(lambda: wanted in str(lab.master().call("INFO", "clients")), what="a client to block")


def write_until_moved(sentinel: Any, key: str, begun: Callable[[], None]) -> dict[str, Any]:
    """Write until 20 writes after the master has moved; return errors, losses and where it moved."""
    client = sentinel.master_for("mymaster")
    old, errors, acknowledged, after = sentinel.discover_master("mymaster"), [], [], 0
    until = time.monotonic() + FAILOVER_LIMIT
    number = 0
    while after < 20 and time.monotonic() < until:
        number += 1
        try:
            client.rpush(key, number)
            acknowledged.append(number)
        except Exception as error:
            errors.append(repr(error))
        if number == 1:
            begun()
        after += sentinel.discover_master("mymaster") != old
        time.sleep(0.002)
    kept = {int(item) for item in client.lrange(key, 0, -1)}
    lost = [number for number in acknowledged if number not in kept]
    new = sentinel.discover_master("mymaster")
    return {"errors": errors, "lost": lost, "moved": new != old, "new": list(new)}


def check_went_through(told: dict[str, Any], lab: Lab) -> None:
    assert told == {"errors": [], "lost": [], "moved": True, "new": list(lab.master().address)}
