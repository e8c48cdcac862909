"""
A command that was sent and not answered is never sent again, unless the caller's Retry says so: a proxy cuts each way
of sending after the server has executed the command, before the answer.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from peers.cutting_proxy import CuttingProxy
from rig.client_lab import end
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab
from switchmaster.model import Address

# valkey-py needs an argument that redis-py has deprecated.
pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore:Call to 'get_connection':DeprecationWarning")]

KEY = "once"
LIBRARIES = ["redis", "valkey"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), sentinels=1, replicas=0, quorum=1) as lab:
        yield lab


@pytest.fixture
def proxy(lab: Lab) -> Iterator[CuttingProxy]:
    master = lab.master()
    master.call("FLUSHALL")
    master.call("CONFIG", "RESETSTAT")
    with CuttingProxy(master.address, KEY.encode()) as proxy:
        yield proxy


def options(lab: Lab, proxy: CuttingProxy) -> dict[str, Any]:
    through = {Address(*lab.master().address): Address(*proxy.address)}
    return {"address_map": lambda address: through.get(address, address), "socket_timeout": 5}


def increments(pipe: Any) -> None:
    pipe.incr(KEY)
    pipe.incr(KEY)


def transact(client: Any, work: Callable[[Any], Any]) -> Any:
    """Run a transaction that watches another key: only EXEC and its commands are cut."""

    def begin(pipe: Any) -> Any:
        pipe.multi()
        return work(pipe)

    return client.transaction(begin, "watched")


def by_hand(client: Any) -> None:
    connection = client.connection_pool.get_connection("_")
    try:
        connection.send_command("INCR", KEY)
        connection.read_response()
    finally:
        client.connection_pool.release(connection)


WAYS: dict[str, tuple[Callable[[Any], Any], str, int]] = {
    "command": (lambda client: client.incr(KEY), "incrby", 1),
    "pipeline": (lambda client: several(client.pipeline(transaction=False)), "incrby", 2),
    "multi": (lambda client: several(client.pipeline()), "incrby", 2),
    "transaction": (lambda client: transact(client, increments), "incrby", 2),
    "publish": (lambda client: client.publish(KEY, "message"), "publish", 1),
    "script": (lambda client: client.register_script("return redis.call('INCR', KEYS[1])")([KEY]), "incr", 1),
    "lock": (lambda client: client.lock(KEY, timeout=60).acquire(blocking=False), "set", 1),
    "blpop": (lambda client: client.blpop([KEY], 1), "blpop", 1),
    "by hand": (by_hand, "incr", 1),
    "kept connection": (lambda client: client.client().incr(KEY), "incrby", 1),
}


def several(pipe: Any) -> Any:
    increments(pipe)
    return pipe.execute()


def calls(lab: Lab, command: str) -> int:
    """Return how often the server has executed a command."""
    lines = lab.master().call("INFO", "commandstats").splitlines()
    line = next((each for each in lines if each.startswith(f"cmdstat_{command}:")), "")
    return int(line.partition("calls=")[2].partition(",")[0] or 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_unanswered_command_is_not_sent_again(lab: Lab, proxy: CuttingProxy, library: str, way: str) -> None:
    work, command, times = WAYS[way]
    errors = importlib.import_module(f"{library}.exceptions")
    sentinel = importlib.import_module(f"switchmaster.{library}").Sentinel(
        lab.sentinel_addresses, **options(lab, proxy)
    )
    client = sentinel.master_for("mymaster")
    client.get("other")
    client.script_load("return redis.call('INCR', KEYS[1])")
    if way == "blpop":
        lab.master().call("RPUSH", KEY, "a", "b")
    proxy.arm()
    with pytest.raises(errors.ConnectionError):
        work(client)
    assert proxy.cuts == 1
    assert calls(lab, command) == times
    # The next command is independent.
    assert client.get("other") is None
    assert calls(lab, command) == times
    end(client)


@pytest.mark.parametrize("library", LIBRARIES)
def test_unanswered_command_is_sent_again_if_the_callers_retry_says_so(
    lab: Lab, proxy: CuttingProxy, library: str
) -> None:
    errors = importlib.import_module(f"{library}.exceptions")
    retry = importlib.import_module(f"{library}.retry").Retry(
        importlib.import_module(f"{library}.backoff").NoBackoff(), 1
    )
    sentinel = importlib.import_module(f"switchmaster.{library}").Sentinel(
        lab.sentinel_addresses, **options(lab, proxy), retry=retry, retry_on_error=[errors.ConnectionError]
    )
    client = sentinel.master_for("mymaster")
    client.get("other")
    proxy.arm()
    assert client.incr(KEY) == 2
    assert proxy.cuts == 1
    end(client)


IN_LOOP: dict[str, tuple[Callable[[Any], Any], str, int]] = {
    "command": (lambda client: client.incr(KEY), "incrby", 1),
    "pipeline": (lambda client: several(client.pipeline(transaction=False)), "incrby", 2),
    "multi": (lambda client: several(client.pipeline()), "incrby", 2),
    "transaction": (lambda client: transact(client, increments), "incrby", 2),
    "publish": (lambda client: client.publish(KEY, "message"), "publish", 1),
    "script": (lambda client: client.register_script("return redis.call('INCR', KEYS[1])")([KEY]), "incr", 1),
    "lock": (lambda client: client.lock(KEY, timeout=60).acquire(blocking=False), "set", 1),
    "blpop": (lambda client: client.blpop([KEY], 1), "blpop", 1),
}


@pytest.mark.parametrize("way", IN_LOOP)
@pytest.mark.parametrize("library", LIBRARIES)
def test_unanswered_command_in_a_loop_is_not_sent_again(lab: Lab, proxy: CuttingProxy, library: str, way: str) -> None:
    work, command, times = IN_LOOP[way]
    errors = importlib.import_module(f"{library}.exceptions")
    module = importlib.import_module(f"switchmaster.{library}.asyncio")
    if way == "blpop":
        lab.master().call("RPUSH", KEY, "a", "b")

    async def run() -> None:
        sentinel = module.Sentinel(lab.sentinel_addresses, **options(lab, proxy))
        client = sentinel.master_for("mymaster")
        await client.get("other")
        await client.script_load("return redis.call('INCR', KEYS[1])")
        proxy.arm()
        with pytest.raises(errors.ConnectionError):
            await work(client)
        assert await client.get("other") is None
        client.connection_pool.shared_out = False
        await client.aclose()
        await sentinel.aclose()

    asyncio.run(run())
    assert proxy.cuts == 1
    assert calls(lab, command) == times
