"""
The witnesses of one master's life: its Sentinels and its nodes, with a connection to each, asked all at once.

A connection is kept to each, so that a sample costs one round trip. Whoever has no open connection, or does not answer
in time, has no word in the sample.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Mapping
from typing import TypeVar

from ..guard.evidence import Dialled, ProcessState, Sample, SentinelWord
from ..guard.node_info import NodeInfo, read_node_info
from ..model import Address, SentinelName
from ..wire.events import Unrecognised
from ..wire.info import parse_info
from ..wire.refusal import classify
from ..wire.replies import MasterReply, parse_master, parse_replicas
from ..wire.resp import plain
from .command_connection import CommandConnection
from .dial import DialTarget

__all__ = ["ask_node", "ask_save", "ask_sentinel", "client_names", "collect", "dial_master"]

_Answer = TypeVar("_Answer")


async def collect(
    master: Address,
    name: str,
    target: DialTarget | None,
    sentinels: Mapping[SentinelName, CommandConnection | None],
    nodes: Mapping[Address, CommandConnection | None],
    process: ProcessState,
    timeout: float,
) -> Sample:
    """
    Ask all witnesses at once.

    Args:
        master: its address, as it is announced.
        name: its name.
        target: what to dial for it; None if it can't be dialled at its own address.
        sentinels: the open connections to those that vote.
        nodes: the open connections to its replicas.
        process: of the master, if it runs here.
        timeout: seconds for everything.
    """
    loop = asyncio.get_running_loop()
    dialled, words, reports = await asyncio.gather(
        dial_master(target, timeout),
        _all(ask_sentinel(one, name, connection, timeout) for one, connection in sentinels.items() if connection),
        _all(ask_node(node, connection, timeout) for node, connection in nodes.items() if connection),
    )
    return Sample(master, loop.time(), dialled, tuple(words), tuple(reports), process)


async def _all(questions: Iterable[Awaitable[_Answer | None]]) -> list[_Answer]:
    answers = await asyncio.gather(*questions)
    return [answer for answer in answers if answer is not None]


async def dial_master(target: DialTarget | None, timeout: float) -> Dialled:
    """
    Connect to the master, and say what came of it.

    Args:
        target: what to dial; None if its own address can't be.
        timeout: seconds.
    """
    if target is None:
        return Dialled.INDIRECT
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(target.address.host, target.address.port)
    except ConnectionRefusedError:
        return Dialled.REFUSED
    except TimeoutError:
        return Dialled.SILENT
    except (OSError, UnicodeError):
        return Dialled.FAILED
    writer.transport.abort()
    return Dialled.ACCEPTED


async def ask_sentinel(
    sentinel: SentinelName, name: str, connection: CommandConnection, timeout: float
) -> SentinelWord | None:
    """Return a Sentinel's word on a master and its replicas; None if it gives none in time."""
    with contextlib.suppress(OSError, TimeoutError):
        told, listed = await connection.ask(
            ("SENTINEL", "MASTER", name), ("SENTINEL", "REPLICAS", name), timeout=timeout
        )
        if classify(told) is not None or classify(listed) is not None:
            return None
        master, replicas = parse_master(told), parse_replicas(listed)
        if isinstance(master, MasterReply) and not isinstance(replicas, Unrecognised):
            leads = "failover_in_progress" in master.flags
            return SentinelWord(sentinel, Address.parse(sentinel).host, master, replicas, leads)
    return None


async def ask_node(
    node: Address, connection: CommandConnection, timeout: float, save: str | None = None
) -> NodeInfo | None:
    """Return a node's INFO; None if it gives none in time, or may not."""
    with contextlib.suppress(OSError, TimeoutError):
        (told,) = await connection.ask(("INFO",), timeout=timeout)
        info = parse_info(told) if classify(told) is None else None
        if info is not None and not isinstance(info, Unrecognised):
            return read_node_info(node, info, save)
    return None


async def ask_save(connection: CommandConnection, timeout: float) -> str | None:
    """Return a node's setting ``save``; None if it may not be asked."""
    (told,) = await connection.ask(("CONFIG", "GET", "save"), timeout=timeout)
    if isinstance(told, list) and len(told) == 2 and isinstance(told[1], bytes):
        return told[1].decode("utf-8", "replace")
    return None


def client_names(clients: bytes, beginning: str) -> set[str]:
    """
    Return the names of clients that begin with certain characters, of bounded length.

    Args:
        clients: a reply to CLIENT LIST.
        beginning: of the names.
    """
    words = clients.decode("utf-8", "replace").split()
    names = (word.removeprefix("name=") for word in words if word.startswith(f"name={beginning}"))
    return {plain(name, len(beginning) + 64) for name in names}
