"""
No password goes to a stranger that one lying Sentinel names as a Sentinel, a replica or the new master.

The stranger's socket records every byte, and answers like a server with a password.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import hiredis
import pytest

import switchmaster.redis
import switchmaster.redis.asyncio
from peers.faulty_peer import FaultyPeer, run, until
from peers.scripted import ScriptedSentinel, published, resp
from switchmaster import Grade, Watcher
from switchmaster.model import Address
from switchmaster.wire.facts import LinkState

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
OF_SENTINELS, OF_NODES = "s3cret-of-sentinels", "s3cret-of-nodes"


class Locked:
    """A server with a password that then answers as `inner` says; it records every byte that it gets."""

    def __init__(self, password: str, inner: ScriptedSentinel | list[Any]) -> None:
        self.password, self.inner = password, inner
        self.got = b""
        self.delay = 0.0
        """Seconds before it reads a request."""
        self.open = False
        """It has no password."""
        self.writers: list[Writer] = []

    @property
    def leaked(self) -> bool:
        return b"s3cret" in self.got

    async def __call__(self, peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        number, commands, inside = peer.accepted - 1, hiredis.Reader(), False
        self.writers.append(writer)
        while data := await reader.read(65536):
            self.got += data
            await asyncio.sleep(self.delay)
            commands.feed(data)
            while (words := commands.gets()) is not False:
                text = [word.decode() for word in words]
                inside = inside or self.open or ("AUTH" in text and self.password in text)
                if not inside:
                    writer.write(b"-NOAUTH Authentication required.\r\n")
                elif isinstance(self.inner, ScriptedSentinel):
                    writer.write(self.inner.answer(bytes(hiredis.pack_command(tuple(words))), number))
                else:
                    writer.write(resp(self.inner) if text == ["ROLE"] else b"+OK\r\n")


def flat(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [[str(part) for pair in row.items() for part in pair] for row in rows]


def address_fields(address: Address) -> dict[str, Any]:
    return {"ip": address.host, "port": address.port}


class Deployment:
    """Three Sentinels, a master, a replica and two strangers, all of them locked, on loopback."""

    def __init__(self) -> None:
        self.sentinels = [Locked(OF_SENTINELS, ScriptedSentinel()) for _ in range(3)]
        self.master = Locked(OF_NODES, ["master", 1, []])
        self.replica = Locked(OF_NODES, ["slave", "127.0.0.1", 1, "connected", 1])
        self.strangers = [Locked("nobody knows it", ScriptedSentinel()), Locked("nobody knows it", ["master", 1, []])]
        self.at: dict[int, Address] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Deployment]:
        async with AsyncExitStack() as stack:
            for server in [*self.sentinels, self.master, self.replica, *self.strangers]:
                self.at[id(server)] = (await stack.enter_async_context(FaultyPeer(server))).address
            for sentinel in self.sentinels:
                self.say(sentinel, self.master, [self.replica], self.sentinels)
            yield self

    def address(self, server: Locked) -> Address:
        return self.at[id(server)]

    def say(
        self, sentinel: Locked, master: Locked, replicas: list[Locked], sentinels: list[Locked], epoch: int = 0
    ) -> None:
        """Let a Sentinel answer so from now on."""
        replies = sentinel.inner.replies  # type: ignore[union-attr]
        [known, *_] = replies["SENTINEL MASTERS"]
        fields = dict(zip(known[::2], known[1::2], strict=True))
        own = address_fields(self.address(master)) | {"config-epoch": epoch, "num-slaves": len(replicas)}
        replies["SENTINEL MASTERS"] = flat([fields | own])
        place = self.address(master)
        replies["SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"] = [place.host, str(place.port)]
        for command, servers in (("REPLICAS", replicas), ("SENTINELS", [s for s in sentinels if s is not sentinel])):
            rows = replies[f"SENTINEL {command} mymaster"]
            base = dict(zip(rows[0][::2], rows[0][1::2], strict=True))
            replies[f"SENTINEL {command} mymaster"] = flat([base | self.row(server) for server in servers])
        replies["SENTINEL MYID"] = f"{id(sentinel):040x}"

    def row(self, server: Locked) -> dict[str, Any]:
        address = self.address(server)
        return {"name": str(address), "runid": f"{id(server):040x}"} | address_fields(address)

    def publish(self, sentinel: Locked, *messages: tuple[str, str]) -> None:
        for writer in sentinel.writers:
            for message in messages:
                writer.write(published(*message))

    @property
    def leaked(self) -> list[bool]:
        return [stranger.leaked for stranger in self.strangers]


def heard(watcher: Watcher) -> int:
    return sum(one.state is LinkState.LIVE for one in watcher.topology.sentinels.values())


def test_discovered_sentinel_gets_the_password_once_a_majority_names_it() -> None:
    """A discovered Sentinel gets the password once a majority names it, and a stranger never does."""

    async def test() -> None:
        async with Deployment().running() as all_of_them:
            honest, other, liar = all_of_them.sentinels
            false, _ = all_of_them.strangers
            all_of_them.say(liar, all_of_them.master, [all_of_them.replica], [*all_of_them.sentinels, false])
            seeds = [all_of_them.address(one) for one in (honest, liar)]
            async with Watcher(seeds, password=OF_SENTINELS, timeout=1.0) as watcher:
                await until(lambda: heard(watcher) == 3)
                await until(lambda: false.got)
                await until(lambda: "before a majority" in str(watcher.topology.sentinels))
                assert other.leaked  # that is, it got a login
                assert not false.leaked

    run(test)


@pytest.mark.parametrize("snapshot", [False, True], ids=["event", "answer"])
def test_node_that_one_sentinel_announces_gets_no_password(snapshot: bool) -> None:
    """A node that only one Sentinel announces gets no password, and no grade above announced."""

    async def test() -> None:
        async with Deployment().running() as all_of_them:
            *_, liar = all_of_them.sentinels
            _, false = all_of_them.strangers
            master = all_of_them.address(all_of_them.master)
            seeds = [all_of_them.address(one) for one in all_of_them.sentinels]
            async with Watcher(seeds, password=OF_SENTINELS, node_password=OF_NODES, timeout=0.5) as watcher:
                await until(lambda: heard(watcher) == 3)
                place = all_of_them.address(false)
                all_of_them.say(liar, false, [all_of_them.replica], all_of_them.sentinels, epoch=9)
                told = f"mymaster {master.host} {master.port} {place.host} {place.port}"
                replica = f"slave {place} {place.host} {place.port} @ mymaster {master.host} {master.port}"
                forged = [("+new-epoch", "9"), ("+selected-slave", replica), ("+promoted-slave", replica)]
                all_of_them.publish(liar, *([] if snapshot else forged), ("+switch-master", told))
                if snapshot:
                    watcher.refresh()
                await until(lambda: false.got)
                probe = await watcher.role(place, "mymaster")
                assert "before a majority" in probe.reason
                assert not false.leaked
                state = watcher.state("mymaster")
                assert state.address == master or state.grade is Grade.ANNOUNCED

    run(test)


def test_stranger_that_wants_no_password_and_answers_role_master_is_not_followed() -> None:
    async def test() -> None:
        async with Deployment().running() as all_of_them:
            *_, liar = all_of_them.sentinels
            _, false = all_of_them.strangers
            false.open = True
            master, place = all_of_them.address(all_of_them.master), all_of_them.address(false)
            seeds = [all_of_them.address(one) for one in all_of_them.sentinels]
            async with Watcher(seeds, password=OF_SENTINELS, timeout=0.3) as watcher:
                await until(lambda: heard(watcher) == 3)
                replicas = [all_of_them.replica, false]
                all_of_them.say(liar, false, replicas, all_of_them.sentinels, epoch=9)
                old = f"mymaster {master.host} {master.port}"
                replica = f"slave {place} {place.host} {place.port} @ {old}"
                events = [("+new-epoch", "9"), ("+try-failover", f"master {old}"), ("+selected-slave", replica)]
                all_of_them.publish(liar, *events, ("+promoted-slave", replica))
                all_of_them.publish(liar, ("+switch-master", f"{old} {place.host} {place.port}"))
                assert (await watcher.role(place, "mymaster")).role == "master"
                deadline = asyncio.get_running_loop().time() + 1.0
                while asyncio.get_running_loop().time() < deadline:
                    state = watcher.state("mymaster")
                    assert (state.address, state.imminent, state.switch) == (master, None, None)
                    await asyncio.sleep(0.02)

    run(test)


def test_listed_replica_gets_the_login_before_any_announcement() -> None:
    async def test() -> None:
        async with Deployment().running() as all_of_them:
            leader, *_ = all_of_them.sentinels
            new, old = all_of_them.address(all_of_them.replica), all_of_them.address(all_of_them.master)
            seeds = [all_of_them.address(one) for one in all_of_them.sentinels]
            async with Watcher(seeds, password=OF_SENTINELS, node_password=OF_NODES, timeout=1.0) as watcher:
                await until(lambda: heard(watcher) == 3)
                all_of_them.replica.inner = ["master", 1, []]
                replica = f"slave {new} {new.host} {new.port} @ mymaster {old.host} {old.port}"
                events = [("+new-epoch", "1"), ("+try-failover", f"master mymaster {old.host} {old.port}")]
                all_of_them.publish(leader, *events, ("+selected-slave", replica))
                await until(lambda: watcher.state("mymaster").address == new)
                assert watcher.state("mymaster").grade is Grade.PROMOTED

    run(test)


def test_client_sends_no_password_to_a_master_that_the_first_sentinel_alone_names() -> None:
    async def test() -> None:
        async with Deployment().running() as all_of_them:
            *_, liar = all_of_them.sentinels
            _, false = all_of_them.strangers
            all_of_them.say(liar, false, [all_of_them.replica], all_of_them.sentinels, epoch=9)
            for one in all_of_them.sentinels[:2]:
                one.delay = 0.3  # so that for a while only the liar has answered
            sentinel = switchmaster.redis.asyncio.Sentinel(
                [all_of_them.address(one) for one in all_of_them.sentinels],
                sentinel_kwargs={"password": OF_SENTINELS},
                password=OF_NODES,
                socket_timeout=1.0,
                failover_wait=0.5,
                protocol=2,
            )
            client = sentinel.master_for("mymaster")
            try:
                with contextlib.suppress(switchmaster.redis.asyncio.MasterNotFoundError):
                    await client.set("k", 1)  # it finds the true master, or in time no node that may get the login
            finally:
                await client.aclose()
                await sentinel.aclose()
            assert all_of_them.leaked == [False, False]

    run(test)
