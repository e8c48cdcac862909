"""The pulse of a node over real sockets: usual answers, a pause, a lost connection, a process that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from switchmaster.link.greeting import NOBODY
from switchmaster.model import Address
from switchmaster.net import pulse as pulse_module
from switchmaster.net.dial import DialTarget
from switchmaster.net.pulse import LoopLateness, Pulse

LIMIT = 30.0


class Node:
    """Answers every command with OK, unless it is told to be silent."""

    def __init__(self) -> None:
        self.speaks = asyncio.Event()
        self.speaks.set()
        self.reply = b"+PONG\r\n"
        self.pings = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                if line.strip() in (b"PING", b"CLIENT"):
                    await self.speaks.wait()
                    self.pings += line.strip() == b"PING"
                    writer.write(self.reply)
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def measured(node: Node) -> AsyncIterator[Pulse]:
    lateness = LoopLateness()
    target = DialTarget(Address("127.0.0.1", node.port), None, None, NOBODY)
    made = Pulse(lambda: target, lateness)
    try:
        yield made
    finally:
        await made.close()
        lateness.close()


async def until(condition: object, made: Pulse) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition(made):  # type: ignore[operator]
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse_module, "PERIOD", 0.05)
    monkeypatch.setattr(pulse_module, "LATE", 10.0)  # a busy machine must not decide the outcome


def test_answers_are_counted_and_taken_once() -> None:
    async def run() -> None:
        node = Node()
        await node.start()
        async with measured(node) as made:
            await until(lambda one: one.pauses.answers >= 5, made)
            taken = made.take()
            assert taken.answers >= 5
            assert taken.measured >= 5 * 0.05
            assert made.pauses.answers == 0
        await node.stop()

    asyncio.run(run())


def test_silence_is_one_pause_even_if_the_connection_is_lost_in_it() -> None:
    async def run() -> None:
        node = Node()
        await node.start()
        async with measured(node) as made:
            await until(lambda one: one.pauses.answers >= 1, made)
            node.speaks.clear()
            await until(lambda one: one.silent_for > 0.2, made)
            node.cut()
            await until(lambda one: one.silent_for > 0.4, made)
            node.speaks.set()
            await until(lambda one: one.pauses.longest and one.pauses.longest[0].seconds >= 0.4, made)
            assert made.pauses.restarts == 0
        await node.stop()

    asyncio.run(run())


def test_process_that_is_gone_is_a_restart_and_no_pause() -> None:
    async def run() -> None:
        node = Node()
        await node.start()
        async with measured(node) as made:
            await until(lambda one: one.pauses.answers >= 1, made)
            await node.stop()
            await until(lambda one: one.gone, made)
            await node.start()
            await until(lambda one: one.pauses.restarts == 1 and not one.gone, made)
        await node.stop()

    asyncio.run(run())


def test_answer_proves_nothing_while_this_process_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse_module, "LATE", -1.0)  # every tick counts as late

    async def run() -> None:
        node = Node()
        await node.start()
        async with measured(node) as made:
            await until(lambda one: one.pauses.answers >= 1, made)
            node.speaks.clear()
            await until(lambda one: one.silent_for > 0.5, made)
            node.speaks.set()
            await until(lambda one: one.pauses.left_out >= 1, made)
        await node.stop()

    asyncio.run(run())
