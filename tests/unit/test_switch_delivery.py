"""Switches reach `on_switch` outside the Watcher's thread, in order, whatever the callback does."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
import redis.event

import switchmaster.redis
from rig.conditions import eventually
from switchmaster import Address, Cause, Grade, Switch, Via
from switchmaster.client.delivery import WAITING_SWITCHES
from switchmaster.client.tally import Tally
from switchmaster.errors import UsageError


def switch(number: int) -> Switch:
    return Switch(
        deployment="default",
        master="mymaster",
        incarnation=0,
        epoch=number,
        old=Address("127.0.0.1", 1),
        new=Address("127.0.0.1", 2),
        grade=Grade.PROMOTED,
        cause=Cause.FAILOVER,
        via=Via.ROLE,
        witnesses=(),
        why="",
        at=0.0,
        time=0.0,
    )


def epochs(told: list[Switch]) -> list[int | None]:
    return [each.epoch for each in told]


def test_threads_are_called_in_order_in_a_thread_that_ends() -> None:
    told: list[Switch] = []
    threads: set[threading.Thread] = set()

    def on_switch(switch: Switch) -> None:
        threads.add(threading.current_thread())
        told.append(switch)

    tally = Tally(on_switch=on_switch)
    for number in range(5):
        tally.switched(switch(number))
    eventually(lambda: epochs(told) == [0, 1, 2, 3, 4], what="every switch")
    assert threading.current_thread() not in threads
    eventually(lambda: not any(thread.is_alive() for thread in threads), what="the end of the thread")


def test_slow_callback_holds_up_nobody_and_loses_the_oldest() -> None:
    told: list[Switch] = []
    go_on = threading.Event()

    def on_switch(switch: Switch) -> None:
        told.append(switch)
        go_on.wait(30)

    tally = Tally(on_switch=on_switch)
    tally.switched(switch(0))
    eventually(lambda: epochs(told) == [0], what="the first")
    for number in range(1, WAITING_SWITCHES + 4):
        tally.switched(switch(number))
    assert tally.read()["switches_dropped"] == 3
    go_on.set()
    eventually(lambda: len(told) == WAITING_SWITCHES + 1, what="the others")
    assert epochs(told)[:2] == [0, 4]


def test_raising_callback_is_counted_and_called_again(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Switch] = []

    def on_switch(switch: Switch) -> None:
        told.append(switch)
        raise ValueError("the user's own mistake")

    tally = Tally(on_switch=on_switch)
    with caplog.at_level(logging.ERROR, "switchmaster.client"):
        for number in range(2):
            tally.switched(switch(number))
        eventually(lambda: tally.read()["hook_errors"] == 2, what="both errors")
    assert epochs(told) == [0, 1]
    assert "on_switch failed" in caplog.text


def test_coroutine_function_is_refused_by_threads(caplog: pytest.LogCaptureFixture) -> None:
    async def on_switch(switch: Switch) -> None:
        raise AssertionError

    tally = Tally(on_switch=on_switch)
    tally.switched(switch(1))
    eventually(lambda: tally.read()["hook_errors"] == 1, what="the error")
    assert "can't be called in threads" in caplog.text


def test_loop_awaits_the_callback_in_order_and_survives_its_errors() -> None:
    told: list[Any] = []

    async def on_switch(switch: Switch) -> None:
        await asyncio.sleep(0)
        told.append((switch.epoch, asyncio.get_running_loop()))
        if switch.epoch == 1:
            raise ValueError("the user's own mistake")

    tally = Tally(on_switch=on_switch, in_loop=True)
    tally.switched(switch(0))  # no loop yet: delivered with the first

    async def work() -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        tally.use(loop)
        await asyncio.to_thread(lambda: [tally.switched(switch(number)) for number in (1, 2)])
        while len(told) < 3:
            await asyncio.sleep(0.001)
        return loop

    loop = asyncio.run(work())
    assert told == [(0, loop), (1, loop), (2, loop)]
    assert tally.read()["hook_errors"] == 1
    tally.switched(switch(3))  # the loop is closed: the next one delivers

    async def work_again() -> None:
        tally.use(asyncio.get_running_loop())
        while len(told) < 4:
            await asyncio.sleep(0.001)

    asyncio.run(work_again())
    assert told[3][0] == 3


def test_dispatcher_of_redis_py_is_a_callback() -> None:
    told: list[Switch] = []

    class Listener(redis.event.EventListenerInterface):
        def listen(self, event: object) -> None:
            assert isinstance(event, Switch)
            told.append(event)

    class AsyncListener(redis.event.AsyncEventListenerInterface):
        async def listen(self, event: object) -> None:
            assert isinstance(event, Switch)
            told.append(event)

    dispatcher = redis.event.EventDispatcher()
    dispatcher.register_listeners({Switch: [Listener()]})
    tally = Tally(on_switch=dispatcher.dispatch)
    tally.switched(switch(7))
    eventually(lambda: epochs(told) == [7], what="the listener")
    looping = redis.event.EventDispatcher()
    looping.register_listeners({Switch: [AsyncListener()]})

    async def work() -> None:
        other = Tally(on_switch=looping.dispatch_async, in_loop=True)
        other.use(asyncio.get_running_loop())
        other.switched(switch(8))
        while len(told) < 2:
            await asyncio.sleep(0.001)

    asyncio.run(work())
    assert epochs(told) == [7, 8]


def test_callback_that_can_not_be_called_is_refused() -> None:
    with pytest.raises(UsageError, match="on_switch is a function"):
        switchmaster.redis.Sentinel([("127.0.0.1", 1)], on_switch="print")
