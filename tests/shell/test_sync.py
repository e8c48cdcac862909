"""The Watcher for threads: what may be called from which thread, and what is left after its end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from peers.faulty_peer import FaultyPeer, closed_port
from peers.sentinel_thread import SentinelThread
from rig.conditions import eventually
from switchmaster.errors import NoSentinelReachable, UnknownMaster, WaitTimeout, WatcherClosed
from switchmaster.model import Address
from switchmaster.net.heard import Heard
from switchmaster.sync import Stream, Watcher
from switchmaster.wire.events import NewEpoch


@pytest.fixture
def peer() -> Iterator[SentinelThread]:
    peer = SentinelThread()
    yield peer
    peer.close()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= before, 5, what="the end of all threads")


def watch(peer: SentinelThread, **options: object) -> Watcher:
    return Watcher([peer.peer.address], discover=False, **options)


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("switchmaster")]


def epochs(stream: Stream[Heard], count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        event = stream.next(timeout=10).event
        assert isinstance(event, NewEpoch)
        found.append(event.epoch)
    return found


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_watcher_knows_the_master_and_leaves_no_thread(peer: SentinelThread) -> None:
    with watch(peer) as watcher:
        assert own_threads() == ["switchmaster watcher"]
        assert watcher.masters() == ("mymaster",)
        address = watcher.master("mymaster")
        assert isinstance(address, Address)
        assert watcher.state("mymaster").address == address
        assert watcher.topology.masters["mymaster"].address == address
        assert watcher.dialled(address) == address
        assert watcher.counters["snapshots"] >= 1
        with pytest.raises(UnknownMaster, match=r"'other'.*'mymaster'"):
            watcher.state("other")
    assert own_threads() == []
    assert watcher.topology.masters["mymaster"].address == address


def test_master_is_read_while_the_loop_is_busy(peer: SentinelThread) -> None:
    entered, leave = threading.Event(), threading.Event()

    def block(_: object) -> None:
        entered.set()
        assert leave.wait(10)

    with watch(peer) as watcher:
        watcher.on_event(block)
        peer.publish(1)
        assert entered.wait(10)
        try:
            assert watcher.master("mymaster").port
        finally:
            leave.set()


def test_iterator_gives_events_in_order_and_ends_on_close(peer: SentinelThread) -> None:
    with watch(peer) as watcher, watcher.events() as events:
        for epoch in (5, 6, 7):
            peer.publish(epoch)
        assert epochs(events, 3) == [5, 6, 7]
        assert events.missed == 0
        watcher.close()
        assert list(events) == []
        events.close()


def test_iterator_in_another_thread_ends_when_the_watcher_is_closed(peer: SentinelThread) -> None:
    watcher = watch(peer)
    watcher.start()
    rest: list[object] = []
    reader = in_thread(lambda: rest.extend(watcher.switches()))
    eventually(lambda: watcher._watcher._readers._feeds, what="the reader's feed")
    watcher.close()
    reader.join(5)
    assert not reader.is_alive()
    assert rest == []


def test_waiting_items_are_given_after_the_end_and_missed_ones_counted(peer: SentinelThread) -> None:
    with watch(peer, queue=2) as watcher:
        events = watcher.events()
        for epoch in (1, 2, 3, 4, 5):
            peer.publish(epoch)
        eventually(lambda: watcher.counters["events"] == 5)
    assert events.missed == 3
    assert [heard.event.payload for heard in events] == ["4", "5"]


def test_closed_stream_ends_alone(peer: SentinelThread) -> None:
    with watch(peer) as watcher:
        events, others = watcher.events(), watcher.events()
        events.close()
        peer.publish(3)
        assert epochs(others, 1) == [3]
        assert list(events) == []


def test_next_raises_if_nothing_came_in_time_and_can_be_called_again(peer: SentinelThread) -> None:
    with watch(peer) as watcher:
        events = watcher.events()
        with pytest.raises(WaitTimeout, match=r"waited 0.05 s for news"):
            events.next(timeout=0.05)
        peer.publish(9)
        assert epochs(events, 1) == [9]


def test_changes_begins_with_the_topology_as_it_is(peer: SentinelThread) -> None:
    with watch(peer) as watcher:
        assert "mymaster" in watcher.changes().next(timeout=5).masters


def test_callback_is_called_in_the_loops_thread_and_may_read_the_belief(peer: SentinelThread) -> None:
    seen: list[object] = []

    def callback(heard: Heard) -> None:
        seen.extend((threading.current_thread().name, watcher.state("mymaster").name, watcher.topology.deployment))
        with suppress(RuntimeError):
            watcher.events().next(timeout=1)
            seen.append("it waited for itself")

    with watch(peer) as watcher:
        end = watcher.on_event(callback)
        peer.publish(1)
        eventually(lambda: len(seen) >= 3)
        end()
        peer.publish(2)
        eventually(lambda: watcher.counters["events"] == 2)
        assert seen == ["switchmaster watcher", "mymaster", "default"]
        assert watcher.counters["callback_errors"] == 0


def test_callback_may_close_the_watcher(peer: SentinelThread) -> None:
    with watch(peer) as watcher:
        watcher.on_event(lambda _: watcher.close())
        events = watcher.events()
        peer.publish(1)
        assert len(list(events)) <= 1
        eventually(lambda: own_threads() == [])
        watcher.close()


def test_close_from_several_threads_returns_when_all_is_over(peer: SentinelThread) -> None:
    watcher = watch(peer)
    watcher.start()
    left: list[list[str]] = []

    def close() -> None:
        watcher.close()
        left.append(own_threads())

    closers = [in_thread(close) for _ in range(4)]
    for closer in closers:
        closer.join(5)
    assert left == [[], [], [], []]


def test_close_ends_a_start_that_still_waits() -> None:
    async def silent(_: FaultyPeer, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await reader.read()

    peer = SentinelThread()
    peer.peer.behaviour = silent
    watcher = watch(peer, timeout=30.0)
    errors: list[BaseException] = []

    def start() -> None:
        try:
            watcher.start()
        except WatcherClosed as error:
            errors.append(error)

    try:
        starter = in_thread(start)
        eventually(lambda: peer.peer.accepted == 1)
        began = time.monotonic()
        watcher.close()
        starter.join(5)
        assert len(errors) == 1
        assert time.monotonic() - began < 5
    finally:
        peer.close()


def test_use_before_the_start_and_after_the_end_is_refused(peer: SentinelThread) -> None:
    watcher = watch(peer)
    uses = [watcher.switches, watcher.changes, lambda: watcher.master("m"), lambda: watcher.state("m")]
    for use in uses:
        with pytest.raises(WatcherClosed):
            use()
    watcher.start()
    watcher.start()
    watcher.close()
    watcher.close()
    for use in [*uses, watcher.start]:
        with pytest.raises(WatcherClosed, match="not running"):
            use()


def test_failed_start_leaves_no_thread() -> None:
    watcher = Watcher([("127.0.0.1", closed_port())])
    with pytest.raises(NoSentinelReachable, match="connection refused"):
        watcher.start()
    assert own_threads() == []
    with pytest.raises(WatcherClosed):
        watcher.start()


def test_names_that_are_resolved_leave_no_thread(peer: SentinelThread) -> None:
    with Watcher([("localhost", peer.peer.address.port)], discover=False, timeout=10) as watcher:
        assert watcher.masters() == ("mymaster",)
    assert own_threads() == []


FORGETFUL = """
import sys, threading
from switchmaster.sync import Watcher
watcher = Watcher([("localhost", int(sys.argv[1]))], discover=False)
watcher.start()
threading.Thread(target=lambda: print(list(watcher.switches())), daemon=True).start()
print(watcher.masters(), flush=True)
"""


def test_interpreter_ends_even_if_the_watcher_was_not_closed(peer: SentinelThread) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", FORGETFUL, str(peer.peer.address.port)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("('mymaster',)")
