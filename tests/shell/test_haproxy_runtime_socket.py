"""The runtime API over sockets: a scripted HAProxy at a UNIX socket or TCP port, one that hangs, one that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from switchmaster.model import Address
from switchmaster.net.haproxy_runtime import HaproxyRuntime, set_health_up

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    line = await reader.read()  # to the end: the client must close its side
    writer.write(b"got " + line)
    writer.close()
    await writer.wait_closed()


async def with_server(serve: Serve, path: Path | None, body: Callable[[Path | Address], Awaitable[None]]) -> None:
    if path is not None:
        server = await asyncio.start_unix_server(serve, str(path))
        at: Path | Address = path
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        at = Address(*server.sockets[0].getsockname()[:2])
    async with server:
        await body(at)


@pytest.mark.parametrize("unix", [True, False])
def test_commands_go_in_one_exchange_and_the_answer_comes_back(unix: bool, tmp_path: Path) -> None:
    async def body(at: Path | Address) -> None:
        two = (set_health_up("b", "s"), set_health_up("b", "t"))
        assert await HaproxyRuntime(at).ask(*two) == "got set server b/s health up;set server b/t health up\n"
        assert await HaproxyRuntime(at, of_master=True).ask(two[0]) == "got @1 set server b/s health up\n"

    asyncio.run(with_server(echo, tmp_path / "s" if unix else None, body))


def test_one_that_hangs_costs_the_timeout_and_no_socket() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await gone.wait()
        writer.close()

    async def body(at: Path | Address) -> None:
        with pytest.raises(TimeoutError):
            await HaproxyRuntime(at, timeout=0.05).ask("show info")
        gone.set()

    gone = asyncio.Event()
    asyncio.run(with_server(hang, None, body))


def test_one_that_is_gone_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(HaproxyRuntime(tmp_path / "none").ask("show info"))
