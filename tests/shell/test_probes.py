"""Nodes that are asked for several masters, over real sockets, each with the access of its master."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import hiredis
import trustme

from peers.faulty_peer import FaultyPeer, closed_port, run, until
from peers.scripted import resp
from switchmaster.model import Address
from switchmaster.net.dial import Tls
from switchmaster.net.diallers import NodeAccess, NodeDiallers
from switchmaster.net.node_connection import NodeConnection
from switchmaster.net.probes import PROBES, Probes
from switchmaster.wire.facts import Probe

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
OWN, ONE, TWO = NodeAccess(password="own"), NodeAccess("app", "one"), NodeAccess("app", "two")


class Node:
    """A master that accepts the right user and password, and counts the logins."""

    def __init__(self, *accesses: NodeAccess) -> None:
        self.right = {(access.username or "default", access.password) for access in accesses}
        self.logins: list[tuple[str, str]] = []

    async def __call__(self, peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        commands, user = hiredis.Reader(), ("", "")
        while data := await reader.read(65536):
            commands.feed(data)
            while (words := commands.gets()) is not False:
                match [word.decode() for word in words]:
                    case ["AUTH", *given]:
                        user = (given[0] if len(given) == 2 else "default", given[-1])
                        self.logins.append(user)
                        writer.write(b"+OK\r\n" if user in self.right else b"-WRONGPASS invalid pair\r\n")
                    case ["ROLE"]:
                        writer.write(resp(["master", 1, []]) if user in self.right else b"-NOAUTH needed\r\n")
                    case _:
                        writer.write(b"+OK\r\n")


class Asked:
    """Probes of one deployment, and all their answers."""

    def __init__(self, **by_master: NodeAccess) -> None:
        self.told: list[Probe] = []
        self.closing: list[asyncio.Task[None]] = []
        self.probes = Probes(NodeDiallers(OWN, by_master, None), 1.0, lambda *_: True, self.take, self.leave)

    def take(self, probes: list[Probe], now: float) -> None:
        self.told += probes

    def leave(self, shell: NodeConnection) -> None:
        self.closing.append(asyncio.create_task(shell.close()))

    def heard(self) -> dict[frozenset[str] | None, str | None]:
        return {probe.masters: probe.role for probe in self.told}

    async def close(self) -> None:
        await asyncio.gather(*self.closing, *(shell.close() for shell in self.probes.shells()))
        self.probes.clear()


@asynccontextmanager
async def asked(
    node: Node, context: ssl.SSLContext | None = None, **by_master: NodeAccess
) -> AsyncIterator[tuple[Asked, Address]]:
    async with FaultyPeer(node, context) as peer:
        one = Asked(**by_master)
        try:
            yield one, peer.address
        finally:
            await one.close()


def test_each_master_hears_the_node_by_its_own_access_and_no_refusal_of_another() -> None:
    async def test() -> None:
        node = Node(OWN, TWO)
        async with asked(node, m1=ONE, m2=TWO) as (told, address):
            for master in ("m1", "m2", "m3"):
                told.probes.start(address, master)
            await until(lambda: len(told.told) == 3)
            assert told.heard() == {
                frozenset({"m1"}): None,
                frozenset({"m2"}): "master",
                frozenset({"m3"}): "master",
            }
            assert sorted(node.logins) == [("app", "one"), ("app", "two"), ("default", "own")]
            told.probes.stop(address, "m1")
            assert len(told.closing) == 1
            assert len(list(told.probes.shells())) == 2

    run(test)


def test_masters_with_the_same_access_share_a_connection() -> None:
    """Masters with the same access share a connection until the last of them leaves."""

    async def test() -> None:
        node = Node(ONE)
        async with asked(node, m1=ONE, m2=NodeAccess("app", "one")) as (told, address):
            for master in ("m1", "m2"):
                told.probes.start(address, master)
            await until(lambda: told.told)
            assert told.heard() == {frozenset({"m1", "m2"}): "master"}
            assert node.logins == [("app", "one")]
            told.probes.stop(address, "m1")
            assert not told.closing
            told.probes.stop(address, "m2")
            assert len(told.closing) == 1
            assert not list(told.probes.shells())

    run(test)


def test_master_that_comes_to_an_open_connection_hears_the_answer_of_before() -> None:
    async def test() -> None:
        async with asked(Node(OWN)) as (told, address):
            told.probes.start(address, "m1")
            await until(lambda: told.told)
            told.probes.start(address, "m2")
            assert len(told.told) == 1
            await until(lambda: len(told.told) == 2)
            assert told.told[1] == Probe(address, "master", masters=frozenset({"m1", "m2"}))

    run(test)


def test_node_that_speaks_tls_is_reached_for_the_master_whose_access_says_so(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("kv.test").configure_cert(context)
    tls = NodeAccess("app", "one", Tls(ca_file=tmp_path / "ca.pem", server_name="kv.test"))

    async def test() -> None:
        async with asked(Node(ONE, OWN), context, m1=tls, m2=ONE) as (told, address):
            for master in ("m1", "m2", "m3"):
                told.probes.start(address, master)
            await until(lambda: len(told.heard()) == 3)
            assert told.heard() == {frozenset({"m1"}): "master", frozenset({"m2"}): None, frozenset({"m3"}): None}

    run(test)


def test_single_question_is_asked_by_the_access_of_the_master_that_it_is_for() -> None:
    async def test() -> None:
        async with asked(Node(ONE), m1=ONE) as (told, address):
            assert (await told.probes.ask_once(address, "m1")).role == "master"
            for other in ("m2", None):
                refused = await told.probes.ask_once(address, other)
                assert refused.role is None
                assert "password" in refused.reason
                assert "own" not in refused.reason

    run(test)


def test_question_beyond_the_limit_is_refused_to_the_master_that_had_it() -> None:
    async def test() -> None:
        told = Asked()
        nowhere = closed_port()
        for number in range(PROBES):
            told.probes.start(Address(f"127.0.{number // 250}.{number % 250 + 1}", nowhere), "m1")
        told.probes.start(Address("127.0.9.9", nowhere), "m2")
        await until(lambda: any(probe.masters == {"m2"} for probe in told.told))
        assert told.probes.refused == 1
        await told.close()

    run(test)
