"""
Unmodified clients on a relay beside real Sentinels, through a planned failover and a crash.

One lab and one relay for the whole file: the tests come in order, the crash last.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncioSentinel
from redis.sentinel import Sentinel

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

MASTER = "mymaster"
LIMIT = 60.0
RELAY_AT = "127.0.0.1"


class RelayProcess:
    """``switchmaster relay`` as a process, and what it prints."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "switchmaster",
                "relay",
                "--listen",
                f"{RELAY_AT}:0",
                "--format",
                "json",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self.readers = [
            threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, ""))),  # type: ignore[union-attr]
            threading.Thread(target=lambda: self.complaints.extend(iter(self.process.stderr.readline, ""))),  # type: ignore[union-attr]
        ]
        for reader in self.readers:
            reader.start()

    @property
    def port(self) -> int:
        """The port, once it listens."""
        said = [line for line in list(self.complaints) if "relaying at" in line]
        return int(said[0].rstrip().rpartition(":")[2]) if said else 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(LIMIT)
        for reader in self.readers:
            reader.join(LIMIT)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), masters=(MASTER,), down_after_ms=1000) as lab:
        yield lab


@pytest.fixture(scope="module")
def relay(lab: Lab) -> Iterator[RelayProcess]:
    process = RelayProcess(*(f"{host}:{port}" for host, port in lab.sentinel_addresses), "--peer", "192.0.2.7:26379")
    try:
        eventually(lambda: process.port, LIMIT, what="the relay to listen")
        eventually(lambda: any(MASTER in line for line in process.complaints), LIMIT, what="the relay to know a master")
        yield process
        assert process.process.poll() is None
    finally:
        process.stop()
    assert process.process.returncode == 0
    assert "Traceback" not in "".join(process.complaints)


def on_relay(relay: RelayProcess, **options: Any) -> redis.Redis:
    return redis.Redis(RELAY_AT, relay.port, decode_responses=True, socket_timeout=LIMIT, **options)


def fields(reply: list[str]) -> list[str]:
    return reply[::2]


def test_answers_have_the_fields_of_the_real_sentinels(lab: Lab, relay: RelayProcess) -> None:
    with on_relay(relay) as client:
        ask = client.execute_command
        for words in (("MASTERS",), ("REPLICAS", MASTER), ("SENTINELS", MASTER)):
            ours, theirs = (c("SENTINEL", *words) for c in (raw(relay.port), raw(lab.sentinel_addresses[0][1])))
            assert fields(ours[0]) == fields(theirs[0]), words
        ours, theirs = (c("SENTINEL", "MASTER", MASTER) for c in (raw(relay.port), raw(lab.sentinel_addresses[0][1])))
        same = (
            "name",
            "ip",
            "port",
            "runid",
            "flags",
            "quorum",
            "down-after-milliseconds",
            "num-slaves",
            "config-epoch",
        )
        at = {key: (ours[ours.index(key) + 1], theirs[theirs.index(key) + 1]) for key in same}
        assert {key for key, (one, other) in at.items() if one != other} == set()
        assert ask("SENTINEL", "CKQUORUM", MASTER)
        assert client.sentinel_sentinels(MASTER)[0]["ip"] == "192.0.2.7"
        assert client.info()["redis_mode"] == "sentinel"


def raw(port: int) -> Any:
    """Return a function that sends a command and returns its reply as it comes, in RESP2."""

    def call(*words: str) -> Any:
        connection = redis.Connection(RELAY_AT, port, decode_responses=True, protocol=2, socket_timeout=LIMIT)
        connection.connect()
        try:
            connection.send_command(*words)
            return connection.read_response()
        finally:
            connection.disconnect()

    return call


def test_redis_cli_asks_it_as_a_sentinel(lab: Lab, relay: RelayProcess) -> None:
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("redis-cli is not installed")

    def cli(*words: str) -> str:
        command = [program or "", "-h", RELAY_AT, "-p", str(relay.port), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout

    master = lab.master()
    assert cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER).split() == [master.host, str(master.port)]
    assert cli("-3", "SENTINEL", "CKQUORUM", MASTER).startswith("OK 3 usable Sentinels.")
    assert "redis_mode:sentinel" in cli("INFO", "server")
    assert cli("SENTINEL", "FAILOVER", MASTER).startswith("NOPERM")


class Subscriber:
    """A stock client's subscription to a relay or a Sentinel, and when each message came."""

    def __init__(self, port: int, *channels: str) -> None:
        self.client = redis.Redis(RELAY_AT, port, decode_responses=True)
        self.pubsub = self.client.pubsub()
        self.pubsub.psubscribe(*channels)
        self.pubsub.get_message(timeout=LIMIT)
        self.messages: list[tuple[float, str, str]] = []
        self.thread = threading.Thread(target=self._read)
        self.going = True
        self.thread.start()

    def _read(self) -> None:
        while self.going:
            message = self.pubsub.get_message(timeout=0.1)
            if message is not None and message["type"] == "pmessage":
                self.messages.append((time.monotonic(), message["channel"], message["data"]))

    def close(self) -> None:
        self.going = False
        self.thread.join(LIMIT)
        self.pubsub.close()
        self.client.close()

    def announcements(self) -> list[str]:
        return [payload for _, channel, payload in list(self.messages) if channel == "+switch-master"]


def write_and_read(client: Any, value: str) -> bool:
    try:
        client.set("relay", value)
        return str(client.get("relay")) == value
    except redis.RedisError:
        return False


async def write_with_asyncio(port: int, master: tuple[str, int]) -> bool:
    """Return whether redis.asyncio finds the master over the relay, and can write to it."""
    sentinel = AsyncioSentinel([(RELAY_AT, port)], socket_timeout=LIMIT)
    try:
        if await sentinel.discover_master(MASTER) != master:
            return False
        async with sentinel.master_for(MASTER) as client:
            return bool(await client.set("relay", "asyncio"))
    except redis.RedisError:
        return False
    finally:
        for client in sentinel.sentinels:
            await client.aclose()


def fail_over(lab: Lab, relay: RelayProcess, crash: bool) -> tuple[Subscriber, Subscriber]:
    """Fail over with a stock client writing through the relay; return what two subscribers heard meanwhile."""
    old = lab.master()
    beside = Subscriber(lab.sentinel_addresses[0][1], "*")
    subscriber = Subscriber(relay.port, "*")
    before = len(relay.lines)
    sentinel = Sentinel([(RELAY_AT, relay.port)], socket_timeout=1.0, decode_responses=True)
    client = sentinel.master_for(MASTER)
    try:
        eventually(lambda: write_and_read(client, "before"), LIMIT, what="a write before the failover")
        if crash:
            lab.crash(old)
        else:
            lab.failover(MASTER)
        eventually(subscriber.announcements, LIMIT, what="the relay to announce the switch")
        new = sentinel.discover_master(MASTER)
        assert new != old.address
        eventually(lambda: write_and_read(client, "after"), LIMIT, what="a write after the failover")
        assert asyncio.run(write_with_asyncio(relay.port, new))
        eventually(beside.announcements, LIMIT, what="the Sentinel to announce the switch")
        assert lab.master().address == new
        make_ready(lab, old)
    finally:
        subscriber.close()
        beside.close()
        client.close()
        for one in sentinel.sentinels:
            one.close()
    expected = f"{MASTER} {old.host} {old.port} {new[0]} {new[1]}"
    assert subscriber.announcements() == [expected]
    lines = [json.loads(line) for line in relay.lines[before:]]
    assert [(one["type"], one["new"]["port"]) for one in lines] == [("switch", new[1])]
    return subscriber, beside


def test_through_a_planned_failover(lab: Lab, relay: RelayProcess) -> None:
    subscriber, beside = fail_over(lab, relay, crash=False)
    at = next(at for at, channel, _ in subscriber.messages if channel == "+switch-master")
    assert at < next(at for at, channel, _ in beside.messages if channel == "+switch-master")


def test_no_message_names_a_sentinel(lab: Lab, relay: RelayProcess) -> None:
    ports = {str(port) for _, port in lab.sentinel_addresses}
    subscriber = Subscriber(relay.port, "*")
    try:
        lab.sentinel_set(MASTER, "parallel-syncs", 1)
        eventually(lambda: subscriber.messages, LIMIT, what="an event of the chosen Sentinel")
    finally:
        subscriber.close()
    assert [payload for _, channel, payload in subscriber.messages if channel == "+set"] == [
        f"master {MASTER} {lab.master().host} {lab.master().port} parallel-syncs 1"
    ]
    assert not ports & {word for _, _, payload in subscriber.messages for word in payload.split()}


def test_through_a_crash(lab: Lab, relay: RelayProcess) -> None:
    fail_over(lab, relay, crash=True)


def test_another_sentinel_takes_the_place_of_the_lost_one(lab: Lab, relay: RelayProcess) -> None:
    chosen = min(lab.sentinels, key=lambda server: f"{server.host}:{server.port}")
    subscriber = Subscriber(relay.port, "+set")
    others = [index for index, server in enumerate(lab.sentinels) if server is not chosen]
    try:
        lab.crash(chosen)
        master = lab.master()

        def heard() -> bool:
            for index in others:
                lab.sentinel_command(index, "SENTINEL", "SET", MASTER, "parallel-syncs", 2)
            return bool(subscriber.messages)

        eventually(heard, LIMIT, interval=0.3, what="an event of another Sentinel")
        with on_relay(relay) as client:
            address = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        assert (address[0], int(address[1])) == master.address
    finally:
        subscriber.close()
