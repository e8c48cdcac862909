"""The shell around a NodeLink, over real sockets."""

from __future__ import annotations

import asyncio

from peers.faulty_peer import FaultyPeer, closed_port, run, until
from peers.scripted import resp
from switchmaster.link.node_link import NodeLink
from switchmaster.model import Address
from switchmaster.net.dial import DialTarget
from switchmaster.net.node_connection import NodeConnection
from switchmaster.wire.facts import Probe

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def test_node_is_asked_again_the_moment_it_hangs_up() -> None:
    """As in a promotion: the replica's clients are killed in the same MULTI that makes it a master."""
    roles = [resp(["slave", "10.0.0.2", 6379, "connected", 1]), resp(["master", 1, []])]

    async def node(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        at = min(peer.accepted - 1, 1)
        while await reader.read(65536):
            writer.write(roles[at])
            if at == 0:
                await writer.drain()
                return

    async def test() -> None:
        async with FaultyPeer(node) as peer:
            probes: list[Probe] = []
            link = NodeLink(Address("10.9.9.9", 6379), rng=lambda: 0.5)
            shell = NodeConnection(link, lambda: DialTarget(peer.address), lambda found, now: probes.extend(found))
            shell.start()
            await until(lambda: [probe.role for probe in probes] == ["slave", None, "master"])
            assert [probe.ended for probe in probes] == [False, True, False]
            assert probes[0].node == Address("10.9.9.9", 6379)
            await shell.close()
            assert not shell._pipes

    run(test)


def test_node_that_is_not_there_is_reported_once_and_dialled_again() -> None:
    async def test() -> None:
        probes: list[Probe] = []
        dialled = 0

        def dial() -> DialTarget:
            nonlocal dialled
            dialled += 1
            return DialTarget(Address("127.0.0.1", closed_port()))

        link = NodeLink(Address("10.9.9.9", 6379), rng=lambda: 0.0)
        shell = NodeConnection(link, dial, lambda found, now: probes.extend(found))
        shell.start()
        await until(lambda: dialled >= 3)
        await shell.close()
        assert [probe.reason for probe in probes] == ["connection refused"]

    run(test)
