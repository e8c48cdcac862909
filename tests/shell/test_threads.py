"""Real threads, locks and loops, and their waiters; also if gevent or eventlet have patched everything else."""

from __future__ import annotations

import _socket
import asyncio
import gc
import socket
import subprocess
import sys
import textwrap
import threading
import warnings
from typing import Any

import pytest
import redis

import switchmaster.redis
from rig.client_lab import attempt
from rig.conditions import eventually
from switchmaster.client.route import Route
from switchmaster.client.sockets import noticing
from switchmaster.client.tally import Tally
from switchmaster.model import Address
from switchmaster.net import threads
from switchmaster.net.sync import LoopThread

GREEN = ["gevent", "eventlet"]
PATCHES = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all(); from gevent import spawn",
    "eventlet": "import eventlet; eventlet.monkey_patch(); from eventlet import spawn",
}


def green(framework: str, program: str) -> str:
    """Run a program of greenlets in a process of its own, and return what it prints."""
    pytest.importorskip(framework)
    source = f"{PATCHES[framework]}\n{textwrap.dedent(program)}"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_condition_wakes_all_waiters_and_says_which_were_not() -> None:
    condition, came = threads.GreenCondition(), []

    def wait() -> None:
        with condition:
            came.append(condition.wait(30))

    waiting = [threading.Thread(target=wait) for _ in range(3)]
    for each in waiting:
        each.start()
    eventually(lambda: len(condition._waiting) == 3)
    with condition:
        condition.notify_all()
    for each in waiting:
        each.join()
    assert came == [True] * 3
    with condition:
        assert not condition.wait(0.001)
        assert condition._waiting == []


def test_future_is_awaited_as_the_librarys_are() -> None:
    future: threads.Future[int] = threads.Future()
    thread = threading.Thread(target=lambda: future.set_result(7))
    thread.start()
    assert future.result(10) == 7
    with pytest.raises(TimeoutError):
        threads.Future[int]().result(0.001)


def test_asyncio_takes_its_sockets_from_the_loop() -> None:
    """asyncio calls everything that `Loop` overrides: otherwise a patched socket would get in there."""

    async def connect() -> tuple[type, type]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "localhost", port, happy_eyeballs_delay=0.25)
        opened = transport.get_extra_info("socket")._sock
        transport.abort()
        server.close()
        return type(opened), type(loop._csock)

    thread = LoopThread("switchmaster test")
    try:
        made = thread.run(connect())
    finally:
        thread.stop(lambda: asyncio.sleep(0))
    assert made == (_socket.socket, _socket.socket)


@pytest.mark.parametrize("framework", GREEN)
def test_greenlets_wait_without_blocking_others_and_are_woken_from_a_real_thread(framework: str) -> None:
    said = green(
        framework,
        """
        import asyncio, time
        from switchmaster.net import threads
        from switchmaster.net.green import get_ident
        from switchmaster.net.sync import LoopThread
        thread = LoopThread("test")
        here, ticks, ended = get_ident(), [], []
        async def elsewhere():
            await asyncio.sleep(0.3)
            return get_ident() != here
        def tick():
            while not ended:
                ticks.append(time.sleep(0.01))
        spawn(tick)
        print(thread.run(elsewhere()), len(ticks) > 5)
        event = threads.GreenEvent()
        waiting = [spawn(event.wait) for _ in range(200)]
        time.sleep(0.05)
        thread.soon(event.set)
        for each in waiting:
            each.join() if hasattr(each, "join") else each.wait()
        lock, order = threads.lock(), []
        def hold(number):
            lock.acquire()
            order.append(number)
            time.sleep(0.01)
            order.append(number)
            lock.release()
        holders = [spawn(hold, number) for number in range(3)]
        for each in holders:
            each.join() if hasattr(each, "join") else each.wait()
        print(order == [0, 0, 1, 1, 2, 2] or order)
        condition = threads.GreenCondition()
        with condition:
            print(condition.wait(0.02))
        thread.stop(lambda: asyncio.sleep(0))
        ended.append(True)
        """,
    )
    assert said.split() == ["True", "True", "True", "False"]


@pytest.mark.parametrize("framework", GREEN)
def test_any_kind_of_socket_is_shut_down_under_a_greenlet(framework: str) -> None:
    said = green(
        framework,
        """
        import asyncio, socket, time
        from switchmaster.net import threads
        from switchmaster.net.sync import LoopThread
        thread = LoopThread("test")
        near, far = socket.socketpair()
        reader = spawn(near.recv, 1)
        time.sleep(0.05)
        thread.read(lambda: threads.shut_down(near))
        print((reader.get if hasattr(reader, "get") else reader.wait)())
        thread.stop(lambda: asyncio.sleep(0))
        """,
    )
    assert said.split() == ["b''"]


def test_a_thread_of_ours_waits_for_no_master() -> None:
    # As a finalizer may try, which the garbage collector runs in any thread: Celery's results use their backend then.
    sentinel = switchmaster.redis.Sentinel([("127.0.0.1", 1)])
    client, came = sentinel.master_for("m"), list[object]()
    thread = threads.Thread(lambda: came.append(attempt(lambda: client.get("k"))), "test")
    thread.join()
    assert not threads.in_own_thread()
    [error] = came
    assert type(error) is redis.RedisError, error  # what no Retry repeats
    assert "the address of 'm' is not known yet" in str(error)
    assert "this is the Watcher's own thread" in str(error)
    client.close()
    sentinel.close()


def test_a_socket_that_is_collected_before_its_connection_closes_in_silence() -> None:
    # The parts of a dropped client, which is a cycle, are finalized in any order.
    near, far = socket.socketpair()
    near = noticing(near)
    with warnings.catch_warnings(record=True) as complaints, far:
        warnings.simplefilter("always")
        del near
        gc.collect()
        assert far.recv(1) == b""
    assert complaints == []


@pytest.mark.parametrize("framework", GREEN)
def test_a_socket_of_greenlets_remembers_that_its_descriptor_was_taken(framework: str) -> None:
    said = green(
        framework,
        """
        import socket
        from switchmaster.client.sockets import noticing
        near, far = socket.socketpair()
        near = noticing(near)
        far.send(b"12")
        print(near.recv(1), near.taken)
        near.settimeout(1)
        print(near.recv(1), near.taken)
        print(near.fileno() >= 0, near.taken)
        """,
    )
    assert said.split() == ["b'1'", "False", "b'2'", "False", "True", "True"]


@pytest.mark.parametrize("framework", GREEN)
def test_a_real_thread_logs_while_a_greenlet_holds_the_logs_lock(framework: str) -> None:
    said = green(
        framework,
        """
        import asyncio, logging, time
        from switchmaster.net.sync import LoopThread
        class Written(logging.Handler):
            def emit(self, record):
                written.append(record.getMessage())
        written, released, handler = [], [], Written()
        logging.getLogger().addHandler(handler)
        thread = LoopThread("test")
        thread.start()
        def hold():
            with handler.lock:
                time.sleep(0.3)
                released.append(len(written))
        spawn(hold)
        time.sleep(0.05)
        thread.soon(lambda: logging.getLogger("switchmaster").warning("from-the-loop"))
        for _ in range(1000):  # ten seconds at most
            if "from-the-loop" not in written:
                time.sleep(0.01)
        print(released, "from-the-loop" in written, thread.read(lambda: "goes-on"))
        thread.stop(lambda: asyncio.sleep(0))
        """,
    )
    assert said.split() == ["[0]", "True", "goes-on"]


def test_connection_that_fails_to_be_cut_keeps_no_other_from_it() -> None:
    class Member:
        target = Address("10.0.0.1", 6379)

        def __init__(self, error: Exception | None, stays: bool = False) -> None:
            self.error, self.stays, self.was_cut = error, stays, False

        def cut(self) -> bool:
            self.was_cut = True
            if self.error is not None:
                raise self.error
            return not self.stays

    route: Any = object.__new__(Route)
    route.master, route.tally = "mymaster", Tally()
    members = [Member(None), Member(TypeError("no such method")), Member(None, stays=True), Member(None)]
    route._cut(members)
    assert all(member.was_cut for member in members)
    counted = route.tally.read()
    assert (counted["connections_cut"], counted["cut_errors"]) == (2, 1)
