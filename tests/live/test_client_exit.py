"""
The interpreter's exit while clients are in use: without any cleanup it is quiet, quick and a success.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from rig.client_lab import wait_for_subscribers
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=1) as lab:
        yield lab


MAIN = """
client = Sentinel(addresses).master_for("mymaster")
print(client.ping())
"""
DAEMONS = """
import threading
client = Sentinel(addresses).master_for("mymaster")
begun = threading.Barrier(4)
def work():
    client.incr("n")
    begun.wait()
    while True:
        client.incr("n")
def block():
    client.incr("n")
    begun.wait()
    client.blpop("never", 0)
for target in (work, work, block):
    threading.Thread(target=target, daemon=True).start()
begun.wait()
print(client.ping())
"""
LISTENER = """
client = Sentinel(addresses).master_for("mymaster")
listener = client.pubsub()
listener.subscribe(channel=lambda message: None)
thread = listener.run_in_thread(sleep_time=0.1, daemon=True)
print(client.ping())
"""
FINALIZER = """
class Owner:
    def __init__(self):
        self.client = Sentinel(addresses).master_for("mymaster")
        self.itself = self
        self.client.set("begun", 1)
    def __del__(self):
        print(self.client.set("last", "word"))
owner = Owner()
"""
AT_EXIT = """
import atexit
sentinel = Sentinel(addresses)
client = sentinel.master_for("mymaster")
@atexit.register
def last():
    client.set("last", "words")
    print(client.ping(), sentinel.discover_master("mymaster")[0] == "127.0.0.1")
"""
AT_EXIT_FIRST = """
import atexit
client = Sentinel(addresses).master_for("mymaster")
print(client.ping())
@atexit.register
def last():
    assert client.get("nothing") is None
"""
ATEXIT_BEFORE_IMPORT = """
client = Sentinel(addresses).master_for("mymaster")
print(client.ping())
holder.append(client)
"""
IN_LOOP = """
import asyncio
from switchmaster.redis.asyncio import Sentinel as InLoop
sentinel = InLoop(addresses)
async def main():
    client = sentinel.master_for("mymaster")
    print(await client.ping())
    await client.aclose()
asyncio.run(main())
"""
EXITS = {
    "main thread": MAIN,
    "daemon threads": DAEMONS,
    "finalizer": FINALIZER,
    "listener": LISTENER,
    "begun in atexit": AT_EXIT,
    "used in atexit": AT_EXIT_FIRST,
    "used in the oldest atexit": ATEXIT_BEFORE_IMPORT,
    "loop": IN_LOOP,
}
LAST_LINE = """
import time
print("at", time.monotonic(), flush=True)
"""
EXIT_LIMIT = 20.0
HEAD = """
import atexit, sys
holder = []
@atexit.register
def oldest():
    for client in holder:
        client.set("oldest", "handler")
from switchmaster.redis import Sentinel
addresses = [("127.0.0.1", int(port)) for port in sys.argv[1:]]
"""


@pytest.mark.parametrize("warnings", [[], ["-W", "error"]], ids=["plain", "warnings are errors"])
def test_interpreter_ends_quietly_and_quickly(lab: Lab, warnings: list[str]) -> None:
    ports = [str(port) for _, port in lab.sentinel_addresses]
    running = {
        name: subprocess.Popen(
            [sys.executable, *warnings, "-c", HEAD + script + LAST_LINE, *ports],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name, script in EXITS.items()
    }  # fmt: skip
    for name, process in running.items():
        said, complaint = process.communicate(timeout=100)
        assert (name, process.returncode, complaint) == (name, 0, "")
        ended = time.monotonic()
        words = said.split()
        assert "True" in words
        # One clock for all processes; generous, since all end at once on two cores.
        assert ended - float(words[words.index("at") + 1]) < EXIT_LIMIT
    wait_for_subscribers(lab, 0)
