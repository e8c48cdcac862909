"""
The Watcher for threads after a fork: the child starts its own with the first use, and never gets the parent's belief.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from peers.faulty_peer import closed_port
from peers.sentinel_thread import SentinelThread
from switchmaster.errors import NoSentinelReachable, WatcherClosed
from switchmaster.model import Address
from switchmaster.sync import Watcher

# From 3.12 on Python warns of a fork in a process that has threads, which is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

LIMIT = 20.0


@pytest.fixture
def peer() -> Iterator[SentinelThread]:
    peer = SentinelThread()
    yield peer
    peer.close()


@pytest.fixture
def watcher(peer: SentinelThread) -> Iterator[Watcher]:
    with Watcher([peer.peer.address], discover=False) as watcher:
        yield watcher


def forked(work: Callable[[], Any]) -> Any:
    """Return what some work returns in a forked child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = json.dumps(work())
        except BaseException:
            said = json.dumps(traceback.format_exc())
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    try:
        ready, _, _ = select.select([read], [], [], LIMIT)
        assert ready, "the child hangs"
        return json.loads(os.read(read, 65536))
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


USES: dict[str, Callable[[Watcher], Any]] = {
    "state": lambda watcher: watcher.state("mymaster").name,
    "topology": lambda watcher: list(watcher.topology.masters),
    "hearing": lambda watcher: watcher.hearing,
    "established": lambda watcher: watcher.established,
    "refresh": lambda watcher: watcher.refresh(),
    "masters": lambda watcher: list(watcher.masters()),
    "master": lambda watcher: list(watcher.master("mymaster")),
    "counters": lambda watcher: watcher.counters["snapshots"] > 0,
    "role": lambda watcher: watcher.role(Address("127.0.0.1", closed_port())).role,
    "changes": lambda watcher: list(watcher.changes().next(5).masters),
    "start": lambda watcher: watcher.start(),
    "close": lambda watcher: watcher.close(),
}


@pytest.mark.parametrize("use", USES)
def test_a_child_starts_its_own_whatever_it_uses_first(use: str, watcher: Watcher) -> None:
    here = USES[use](watcher) if use != "close" else None

    def work() -> Any:
        there = USES[use](watcher)
        watcher.close()
        return there

    assert forked(work) == here
    if use != "close":
        assert USES[use](watcher) == here  # the parent's still runs


def test_a_child_never_returns_the_parents_belief(peer: SentinelThread) -> None:
    watcher = Watcher([peer.peer.address], discover=False, timeout=0.2)
    watcher.start()
    peer.close()

    def work() -> list[str]:
        raised = []
        for use in ("master", "state", "topology", "hearing", "role", "changes"):
            try:
                raised.append(repr(USES[use](watcher)))
            except NoSentinelReachable as error:
                raised.append(type(error).__name__)
        watcher.close()
        for use in ("master", "topology", "hearing"):
            try:
                raised.append(repr(USES[use](watcher)))
            except WatcherClosed as error:
                raised.append(type(error).__name__)
        return raised

    assert forked(work) == ["NoSentinelReachable"] * 6 + ["WatcherClosed"] * 3
    watcher.close()


def test_an_iterator_of_the_parent_raises_at_once(watcher: Watcher, peer: SentinelThread) -> None:
    stream = watcher.events()

    def work() -> list[str]:
        try:
            return [str(next(stream))]
        except WatcherClosed as error:
            stream.close()
            return [str(error)]

    (said,) = forked(work)
    assert "before the process forked" in said
    peer.publish(7)
    assert stream.next(timeout=10).event.epoch == 7  # type: ignore[attr-defined]


def test_callbacks_go_on_in_the_child_and_may_be_ended_there(watcher: Watcher) -> None:
    turns: list[int] = []
    ended: list[int] = []
    watcher.on_change(lambda: turns.append(os.getpid()))
    end = watcher.on_change(lambda: ended.append(os.getpid()))

    def work() -> list[bool]:
        end()
        watcher.refresh()
        watcher.changes().next(5)
        return [os.getpid() in turns, os.getpid() in ended]

    assert forked(work) == [True, False]


def test_a_fork_of_a_fork_starts_its_own_too(watcher: Watcher) -> None:
    address = list(watcher.master("mymaster"))

    def work() -> Any:
        before = forked(lambda: list(watcher.master("mymaster")))
        here = list(watcher.master("mymaster"))
        return [before, here, forked(lambda: list(watcher.master("mymaster")))]

    assert forked(work) == [address] * 3


def test_a_fork_while_other_threads_use_it_hangs_no_process(watcher: Watcher) -> None:
    ended = threading.Event()

    def use() -> None:
        while not ended.is_set():
            watcher.state("mymaster")
            watcher.hearing  # noqa: B018
            watcher.changes().close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert forked(lambda: watcher.state("mymaster").name) == "mymaster"
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_locks_held_at_the_fork_are_free_in_the_child(watcher: Watcher) -> None:
    held, ended = threading.Event(), threading.Event()

    def hold() -> None:
        assert watcher._thread is not None
        with watcher._lock, watcher._thread._lock:
            held.set()
            ended.wait(LIMIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(LIMIT)
    try:
        assert forked(lambda: [watcher.hearing, watcher.close()]) == [True, None]
    finally:
        ended.set()
        thread.join()


def test_a_process_of_multiprocessing_starts_its_own(watcher: Watcher) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(list(watcher.master("mymaster"))))
    process.start()
    process.join(LIMIT)
    assert process.exitcode == 0
    assert queue.get() == list(watcher.master("mymaster"))


def test_a_fork_by_gevent_starts_its_own_and_hangs_no_greenlet(peer: SentinelThread) -> None:
    pytest.importorskip("gevent")
    program = """
        import gevent.monkey; gevent.monkey.patch_all()
        import gevent, gevent.os, os, sys, time
        from switchmaster.sync import Watcher
        watcher = Watcher([sys.argv[1]], discover=False)
        watcher.start()
        stream, said = watcher.events(), []
        def wait():
            try: stream.next()
            except Exception as error: said.append(str(error))
        waiting = gevent.spawn(wait)
        time.sleep(0.05)
        pid = gevent.os.fork()
        if pid == 0:
            waiting.join(10)
            print(watcher.master("mymaster"), "before the process forked" in "".join(said), flush=True)
            watcher.close()
            os._exit(0)
        gevent.os.waitpid(pid, 0)
        print(watcher.state("mymaster").address, said, flush=True)
        watcher.close()
        waiting.join(10)
        """
    words = [sys.executable, "-c", textwrap.dedent(program), str(peer.peer.address)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    child, parent = done.stdout.splitlines() or ["", done.stderr]
    assert child.split()[1] == "True", done.stderr
    assert parent.split()[1] == "[]", done.stderr
    assert child.split()[0] == parent.split()[0]
