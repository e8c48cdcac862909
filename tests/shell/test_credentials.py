"""Credentials that are requested for each connection: rotated, refused, slow, failing, and never blocking the loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import hiredis
import pytest

from peers.faulty_peer import FaultyPeer, closed_port, run, until
from peers.scripted import resp
from switchmaster import UsageError, Watcher
from switchmaster.link.greeting import Credentials
from switchmaster.model import Address
from switchmaster.net import credentials as module
from switchmaster.net.credentials import Provided
from switchmaster.net.diallers import NodeAccess, NodeDiallers
from switchmaster.net.probes import Probes
from switchmaster.wire.facts import LinkState, Probe

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Locked:
    """A Sentinel or data node that accepts the current password, and records every password that it gets."""

    def __init__(self, password: str, node: bool = False) -> None:
        self.password, self.node = password, node
        self.given: list[str] = []

    async def __call__(self, peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        number, commands, inside = peer.accepted - 1, hiredis.Reader(), False
        while data := await reader.read(65536):
            commands.feed(data)
            while (words := commands.gets()) is not False:
                text = [word.decode() for word in words]
                if "AUTH" in text:
                    self.given.append(text[text.index("AUTH") + 2] if text[0] == "HELLO" else text[-1])
                    inside = self.given[-1] == self.password
                    if not inside:
                        writer.write(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
                        continue
                if not inside:
                    writer.write(b"-NOAUTH Authentication required.\r\n")
                elif self.node:
                    writer.write(resp(["master", 1, []]) if text == ["ROLE"] else b"+OK\r\n")
                else:
                    writer.write(peer.sentinel.answer(bytes(hiredis.pack_command(tuple(words))), number))


class Provider:
    """Returns what `answer` returns now, and records how often it was called, and in which threads."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer
        self.asked = 0
        self.threads: set[threading.Thread] = set()

    def get_credentials(self) -> Any:
        self.asked += 1
        self.threads.add(threading.current_thread())
        return self.answer()


def state_of(watcher: Watcher, peer: FaultyPeer) -> LinkState:
    return next(one.state for one in watcher.topology.sentinels.values() if one.name == str(peer.address))


def reason_of(watcher: Watcher, peer: FaultyPeer) -> str:
    return next(one.reason for one in watcher.topology.sentinels.values() if one.name == str(peer.address))


def watching(peer: FaultyPeer, provider: Any, *more: Address) -> Watcher:
    return Watcher([peer.address, *more], credentials=provider, discover=False, timeout=1.0)


def test_rotated_password_is_taken_with_the_next_connection() -> None:
    async def test() -> None:
        locked = Locked("first")
        provider = Provider(lambda: ("watcher", locked.password))
        async with FaultyPeer(locked) as peer, watching(peer, provider) as watcher:
            await until(lambda: state_of(watcher, peer) is LinkState.LIVE)
            locked.password = "second"
            peer.cut()
            await until(lambda: locked.given[-1] == "second" and state_of(watcher, peer) is LinkState.LIVE)
            assert locked.given == ["first", "second"]
            assert provider.asked == 2
            assert threading.current_thread() not in provider.threads

    run(test)


def test_refused_login_asks_the_provider_again_at_the_next_attempt() -> None:
    async def test() -> None:
        locked, words = Locked("new"), ["old"]
        async with FaultyPeer(locked) as peer:
            watcher = watching(peer, Provider(lambda: (words[0],)))
            await watcher.start(wait=False)
            try:
                await until(lambda: "password" in reason_of(watcher, peer))
                words[0] = "new"
                await until(lambda: state_of(watcher, peer) is LinkState.LIVE)
                assert locked.given[0] == "old"
                assert locked.given[-1] == "new"
            finally:
                await watcher.close()

    run(test)


def test_blocking_provider_does_not_block_the_loop() -> None:
    async def test() -> None:
        locked, go_on = Locked("pw"), threading.Event()

        def answer() -> tuple[str]:
            assert go_on.wait(10.0)
            return ("pw",)

        provider = Provider(answer)
        async with FaultyPeer(locked) as peer:
            watcher = watching(peer, provider)
            await watcher.start(wait=False)
            try:
                await until(lambda: provider.asked)  # the loop runs meanwhile, or this would never be seen
                assert not go_on.is_set()
                assert locked.given == []
                go_on.set()
                await until(lambda: state_of(watcher, peer) is LinkState.LIVE)
            finally:
                go_on.set()
                await watcher.close()

    run(test)


def test_failing_provider_is_logged_once_without_its_text_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        locked, fails = Locked("pw"), [True]

        def answer() -> tuple[str]:
            if fails[0]:
                raise ValueError("the token s3cret has expired")
            return ("pw",)

        provider = Provider(answer)
        async with FaultyPeer(locked) as peer:
            watcher = watching(peer, provider)
            await watcher.start(wait=False)
            try:
                await until(lambda: provider.asked > 2)
                await until(lambda: reason_of(watcher, peer) == "the credential provider failed with ValueError")
                assert locked.given == []
                fails[0] = False
                await until(lambda: state_of(watcher, peer) is LinkState.LIVE)
            finally:
                await watcher.close()

    with caplog.at_level(logging.WARNING, "switchmaster"):
        run(test)
    told = [record.getMessage() for record in caplog.records if "credential provider" in record.getMessage()]
    assert told == [
        "the credential provider failed with ValueError (the Sentinels); it is asked again with each attempt"
    ]
    assert "s3cret" not in caplog.text


def test_provider_that_never_answers_has_one_thread_and_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROVIDER_LIMIT", 0.05)

    async def test() -> None:
        go_on = threading.Event()
        provider = Provider(lambda: (go_on.wait(30.0), ("pw",))[1])
        provided = Provided(provider, "the Sentinels")
        try:
            for _ in range(3):
                with pytest.raises(UsageError, match=r"gave no answer within 0\.05 s"):
                    await provided.ask()
            assert provider.asked == 1
            go_on.set()
            await until(lambda: provided._asking is None)
            monkeypatch.setattr(module, "PROVIDER_LIMIT", 10.0)
            assert await provided.ask() == Credentials(None, "pw")
            assert provider.asked == 2
        finally:
            go_on.set()

    run(test)


def test_provider_for_loops_alone_is_asked_in_a_loop_of_its_own() -> None:
    class ForLoops:
        def get_credentials(self) -> Any:
            raise NotImplementedError

        async def get_credentials_async(self) -> tuple[bytes, bytes]:
            await asyncio.sleep(0)
            return b"app", b"pw"

    async def test() -> None:
        assert await Provided(ForLoops(), "the nodes").ask() == Credentials("app", "pw")

    run(test)


@pytest.mark.parametrize("given", [None, "s3cret", (), ("a", "b", "s3cret"), ("s3cret", None)])
def test_anything_but_a_pair_is_an_error_that_does_not_show_it(given: Any) -> None:
    async def test() -> None:
        with pytest.raises(UsageError, match=r"must give \(password,\) or \(username, password\)") as caught:
            await Provided(Provider(lambda: given), "the nodes").ask()
        assert "s3cret" not in str(caught.value)

    run(test)


def test_peer_that_is_not_there_costs_the_provider_no_question() -> None:
    async def test() -> None:
        provider = Provider(lambda: ("pw",))
        absent = Address("127.0.0.1", closed_port())
        async with FaultyPeer(Locked("pw")) as peer, watching(peer, provider, absent) as watcher:
            await until(lambda: state_of(watcher, peer) is LinkState.LIVE)
            await until(lambda: watcher.counters["link_failures"] > 2)
            assert provider.asked == 1

    run(test)


def test_password_and_provider_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="either a username and a password, or a credential provider"):
        Watcher(["127.0.0.1:1"], node_password="pw", node_credentials=Provider(lambda: ("pw",)))


def test_login_to_a_node_uses_the_providers_current_credentials() -> None:
    async def test() -> None:
        locked, told = Locked("two", node=True), list[Probe]()
        words = ["one"]
        access = NodeAccess(credentials=Provider(lambda: ("app", words[0])))
        async with FaultyPeer(locked) as peer:
            closing: list[asyncio.Task[None]] = []
            probes = Probes(
                NodeDiallers(access, None, None),
                1.0,
                lambda *_: True,
                lambda found, now: told.extend(found),
                lambda shell: closing.append(asyncio.create_task(shell.close())),
            )
            probes.start(peer.address, "mymaster")
            await until(lambda: told and "refuses the username" in told[0].reason)
            words[0] = "two"
            await until(lambda: told[-1].role == "master")
            probes.stop(peer.address, "mymaster")
            await asyncio.gather(*closing)

    run(test)
