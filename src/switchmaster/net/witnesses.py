"""
The witnesses of one master's life: its Sentinels and its nodes, with a connection to each, asked all at once.

A connection is kept to each, so that a question costs one round trip. Whoever has no open connection, or does not
answer in time, has no word in the sample.

For a proof the witnesses are asked again while the master refuses connections: a Sentinel that reads our question
before the end of its own connection to the master has not noticed yet, and has some milliseconds later. What each said
last counts. The master is dialled again each time too, so that no proof rests on a refusal that is older than the last
pause. Collecting ends as soon as the sample is a proof: a slow witness holds nothing up once a majority of each kind
has spoken.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

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

POLL: Final = 0.01
"""Seconds between the first two questions to one witness in a sample."""
LONGER: Final = 1.5
"""The factor by which each further pause is longer: five questions fit into 0.15 s."""
STRAGGLERS: Final = 0.01
"""Seconds for which a proof waits for those that have not spoken yet: what they say may be an objection."""
ANSWER: Final = 2.0
"""Seconds after which a connection that owes an answer is ended; a sample does not wait for it."""


async def collect(
    master: Address,
    name: str,
    target: DialTarget | None,
    sentinels: Mapping[SentinelName, CommandConnection | None],
    nodes: Mapping[Address, CommandConnection | None],
    process: Callable[[], ProcessState],
    timeout: float,
    suffices: Callable[[Sample], bool] | None = None,
) -> Sample:
    """
    Ask all witnesses at once.

    Args:
        master: its address, as it is announced.
        name: its name.
        target: what to dial for it; None if it can't be dialled at its own address.
        sentinels: the open connections to those that vote.
        nodes: the open connections to its replicas.
        process: returns the state of the master's process, if it runs here.
        timeout: seconds for everything.
        suffices: whether a sample needs no further witness; None to ask each witness once and to wait for all.
    """
    return await _Collection(master, target, process, suffices).run(
        [partial(ask_sentinel, one, name, connection, ANSWER) for one, connection in sentinels.items() if connection],
        [partial(ask_node, node, connection, ANSWER) for node, connection in nodes.items() if connection],
        timeout,
    )


class _Collection:
    """One sample while it is collected: what each witness said last."""

    def __init__(
        self,
        master: Address,
        target: DialTarget | None,
        process: Callable[[], ProcessState],
        suffices: Callable[[Sample], bool] | None,
    ) -> None:
        self._master, self._target, self._process, self._suffices = master, target, process, suffices
        self._dialled: Dialled | None = None
        """None before the first result."""
        self._words: dict[SentinelName, SentinelWord] = {}
        self._reports: dict[Address, NodeInfo] = {}
        self._silent = 0
        """How many witnesses have neither answered nor failed."""
        self._asking = 0
        """How many may still be asked again, or have not answered."""
        self._news = asyncio.Event()

    async def run(
        self,
        sentinels: Sequence[Callable[[], Awaitable[SentinelWord | None]]],
        nodes: Sequence[Callable[[], Awaitable[NodeInfo | None]]],
        timeout: float,
    ) -> Sample:
        """Ask until it suffices, nothing more can come, or the time is over."""
        loop = asyncio.get_running_loop()
        end, proved = loop.time() + timeout, False
        self._silent = self._asking = len(sentinels) + len(nodes)
        tasks = [loop.create_task(self._dial(timeout))]
        tasks += [loop.create_task(self._ask(each, self._hear)) for each in sentinels]
        tasks += [loop.create_task(self._ask(each, self._read)) for each in nodes]
        try:
            while not self._complete:
                if self._suffices is not None and self._dialled is not None and self._suffices(self._sample()):
                    if not self._silent:
                        break
                    end, proved = end if proved else min(end, loop.time() + STRAGGLERS), True
                self._news.clear()
                async with asyncio.timeout_at(end):
                    await self._news.wait()
        except TimeoutError:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._sample()

    @property
    def _again(self) -> bool:
        """Whether it makes sense to ask again: for a proof, while the master may be dead."""
        return self._suffices is not None and self._dialled in (None, Dialled.REFUSED)

    @property
    def _complete(self) -> bool:
        """Whether nothing more can come."""
        if self._dialled is None:
            return False
        if not self._again:
            return not self._silent
        # The kernel closes a process's sockets before it is gone.
        return not self._asking and self._process() is not ProcessState.RUNNING

    async def _dial(self, timeout: float) -> None:
        pause = POLL
        while self._again or self._dialled is None:
            self._dialled = await dial_master(self._target, timeout)
            self._news.set()
            await asyncio.sleep(pause)
            pause *= LONGER

    async def _ask(self, ask: Callable[[], Awaitable[_Answer | None]], take: Callable[[_Answer], bool]) -> None:
        """Ask a witness until it has lost the master, or gives no answer."""
        pause, spoken, lost = POLL, False, False
        while not lost and (self._again or not spoken):
            answer = await ask()
            lost = answer is None or take(answer)
            self._silent -= not spoken
            spoken = True
            self._news.set()
            if not lost:
                await asyncio.sleep(pause)
                pause *= LONGER
        self._asking -= 1
        self._news.set()

    def _hear(self, word: SentinelWord) -> bool:
        self._words[word.sentinel] = word
        return word.disconnected and word.master.address == self._master

    def _read(self, report: NodeInfo) -> bool:
        self._reports[report.node] = report
        return report.link_up is False and report.following == self._master

    def _sample(self) -> Sample:
        return Sample(
            self._master,
            asyncio.get_running_loop().time(),
            Dialled.SILENT if self._dialled is None else self._dialled,
            tuple(self._words.values()),
            tuple(self._reports.values()),
            self._process(),
        )


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
