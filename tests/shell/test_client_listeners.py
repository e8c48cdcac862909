"""Subscribers whose connection ends: they come back by themselves, in threads and in a loop, with either library."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from peers.echo_node import EchoingNode
from switchmaster.follow.gate import GateState, Phase, Replicas
from switchmaster.follow.session import READY

LIBRARIES = ("redis", "valkey")
TOLD = [("subscribe", 1), ("message", b"hello")]
"""What the node sends to each connection that subscribes."""


@pytest.fixture
def node() -> Iterator[EchoingNode]:
    with EchoingNode() as node:
        yield node


def make(module: str, node: EchoingNode) -> Any:
    """Make a client whose master is believed, without any Sentinel."""
    client = importlib.import_module(module).Sentinel([("127.0.0.1", 1)], socket_timeout=5.0).master_for("mymaster")
    route, address = client.connection_pool.route, node.address
    route.look_again = route.lease.open = lambda: None
    route.follower.believe(Phase(GateState.OPEN, address, 0.0), Replicas((), frozenset((address,)), address))
    return client


def end_all(node: EchoingNode) -> None:
    for one in list(node.open):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def told(message: Any) -> tuple[str, object]:
    return message["type"], message["data"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_subscriber_in_a_thread_comes_back(library: str, node: EchoingNode) -> None:
    client = make(f"switchmaster.{library}", node)
    with client.pubsub() as subscriber:

        def read(count: int) -> list[tuple[str, object]]:
            return [told(subscriber.get_message(timeout=5.0)) for _ in range(count)]

        subscriber.subscribe("channel")
        assert read(2) == TOLD
        end_all(node)
        assert read(2) == TOLD
        end_all(node)
        subscriber.ping()
        assert subscriber.connection._session.listens
        assert read(2) == TOLD
        assert subscriber.get_message(timeout=0.0) is None
    client.connection_pool.disconnect()


@pytest.mark.parametrize("library", LIBRARIES)
def test_subscriber_in_a_loop_comes_back_and_reads_on_after_a_cancelled_read(library: str, node: EchoingNode) -> None:
    async def main() -> None:
        client = make(f"switchmaster.{library}.asyncio", node)
        subscriber = client.pubsub()

        async def read(count: int) -> list[tuple[str, object]]:
            return [told(await subscriber.get_message(timeout=5.0)) for _ in range(count)]

        await subscriber.subscribe("channel")
        assert await read(2) == TOLD
        end_all(node)
        assert await read(2) == TOLD
        reading = asyncio.create_task(subscriber.get_message(timeout=5.0))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        assert subscriber.connection._session.stage is READY
        await subscriber.ping()
        assert await read(1) == [("pong", b"")]
        end_all(node)
        assert await read(2) == TOLD
        await subscriber.aclose()
        await client.connection_pool.disconnect()

    asyncio.run(main())
