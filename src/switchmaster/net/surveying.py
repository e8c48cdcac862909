"""
Taking a `Survey`: all Sentinels and nodes of one master are asked at once, each over a connection of its own.

It asks again and again while a failover goes on, and only what decides it, of servers that a Watcher knows.
`switchmaster.net.inspector` asks a whole deployment once, everything, and finds the servers itself. Both send commands
over a `CommandConnection`, and word what fails by `describe_error`.

A connection is kept between two surveys and opened again when it has ended, as those to nodes do in a failover. The
name of the connections to Sentinels tells other operators of this run, where the user may see it (CLIENT LIST).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Final, TypeVar

from ..belief.topology import MasterState
from ..doctor.questions import NO_SUCH_MASTER
from ..errors import UsageError
from ..guard.case import Case
from ..guard.evidence import Dialled, Sample, SentinelWord
from ..guard.node_info import read_node_info
from ..guard.policy import Policy
from ..model import Address, SentinelName
from ..planned.survey import NodeWord, Survey
from ..wire.events import Unrecognised
from ..wire.facts import LinkState
from ..wire.info import InfoReply, parse_info
from ..wire.refusal import Refusal, classify, explain
from ..wire.replies import QuorumReply, RoleReply, parse_ckquorum, parse_role
from ..wire.resp import Reply
from .command_connection import CommandConnection
from .dial import DialTarget, describe_error
from .watcher import Watcher
from .witnesses import ask_sentinel, client_names

__all__ = ["Surveyor", "operator_name"]

_Answer = TypeVar("_Answer")
_PRIORITY: Final = re.compile(r"[0-9]{1,9}")

OPERATOR: Final = "switchmaster-failover-"
"""What the names of the connections begin with whose run is about to order a failover."""
LOOKING: Final = "switchmaster-plan"
"""The name of those that only look."""
NO_SUCH_SETTING: Final = "switchmaster-may-set"
"""CONFIG SET of a setting that does not exist tells the right to it, and does nothing."""


def operator_name(master: str) -> str:
    """Return a new name for the connections of a run that orders a failover: the run that began first has the least."""
    digest = hashlib.sha256(master.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{OPERATOR}{digest}-{int(time.time() * 1000):013d}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class _SentinelAnswer:
    name: SentinelName
    word: SentinelWord | None
    quorum: QuorumReply | None
    may_order: bool
    operators: frozenset[str]


class Surveyor:
    """
    Surveys one master of a Watcher.

    Args:
        watcher: knows the master; it is running.
        master: its name.
        timeout: seconds in which a server must answer.
        name: of our connections, by `operator_name`, for a run that orders a failover; None for one that only looks.
        asks_rights: whether to find out if the user may CONFIG SET on the nodes.
    """

    def __init__(
        self, watcher: Watcher, master: str, timeout: float, name: str | None = None, asks_rights: bool = False
    ) -> None:
        self._watcher, self._master, self._timeout = watcher, master, timeout
        self._name, self._asks_rights = name or LOOKING, asks_rights
        self._open: dict[Address | SentinelName, CommandConnection] = {}
        self._seen: set[Address] = set()
        """All nodes that were asked once: they are asked again, also when the Sentinels have forgotten them."""

    async def close(self) -> None:
        """End all connections."""
        for connection in self._open.values():
            connection.abort()
        self._open.clear()

    async def take(self) -> Survey:
        """
        Ask everybody, and return what they answered.

        Raises:
            UnknownMaster: no Sentinel monitors the master any longer.
            WatcherClosed: the Watcher does not run.
        """
        state = self._watcher.state(self._master)
        voters = [name for name, each in self._watcher.sentinels.items() if self._watcher.votes(name)]
        live = [name for name in voters if self._watcher.sentinels[name].state is LinkState.LIVE]
        self._seen |= {each.address for each in state.replicas} | ({state.address} if state.address else set())
        answers, words = await asyncio.gather(
            _all(self._ask_sentinel(name) for name in live), _all(self._ask_node(node) for node in sorted(self._seen))
        )
        return self._survey(state, voters, answers, words)

    def _survey(
        self, state: MasterState, voters: list[SentinelName], answers: list[_SentinelAnswer], words: list[NodeWord]
    ) -> Survey:
        now = asyncio.get_running_loop().time()
        said = tuple(each.word for each in answers if each.word is not None)
        sample = Sample(state.address or Address("", 0), now, Dialled.INDIRECT, said, ())
        operators = frozenset[str]().union(*(each.operators for each in answers))
        begin = self._name[: len(OPERATOR) + 9]  # with the master's digest
        ages = [word.master.role_reported_ms for word in said if word.master.role_reported_ms is not None]
        return Survey(
            case=Case(
                policy=Policy(),
                state=state,
                sentinels={name: self._watcher.sentinels[name] for name in voters},
                reports={},
                now=now,
                sample=sample,
            ),
            nodes={each.node: each for each in words},
            quorums={each.name: each.quorum for each in answers if each.quorum is not None},
            may_order={each.name: each.may_order for each in answers},
            rivals=tuple(sorted(each for each in operators if each.startswith(begin) and each < self._name)),
            since_switch=median_low(ages) / 1000 if ages else None,
        )

    async def ask_sentinel(self, name: SentinelName, *command: str) -> Reply:
        """
        Send one command to a Sentinel, and return its reply; an error reply is returned as a value.

        Raises:
            OSError: it could not be reached, or ended the connection.
            TimeoutError: it did not answer in time.
            PermissionError: it refuses the credentials.
        """
        connection = await self._connection(name, lambda: self._watcher.sentinel_target(name))
        (reply,) = await connection.ask(command, timeout=self._timeout)
        return reply

    async def ask_node(self, node: Address, *commands: tuple[str, ...]) -> list[Reply]:
        """Send commands to a node, and return their replies; errors as of `ask_sentinel`."""
        connection = await self._connection(node, lambda: self._watcher.node_target(node, self._master))
        return await connection.ask(*commands, timeout=self._timeout)

    async def _connection(self, key: Address | SentinelName, target: Callable[[], DialTarget]) -> CommandConnection:
        found = self._open.get(key)
        if found is None or found.ended.done():
            found = self._open[key] = await CommandConnection.open(target(), self._name, self._timeout)
        return found

    async def _ask_sentinel(self, name: SentinelName) -> _SentinelAnswer:
        with contextlib.suppress(OSError, TimeoutError, UsageError):
            connection = await self._connection(name, lambda: self._watcher.sentinel_target(name))
            word = await ask_sentinel(name, self._master, connection, self._timeout)
            quorum, right, clients = await connection.ask(
                ("SENTINEL", "CKQUORUM", self._master),
                ("SENTINEL", "FAILOVER", NO_SUCH_MASTER),
                ("CLIENT", "LIST", "TYPE", "normal"),
                timeout=self._timeout,
            )
            reached = parse_ckquorum(quorum)
            return _SentinelAnswer(
                name,
                word,
                None if isinstance(reached, Unrecognised) else reached,
                classify(right) is not Refusal.PERMISSION,
                frozenset(client_names(clients, OPERATOR)) if isinstance(clients, bytes) else frozenset(),
            )
        return _SentinelAnswer(name, None, None, False, frozenset())

    async def _ask_node(self, node: Address) -> NodeWord:
        commands: list[tuple[str, ...]] = [("ROLE",), ("INFO",)]
        if self._asks_rights:
            commands.append(("CONFIG", "SET", NO_SUCH_SETTING, "1"))
        try:
            role, told, *rest = await self.ask_node(node, *commands)
        except (OSError, TimeoutError, UsageError) as error:
            return NodeWord(node, None, reason=describe_error(error, node, self._timeout))
        parsed = parse_role(role)
        info = parse_info(told) if classify(told) is None else None
        word = NodeWord(
            node,
            parsed if isinstance(parsed, RoleReply) else None,
            may_set=classify(rest[0]) is not Refusal.PERMISSION if rest else None,
            reason="" if isinstance(parsed, RoleReply) else _why(role),
        )
        if not isinstance(info, InfoReply):
            return word
        priority = info.sections.get("replication", {}).get("slave_priority", "")
        return replace(
            word,
            info=read_node_info(node, info, None),
            version=f"{info.server} {info.version}" if info.server and info.version else "",
            priority=int(priority) if _PRIORITY.fullmatch(priority) else None,
        )


def _why(reply: Reply) -> str:
    return explain(reply) if classify(reply) is not None else "it answers ROLE as no data node does"


async def _all(questions: Iterable[Awaitable[_Answer]]) -> list[_Answer]:
    return list(await asyncio.gather(*questions))
