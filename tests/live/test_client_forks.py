"""
Forks of a process that follows a master: each child has its own Watcher, and harms no other.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rig.client_lab import check_went_through, leaving_nothing, wait_for_subscribers, watcher_threads, write_until_moved
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab
from switchmaster.redis import Sentinel
from switchmaster.redis.asyncio import Sentinel as AsyncSentinel

# From 3.12 on Python warns of a fork in a process that has threads, which is tested here.
pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]


@pytest.fixture(scope="module")
def module_lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=3000, failover_timeout_ms=5000) as lab:
        yield lab


@pytest.fixture
def lab(module_lab: Lab) -> Iterator[Lab]:
    with leaving_nothing(module_lab):
        yield module_lab


class Child:
    """A forked child that does some work with a `say`, and ends without using inherited objects."""

    def __init__(self, work: Callable[[Callable[[Any], None]], None]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            self._work(work, write)
        os.close(write)
        self._said = os.fdopen(read)

    @staticmethod
    def _work(work: Callable[[Callable[[Any], None]], None], write: int) -> None:
        def say(what: Any) -> None:
            os.write(write, f"{json.dumps(what)}\n".encode())

        try:
            work(say)
        except BaseException:
            say(traceback.format_exc())
            os._exit(1)
        os._exit(0)

    def hear(self) -> Any:
        """Return the next thing that it reports."""
        line = self._said.readline()
        assert line, "the child ended without a report"
        return json.loads(line)

    def end(self) -> int:
        """Wait for its end."""
        self._said.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_forked_child_follows_on_its_own_and_the_parent_goes_on(lab: Lab) -> None:
    sentinel = Sentinel(lab.sentinel_addresses)
    client = sentinel.master_for("mymaster")
    client.set("before", 1)
    switches: list[Any] = []
    watcher = sentinel.watcher
    watcher.on_switch(switches.append)
    wait_for_subscribers(lab, 1)
    failures = watcher.counters["link_failures"]

    def work(say: Callable[[Any], None]) -> None:
        inherited = len(watcher_threads())
        told = write_until_moved(sentinel, "child", lambda: say("begun"))
        say({**told, "inherited": inherited, "own": sentinel.watcher is not watcher, "threads": len(watcher_threads())})

    child = Child(work)
    try:
        assert child.hear() == "begun"
        wait_for_subscribers(lab, 2)
        told = write_until_moved(sentinel, "parent", lambda: lab.failover())
        check_went_through(told, lab)
        said = child.hear()
        assert (said.pop("inherited"), said.pop("own"), said.pop("threads")) == (0, True, 1)
        check_went_through(said, lab)
    finally:
        code = child.end()
    assert code == 0
    wait_for_subscribers(lab, 1)
    assert sentinel.watcher is watcher
    assert watcher.counters["link_failures"] == failures
    assert [str(switch.new) for switch in switches] == [f"127.0.0.1:{lab.master().port}"]

    client.close()
    sentinel.close()


def _in_loop(sentinel: Any, pipe: Any) -> None:
    async def work() -> list[bool]:
        client = sentinel.master_for("mymaster")
        done = [await client.set("child", number) for number in range(5)]
        pipe.send("begun")
        await asyncio.to_thread(pipe.recv)
        done += [await client.set("child", number) for number in range(5)]
        await client.aclose()
        return done

    pipe.send([asyncio.run(work()), len(watcher_threads())])


def test_child_of_multiprocessing_works_in_a_loop_of_its_own(lab: Lab) -> None:
    sentinel = AsyncSentinel(lab.sentinel_addresses)

    async def use() -> None:
        client = sentinel.master_for("mymaster")
        assert await client.set("before", 1)
        await client.aclose()

    asyncio.run(use())
    eventually(lambda: sentinel.watcher.established, what="the first answers")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_in_loop, args=(sentinel, theirs))
    child.start()
    theirs.close()
    assert ours.recv() == "begun"
    wait_for_subscribers(lab, 2)
    ours.send("go on")
    assert ours.recv() == [[True] * 10, 1]
    child.join(20)
    assert child.exitcode == 0
    ours.close()
    child.close()
    wait_for_subscribers(lab, 1)
    asyncio.run(use())
    asyncio.run(sentinel.aclose())


@pytest.mark.parametrize("used", [True, False], ids=["used before", "only made before"])
def test_four_forked_workers_write_through_a_planned_failover(lab: Lab, used: bool) -> None:
    sentinel = Sentinel(lab.sentinel_addresses)
    client = sentinel.master_for("mymaster")
    if used:
        assert client.ping()
    workers = [
        Child(lambda say, key=f"worker-{number}": say(write_until_moved(sentinel, key, lambda: say("begun"))))  # type: ignore[misc]
        for number in range(4)
    ]
    with ExitStack() as ends:
        codes: list[int] = []
        for worker in workers:
            ends.callback(lambda worker=worker: codes.append(worker.end()))  # type: ignore[misc]
        assert [worker.hear() for worker in workers] == ["begun"] * 4
        wait_for_subscribers(lab, 4 + used)
        lab.failover()
        for worker in workers:
            check_went_through(worker.hear(), lab)
    assert codes == [0] * 4
    assert client.ping()
    wait_for_subscribers(lab, 1)
    client.close()
    sentinel.close()
