"""
The shell that collects an `Inspection`: all Sentinels at once, then those that they list and all nodes at once.

What is asked and what the replies say is decided in `switchmaster.doctor.questions`; here are connections, limits and
clocks. A server that is mute costs one timeout, and holds up no other of its round; one that answers slowly is left
after `LIMIT_TIMEOUTS` timeouts, and what it answered until then counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from ..doctor.inspection import Inspection, NodeInspection, SentinelInspection
from ..doctor.questions import (
    NODE_QUESTIONS,
    PING,
    SENTINEL_QUESTIONS,
    CommandWords,
    Contact,
    listed_nodes,
    listed_sentinels,
    master_names,
    master_questions,
    read_node,
    read_sentinel,
    rights_questions,
)
from ..link.greeting import Credentials
from ..model import Address, SentinelName
from ..wire.refusal import Refusal, classify, explain
from ..wire.resp import Reply, plain
from .address_map import AddressMap
from .arguments import AddressLike, check_several, read_address
from .command_connection import WAITING, CommandConnection, ServerDenies
from .credentials import CredentialProvider
from .dial import DialTarget, describe_error
from .diallers import AnyTls, Dialler, NodeAccess, NodeDiallers

__all__ = ["Inspector"]

INSPECTOR_CLIENT: Final = "switchmaster-inspect"
"""What CLIENT LIST shows of its connections."""
AT_ONCE: Final = 64
"""Servers that are asked at the same time."""
LIMIT_TIMEOUTS: Final = 5
"""Timeouts after which a server that still answers is left: no drip of answers holds an inspection for long."""
_DENIED: Final = (Refusal.PASSWORD, Refusal.PROTECTED, Refusal.FULL)
_Answer = TypeVar("_Answer")


class Inspector:
    """
    Inspects one deployment, as often as it is asked to.

    Args:
        sentinels: those to begin with, as of a Watcher.
        deployment: its name.
        masters: the masters of interest; None for all that the Sentinels monitor.
        username: the ACL user for the Sentinels.
        password: its password; None for none.
        credentials: a provider of both, instead.
        tls: TLS with the Sentinels.
        node_username: the same for the data nodes.
        node_password: the same for the data nodes.
        node_credentials: the same for the data nodes.
        node_tls: the same for the data nodes.
        node_access: another access to the nodes of some masters, by name.
        address_map: what Sentinel announces -> what can be dialled.
        timeout: seconds that a server has to accept a connection, and to answer.

    Raises:
        UsageError: an address, a TLS file or a credential is wrong.
    """

    def __init__(
        self,
        sentinels: Sequence[AddressLike],
        *,
        deployment: str = "default",
        masters: Sequence[str] | None = None,
        username: str | None = None,
        password: str | None = None,
        credentials: CredentialProvider | None = None,
        tls: AnyTls = None,
        node_username: str | None = None,
        node_password: str | None = None,
        node_credentials: CredentialProvider | None = None,
        node_tls: AnyTls = None,
        node_access: Mapping[str, NodeAccess] | None = None,
        address_map: AddressMap | None = None,
        timeout: float = 1.0,
    ) -> None:
        self._given = tuple(dict.fromkeys(map(read_address, check_several(sentinels))))
        self._deployment, self._masters, self._timeout = deployment, masters, timeout
        of_sentinels = NodeAccess(username, password, tls, credentials)
        self._dialler = Dialler.opened_by(of_sentinels, address_map, "the Sentinels")
        of_nodes = NodeAccess(node_username, node_password, node_tls, node_credentials)
        self._nodes = NodeDiallers(of_nodes, node_access, address_map)

    async def inspect(self) -> Inspection:
        """
        Ask everything once; it never raises for what a server does.

        Credentials go to the Sentinels that the user named, and to what more than half of the asked Sentinels list.
        """
        loop, wall = asyncio.get_running_loop(), time.time()
        begun, disguise, gate = loop.time(), _disguise(os.urandom(16)), asyncio.Semaphore(AT_ONCE)

        def sentinel(address: Address, given: bool, trusted: bool) -> Awaitable[SentinelInspection]:
            return _within(gate, self._sentinel(address, given, trusted, disguise))

        def node(address: Address, masters: Iterable[str], trusted: bool) -> Awaitable[NodeInspection]:
            return _within(gate, self._node(address, frozenset(masters), trusted, disguise))

        sentinels = list(await asyncio.gather(*(sentinel(address, True, True) for address in self._given)))
        nodes: dict[Address, NodeInspection] = {}
        asked = set(self._given)
        while True:  # each round asks only what no round before it has: a list names finitely many
            others = listed_sentinels(sentinels)
            fresh = {address: vouched for address, vouched in others.items() if address not in asked}
            found = {one: told for one, told in listed_nodes(sentinels).items() if one not in nodes}
            if not fresh and not found:
                break
            asked |= fresh.keys()
            more, new = await asyncio.gather(
                asyncio.gather(*(sentinel(address, False, trusted) for address, trusted in fresh.items())),
                asyncio.gather(*(node(one, *told) for one, told in found.items())),
            )
            nodes |= {one.address: one for one in new}
            sentinels += more
        found_nodes = tuple(one for _, one in sorted(nodes.items()))
        return Inspection(self._deployment, _distinct(sentinels), found_nodes, wall, loop.time() - begun)

    async def _sentinel(
        self, address: Address, given: bool, trusted: bool, disguise: Callable[[str], str]
    ) -> SentinelInspection:
        def further(replies: Mapping[CommandWords, Reply]) -> tuple[CommandWords, ...]:
            names = master_names(replies, self._masters)
            return tuple(question for name in names for question in master_questions(name))

        contact, replies = await self._ask(lambda: self._dialler.target(address, trusted), SENTINEL_QUESTIONS, further)
        name = SentinelName(str(address))
        return read_sentinel(name, address, given, contact, replies, disguise, self._masters)

    async def _node(
        self, address: Address, masters: frozenset[str], trusted: bool, disguise: Callable[[str], str]
    ) -> NodeInspection:
        dialler = self._nodes.of(min(masters))
        contact, replies = await self._ask(lambda: dialler.target(address, trusted), NODE_QUESTIONS, rights_questions)
        return read_node(address, masters, contact, replies, disguise)

    async def _ask(
        self,
        dial: Callable[[], DialTarget],
        first: Sequence[CommandWords],
        further: Callable[[Mapping[CommandWords, Reply]], Sequence[CommandWords]],
    ) -> tuple[Contact, dict[CommandWords, Reply]]:
        """Ask one server; what it answered until it failed counts."""
        replies: dict[CommandWords, Reply] = {}
        target, connection, contact = None, None, Contact()
        try:
            target = dial()
            async with asyncio.timeout(LIMIT_TIMEOUTS * self._timeout):
                connection = await CommandConnection.open(target, INSPECTOR_CLIENT, self._timeout)
                contact = await self._greet(connection, target, replies)
                if contact.refusal is None:
                    await self._ask_all(connection, first, replies)
                    await self._ask_all(connection, further(replies), replies)
        except Exception as error:
            # Whatever it is, also an error of the user's address map: this server gave no more answers.
            dialled = target.address if target is not None else None
            reason = plain(describe_error(error, dialled, self._timeout))
            refusal = Refusal.PASSWORD if isinstance(error, PermissionError) else contact.refusal
            if isinstance(error, ServerDenies) and error.refusal is Refusal.PROTECTED:
                refusal = Refusal.PROTECTED
            contact = replace(contact, reason=reason, refusal=refusal)
        finally:
            if connection is not None:
                connection.abort()
        return contact, replies

    async def _greet(
        self, connection: CommandConnection, target: DialTarget, replies: dict[CommandWords, Reply]
    ) -> Contact:
        loop = asyncio.get_running_loop()
        begun, wall = loop.time(), time.time()
        (replies[PING],) = await connection.ask(PING, timeout=self._timeout)
        took = loop.time() - begun
        refusal, login = classify(replies[PING]), target.credentials
        denied = refusal in _DENIED
        return Contact(
            reason=explain(replies[PING]) if denied else "",
            refusal=refusal if denied else None,
            dialled_ip=connection.peer_ip,
            logged_in=not isinstance(login, Credentials) or login.password is not None,
            round_trip=took,
            asked_at=wall + 1.5 * took,  # INFO, which tells the server's time, comes one round trip later
            certificate_ends=connection.certificate_ends,
        )

    async def _ask_all(
        self, connection: CommandConnection, questions: Sequence[CommandWords], replies: dict[CommandWords, Reply]
    ) -> None:
        for start in range(0, len(questions), WAITING):
            part = questions[start : start + WAITING]
            replies |= zip(part, await connection.ask(*part, timeout=self._timeout), strict=True)


async def _within(gate: asyncio.Semaphore, answer: Awaitable[_Answer]) -> _Answer:
    async with gate:
        return await answer


def _disguise(key: bytes) -> Callable[[str], str]:
    """Return a function that makes a digest of a secret: the same for the same secret, of no use afterwards."""

    def digest(secret: str) -> str:
        hashed = hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), key=key, digest_size=8)
        return f"(secret {hashed.hexdigest()})"

    return digest


def _distinct(sentinels: Iterable[SentinelInspection]) -> tuple[SentinelInspection, ...]:
    """Leave out a process that was asked before under another address, as by a name and by an IP address."""
    processes: set[str] = set()
    found = []
    for one in sentinels:
        process = "" if one.info is None else one.info.run_id or ""
        if not process or process not in processes:
            found.append(one)
        processes.add(process)
    return tuple(found)
