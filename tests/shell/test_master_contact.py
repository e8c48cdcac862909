"""Only a refusal counts: a connection that ends, silence and a node that is full say nothing about its process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from itertools import pairwise

from switchmaster.errors import UsageError
from switchmaster.lab.ports import free_ports
from switchmaster.model import Address
from switchmaster.net.dial import DialTarget
from switchmaster.proxy.master_contact import MasterContact

LIMIT = 60.0
WAIT = 60.0


class FakeNode:
    """A port that answers every command with OK; what it does to connections can be changed."""

    def __init__(self) -> None:
        self.address = Address("127.0.0.1", free_ports(1)[0])
        self.says: bytes | None = None
        """Said to each connection, which is then ended; None to answer."""
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self.address)

    async def stop(self) -> None:
        """Do what the end of the process does: close the port, and end all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await until(lambda: not self._writers)

    def cut(self) -> None:
        """End all connections, as CLIENT KILL does."""
        for writer in self._writers:
            writer.transport.abort()

    @property
    def open(self) -> int:
        return len(self._writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError):
                if self.says is not None:
                    writer.write(self.says)
                    return
                while data := await reader.read(4096):
                    writer.write(b"+OK\r\n" * data.count(b"*"))
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Scene:
    """A contact with nodes, and what it told."""

    def __init__(self) -> None:
        self.told: list[tuple[Address, bool]] = []
        self.contact = MasterContact(DialTarget, lambda node, refused: self.told.append((node, refused)), WAIT)

    def changes(self, node: FakeNode) -> list[bool]:
        """Return what was told of a node, without what repeats the last."""
        told = [refused for address, refused in self.told if address == node.address]
        return told[:1] + [new for old, new in pairwise(told) if old != new]


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()
            await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})  # nothing is left

    asyncio.run(limited())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_process_that_ends_is_told_and_one_that_returns() -> None:
    async def test() -> None:
        scene, node = Scene(), FakeNode()
        await node.start()
        scene.contact.follow(node.address)
        told = [False]
        await until(lambda: scene.changes(node) == told)
        for _ in range(2):
            await node.stop()
            told.append(True)
            await until(lambda: scene.changes(node) == told)
            await node.start()
            told.append(False)
            await until(lambda: scene.changes(node) == told and node.open)
        await scene.contact.close()
        await node.stop()

    run(test)


def test_a_connection_that_is_cut_and_a_node_that_is_full_are_no_refusal() -> None:
    async def test() -> None:
        scene, node = Scene(), FakeNode()
        await node.start()
        scene.contact.follow(node.address)
        await until(lambda: scene.told)
        node.cut()
        await until(lambda: node.accepted >= 2)
        node.says = b"-ERR max number of clients reached\r\n"
        node.cut()
        await until(lambda: node.accepted >= 5)
        assert scene.changes(node) == [False]
        # It accepts again, though it lets nobody in.
        await node.stop()
        await until(lambda: scene.changes(node) == [False, True])
        await node.start()
        await until(lambda: scene.changes(node) == [False, True, False])
        await scene.contact.close()
        await node.stop()

    run(test)


def test_silence_after_a_refusal_is_no_return() -> None:
    async def test() -> None:
        scene, node = Scene(), FakeNode()
        dialled, nowhere = 0, False

        def dial(address: Address) -> DialTarget:
            nonlocal dialled
            dialled += 1
            if nowhere:
                raise UsageError("its name is not resolved")
            return DialTarget(address)

        contact = MasterContact(dial, lambda node, refused: scene.told.append((node, refused)), WAIT)
        contact.follow(node.address)
        await until(lambda: scene.changes(node) == [True])
        nowhere, so_far = True, dialled
        await until(lambda: dialled >= so_far + 3)
        assert scene.changes(node) == [True]
        await contact.close()
        await scene.contact.close()

    run(test)


def test_nothing_is_told_of_a_node_that_is_left() -> None:
    async def test() -> None:
        scene, one, other = Scene(), FakeNode(), FakeNode()
        scene.contact.follow(one.address)
        await until(lambda: scene.changes(one) == [True])
        await other.start()
        scene.contact.follow(other.address)
        await one.start()
        await until(lambda: scene.changes(other) == [False])
        scene.contact.follow(None)
        await until(lambda: not other.open)
        assert scene.changes(one) == [True]
        await scene.contact.close()
        await one.stop()
        await other.stop()

    run(test)
