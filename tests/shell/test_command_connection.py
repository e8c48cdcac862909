"""What a server that takes no connection says by itself is heard, whatever was asked first."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from switchmaster.doctor.inspection import SentinelInspection
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector
from switchmaster.wire.refusal import Refusal

DENIED = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set\r\n"
FULL = b"-ERR max number of clients reached\r\n"


def inspect(said: bytes, password: str | None) -> SentinelInspection:
    async def deny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def go() -> SentinelInspection:
        async with await asyncio.start_server(deny, "127.0.0.1", 0) as server:
            [found] = (
                await Inspector([Address(*server.sockets[0].getsockname())], password=password).inspect()
            ).sentinels
            return found

    return asyncio.run(go())


@pytest.mark.parametrize("password", [None, "secret"])
def test_server_in_protected_mode_is_told_from_one_that_is_away(password: str | None) -> None:
    found = inspect(DENIED, password)
    assert (found.refusal, found.answered) == (Refusal.PROTECTED, False)
    assert "protected mode" in found.reason


@pytest.mark.parametrize("password", [None, "secret"])
def test_server_that_is_full_does_not_answer_and_says_why(password: str | None) -> None:
    found = inspect(FULL, password)
    assert (found.refusal, found.answered) == (None, False)
    assert "no room for another client" in found.reason
