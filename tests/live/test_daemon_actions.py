"""
Two daemons on one PostgreSQL, one of which is killed with SIGKILL during failovers: every switch is delivered.

SWITCHMASTER_TEST_ACTION_FAILOVERS sets the number of failovers; the full proof is 50 (`make proofs`).
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import LabFactory
from rig.postgres import running_postgres
from switchmaster.journal import Reader, open_reader
from switchmaster.lab import Lab

FAILOVERS = int(os.environ.get("SWITCHMASTER_TEST_ACTION_FAILOVERS", "2"))

pytestmark = [pytest.mark.live, pytest.mark.timeout(120 + 30 * FAILOVERS)]

LIMIT = 60.0
APPEND = """#!/bin/sh
# A second one at the same time finds the lock taken; one that is killed lets it go.
exec 9>"$1/lock"
flock -n 9 || { echo "$SWITCHMASTER_DELIVERY" >>"$1/together"; exit 2; }
sleep 0.05
echo "$SWITCHMASTER_DELIVERY $SWITCHMASTER_NEW_PORT" >>"$1/script"
"""


class Appending:
    """A receiver that appends what it gets, and fails each third request after it has."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(500 if len(receiver.got) % 3 == 0 else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def appending() -> Iterator[Appending]:
    receiver = Appending()
    yield receiver
    receiver.close()


def configuration(folder: Path, lab: Lab, journal: str, observer: str, url: str) -> Path:
    script = folder / "append.sh"
    script.write_text(APPEND)
    script.chmod(0o755)
    file = folder / f"{observer}.toml"
    sentinels = json.dumps([f"{host}:{port}" for host, port in lab.sentinel_addresses])
    file.write_text(
        f"[deployments.kvdb]\nsentinels = {sentinels}\n"
        f"[journal]\nurl = {json.dumps(journal)}\nobserver = {json.dumps(observer)}\n"
        f'[[actions]]\nname = "hook"\ntype = "webhook"\nurl = {json.dumps(url)}\n'
        f'[[actions]]\nname = "append"\ntype = "script"\nevery = true\narguments = false\n'
        f"argv = {json.dumps([str(script), str(folder)])}\n"
    )
    return file


def ports_of(reader: Reader) -> list[int]:
    """The new ports of all switches that were recorded, oldest first: an epoch may be unknown after a restart."""
    return [line["new"]["port"] for line in reader.switches(limit=1000).items[::-1]]


def each_once(given: list[Any]) -> list[Any]:
    """Leave out what repeats the one before it: a delivery that was made again."""
    return given[:1] + [later for before, later in pairwise(given) if later != before]


def test_killed_daemon_loses_no_delivery(lab_factory: LabFactory, tmp_path: Path, appending: Appending) -> None:
    chance = random.Random(16)
    folder = tmp_path / "pg"
    folder.mkdir()
    with (
        running_postgres(folder) as postgres,
        lab_factory(replicas=2, down_after_ms=2000) as lab,
    ):
        files = [configuration(tmp_path, lab, postgres.url, name, appending.url) for name in ("one", "two")]
        daemons = [Daemon(tmp_path / file.stem, "--config", str(file)) for file in files]
        reader = open_reader(postgres.url)
        try:
            for daemon in daemons:
                daemon.start()
            eventually(lambda: len(reader.masters()) == 1, LIMIT, what="the master to be known")
            for number in range(1, FAILOVERS + 1):
                _fail_over(lab, reader, number, chance.choice(daemons), chance.random() * 0.1, chance)
            everything = ports_of(reader)
            posted = lambda: [(one["id"], one["data"]["new"]["port"]) for one in list(appending.got)]  # noqa: E731
            for delivered in (posted, lambda: _lines(tmp_path)):
                eventually(lambda found=delivered: len(each_once([id for id, _ in found()])) >= len(everything), LIMIT)
            _check(posted(), everything)
            _check(_lines(tmp_path), everything)
            assert not (tmp_path / "together").exists()
            eventually(lambda: {line["state"] for line in reader.reactions().items} == {"done"}, LIMIT)
            posts, runs = len(posted()), len(_lines(tmp_path))
            print(f"{FAILOVERS} failovers, a daemon killed in each: {len(everything)} switches")
            print(f"the webhook was called {posts} times, the script ran {runs} times")
        finally:
            for daemon in daemons:
                daemon.close()
            reader.close()


def _fail_over(lab: Lab, reader: Reader, number: int, killed: Daemon, after: float, chance: random.Random) -> None:
    """Fail the master over, and kill a daemon about when it carries the switch out; start it again."""
    old = lab.master()
    index = chance.randrange(3)
    # It refuses while its own last failover is not over.
    eventually(lambda: lab.sentinel_command(index, "SENTINEL", "FAILOVER", "mymaster"), LIMIT, what="the order")
    if chance.random() < 0.7:
        eventually(lambda: len(ports_of(reader)) >= number, LIMIT, 0.005, what="the switch in the journal")
    threading.Event().wait(after)
    killed.kill()
    eventually(lambda: len(ports_of(reader)) >= number, LIMIT, what="the switch in the journal")
    killed.start(wait=False)
    make_ready(lab, old)


def _lines(folder: Path) -> list[tuple[str, int]]:
    file = folder / "script"
    found = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [(id, int(port)) for id, port in found]


def _check(delivered: list[tuple[str, int]], everything: list[int]) -> None:
    assert each_once([port for _, port in delivered]) == everything, delivered
    assert len({id for id, _ in delivered}) == len(everything)
