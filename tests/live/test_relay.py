"""
Unmodified clients on a relay beside real Sentinels, through a planned failover and a crash.

One lab and one relay for the whole file: the tests come in order, the crash last.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncioSentinel
from redis.sentinel import Sentinel

from peers import lying_sentinel
from rig.child import Child
from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from rig.programs import skip_or_fail
from rig.relay_process import HOST, RelayProcess, relaying
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

MASTER = "mymaster"
LIMIT = 60.0
DEBIAN = "on Debian: apt-get install php-cli php-redis php-nrk-predis ruby-redis"
BENCH = Path(__file__).parents[2] / "bench"
FOREIGN = {
    "php-redis": (("php", "writer.php", "php-redis"), ("-r", 'exit(class_exists("RedisSentinel") ? 0 : 1);')),
    "predis": (("php", "writer.php", "predis"), ("-r", 'require "Predis/autoload.php";')),
    "redis-rb": (("ruby", "writer.rb"), ("-e", 'require "redis"')),
}
"""Program and script of each writer, and what shows that its package is installed."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # Above 1 s, else Sentinel may find the new master down too (docs/topics/protocol.md, 5.4).
    with Lab(binary=str(find_or_skip("redis-7.0").path), masters=(MASTER,), down_after_ms=2000) as lab:
        yield lab


@pytest.fixture(scope="module")
def relay(lab: Lab) -> Iterator[RelayProcess]:
    with relaying(lab.sentinel_addresses, "--peer", "192.0.2.7:26379") as process:
        yield process


def on_relay(relay: RelayProcess, **options: Any) -> redis.Redis:
    return redis.Redis(HOST, relay.port, decode_responses=True, socket_timeout=LIMIT, **options)


def test_redis_cli_asks_it_as_a_sentinel(lab: Lab, relay: RelayProcess) -> None:
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("redis-cli is not installed")

    def cli(*words: str) -> str:
        command = [program or "", "-h", HOST, "-p", str(relay.port), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout

    master = lab.master()
    assert cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER).split() == [master.host, str(master.port)]
    assert cli("-3", "SENTINEL", "CKQUORUM", MASTER).startswith("OK 3 usable Sentinels.")
    assert "redis_mode:sentinel" in cli("INFO", "server")
    assert cli("SENTINEL", "FAILOVER", MASTER).startswith("NOPERM")


class Subscriber:
    """A stock client's subscription to a relay or a Sentinel, and when each message came."""

    def __init__(self, port: int, *channels: str) -> None:
        self.client = redis.Redis(HOST, port, decode_responses=True)
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
    sentinel = AsyncioSentinel([(HOST, port)], socket_timeout=LIMIT)
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
    sentinel = Sentinel([(HOST, relay.port)], socket_timeout=1.0, decode_responses=True)
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


HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
INTERPRETERS = {"python": [sys.executable, "-c"], "php": ["php", "-r"], "ruby": ["ruby", "-e"]}
PROGRAMS = [
    pytest.param(language, program, id=f"{page}-{number}")
    for page, language in (("relay-python", "python"), ("relay-php", "php"), ("relay-ruby", "ruby"))
    for number, program in enumerate(
        re.findall(rf"```{language}\n(.*?)```", (HOW_TO / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize(("language", "program"), PROGRAMS)
def test_program_of_a_how_to_page_runs_on_a_relay(relay: RelayProcess, language: str, program: str) -> None:
    interpreter = INTERPRETERS[language]
    if shutil.which(interpreter[0]) is None:
        pytest.skip(f"{interpreter[0]} is not installed; {DEBIAN}")
    program = program.replace("26379", str(relay.port)).removeprefix("<?php")
    done = subprocess.run([*interpreter, program], capture_output=True, text=True, timeout=LIMIT)
    assert done.stdout == "hello\n", done.stderr


@pytest.fixture(scope="module")
def hiredis_lines(lab: Lab, relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str] | str]:
    """
    Compile the program of the page about C, and run it on the relay.

    Return what it prints, once it has written; or why it can't be compiled here.
    """
    folder = tmp_path_factory.mktemp("hiredis")
    [text] = re.findall(r"```c\n(.*?)```", (HOW_TO / "relay-c.md").read_text(encoding="utf-8"), re.DOTALL)
    source, program = folder / "follow.c", folder / "follow"
    source.write_text(text.replace("26379", str(relay.port)), encoding="utf-8")
    compiler = shutil.which("gcc")
    if compiler is None:
        yield "there is no gcc"
        return
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source), "-lhiredis"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        yield done.stderr
        return
    lines: list[str] = []
    with Child([program], stdout=subprocess.PIPE, text=True) as process:
        stream = process.stdout
        assert stream is not None
        reader = threading.Thread(target=lambda: lines.extend(iter(stream.readline, "")))
        reader.start()
        try:
            eventually(lambda: lines, LIMIT, what="hiredis to write through the relay")
            yield lines
        finally:
            process.kill()
            reader.join(LIMIT)


def test_through_a_planned_failover(lab: Lab, relay: RelayProcess, hiredis_lines: list[str] | str) -> None:
    subscriber, beside = fail_over(lab, relay, crash=False)
    at = next(at for at, channel, _ in subscriber.messages if channel == "+switch-master")
    assert at < next(at for at, channel, _ in beside.messages if channel == "+switch-master")


def test_hiredis_writes_to_the_new_master(lab: Lab, hiredis_lines: list[str] | str) -> None:
    if isinstance(hiredis_lines, str):
        skip_or_fail(f"hiredis' program can't be compiled: {hiredis_lines}", "gcc, libc6-dev and libhiredis-dev")

    def on_the_master() -> bool:
        host, port = lab.master().address
        return hiredis_lines[-1] == f"{host}:{port} OK\n"

    eventually(on_the_master, LIMIT, what="hiredis on the new master")


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


@pytest.fixture(scope="module")
def writers(lab: Lab, relay: RelayProcess) -> Iterator[dict[str, int]]:
    """
    Start the benchmarks' writers in PHP and Ruby on the relay, where their packages are installed.

    Return for each client its writes before the crash, once it has written.
    """
    processes = []
    try:
        for name, (program, check) in FOREIGN.items():
            if shutil.which(program[0]) and subprocess.run([program[0], *check], capture_output=True).returncode == 0:
                words = [program[0], str(BENCH / program[1]), *program[2:], name, "0.01", "1", f"{HOST}:{relay.port}"]
                processes.append((name, subprocess.Popen(words, stdout=subprocess.DEVNULL)))
        for name, _ in processes:
            eventually(lambda n=name: written(lab, n), LIMIT, what=f"{name} to write through the relay")
        yield {name: written(lab, name) for name, _ in processes}
    finally:
        for _, process in processes:
            process.kill()
            process.wait(LIMIT)


def written(lab: Lab, name: str) -> int:
    """Return how many writes of a client are on the master."""
    with redis.Redis(*lab.master().address, socket_timeout=LIMIT) as client:
        return int(client.llen(name))


def test_through_a_crash(lab: Lab, relay: RelayProcess, writers: dict[str, int]) -> None:
    fail_over(lab, relay, crash=True)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_client_of_another_language_goes_on_after_the_crash(lab: Lab, writers: dict[str, int], name: str) -> None:
    if name not in writers:
        pytest.skip(f"{name} is not installed; {DEBIAN}")
    there = written(lab, name)
    assert there >= writers[name]
    eventually(lambda: written(lab, name) > there, LIMIT, what=f"{name} to write to the new master")


@contextmanager
def liar_before(lab: Lab) -> Iterator[tuple[str, int]]:
    """Run a liar in front of the first Sentinel; return where it listens."""
    masters = {MASTER: [node.address for node in lab.nodes()]}
    plan = {"upstream": lab.sentinel_addresses[0], "puppets": 2, "seed": 1, "masters": masters}
    command = [sys.executable, "-P", lying_sentinel.__file__]
    with Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as liar:
        assert liar.stdin is not None
        assert liar.stdout is not None
        liar.stdin.write(json.dumps(plan) + "\n")
        liar.stdin.flush()
        host, port = json.loads(liar.stdout.readline())
        try:
            yield host, port
        finally:
            liar.stdin.close()


def test_a_lying_sentinel_can_not_make_a_relay_name_its_address(lab: Lab) -> None:
    """It publishes failovers, answers with them and names Sentinels; clients hear of the real nodes alone."""
    nodes = {node.address for node in lab.nodes()}
    answers: set[tuple[str, int]] = set()
    with liar_before(lab) as liar, relaying([liar, *lab.sentinel_addresses[1:]]) as relay:
        lies, subscriber = Subscriber(liar[1], "*"), Subscriber(relay.port, "*")

        def lied_twice() -> bool:
            with on_relay(relay) as client:
                answers.add(client.sentinel_get_master_addr_by_name(MASTER))
                answers.update((one["ip"], one["port"]) for one in client.sentinel_slaves(MASTER))
                assert client.sentinel_sentinels(MASTER) == []
            return sum(not addresses_in(said) <= nodes for said in lies.announcements()) >= 2

        try:
            eventually(lied_twice, LIMIT, what="two invented failovers")
        finally:
            lies.close()
            subscriber.close()
    assert answers <= nodes
    for _, channel, payload in subscriber.messages:
        assert addresses_in(payload) <= nodes, (channel, payload)


def addresses_in(payload: str) -> set[tuple[str, int]]:
    return {(host, int(port)) for host, port in re.findall(r"(\d+\.\d+\.\d+\.\d+) (\d+)", payload)}


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
