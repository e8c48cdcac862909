"""A value that threads and tasks wait for: none of them misses a change."""

from __future__ import annotations

import asyncio
import threading
import time

from rig.conditions import eventually
from switchmaster.client.observable import Observable

LIMIT = 10.0


def soon() -> float:
    return time.monotonic() + LIMIT


def test_thread_that_waits_is_woken_by_another_value() -> None:
    view = Observable("old")
    seen: list[str] = []

    def wait() -> None:
        view.wait("old", soon())
        seen.append(view.current)

    waiting = [threading.Thread(target=wait) for _ in range(8)]
    for thread in waiting:
        thread.start()
    view.set("new")
    for thread in waiting:
        thread.join(LIMIT)
    assert seen == ["new"] * 8


def test_wait_ends_at_once_if_the_value_has_changed_and_at_its_limit() -> None:
    view = Observable("new")
    began = time.monotonic()
    view.wait("old", soon())
    view.wait("new", began)
    asyncio.run(view.wait_in_loop("old", soon()))
    asyncio.run(view.wait_in_loop("new", began))
    assert time.monotonic() - began < LIMIT
    assert view._futures == {}


def test_tasks_of_several_loops_are_woken_from_another_thread() -> None:
    view = Observable("old")
    woken: list[str] = []

    async def wait_all() -> None:
        await asyncio.gather(*(view.wait_in_loop("old", soon()) for _ in range(50)))
        woken.append(view.current)

    loops = [threading.Thread(target=lambda: asyncio.run(wait_all())) for _ in range(3)]
    for loop in loops:
        loop.start()
    eventually(lambda: sum(len(futures) for futures in view._futures.values()) == 150, what="all tasks to wait")
    view.set("new")
    for loop in loops:
        loop.join(LIMIT)
    assert woken == ["new"] * 3
    assert view._futures == {}


def test_cancelled_task_stops_waiting() -> None:
    view = Observable("old")

    async def give_up() -> None:
        task = asyncio.create_task(view.wait_in_loop("old", soon()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(give_up())
    assert view._futures == {}
    view.set("new")
