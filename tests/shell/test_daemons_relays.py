"""Two daemons on one journal: the relay of each names the other's to its clients."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from peers.sentinel_thread import SentinelThread
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.postgres import running_postgres

LIMIT = 60.0
ANNOUNCED = ("192.0.2.1", "192.0.2.2")


def relays_named_by(daemon: Daemon) -> list[str]:
    """Return the hosts of the other relays, as a daemon's relay names them; empty while it knows no master."""
    _, _, port = daemon.wait_for("the relay of kv listens on")["message"].rpartition(":")
    with redis.Redis("127.0.0.1", int(port), decode_responses=True, socket_timeout=LIMIT) as client:
        try:
            return [one["ip"] for one in client.sentinel_sentinels("mymaster")]
        except redis.ResponseError:
            return []


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def test_the_relays_of_daemons_on_one_journal_name_each_other(database: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/journal.db"
        if database == "postgresql":
            (tmp_path / "pg").mkdir()
            url = stack.enter_context(running_postgres(tmp_path / "pg")).url
        sentinel = SentinelThread()
        stack.callback(sentinel.close)
        daemons = []
        for host in ANNOUNCED:
            file = tmp_path / f"{host}.toml"
            file.write_text(
                f'[deployments.kv]\nsentinels = ["{sentinel.peer.address}"]\n'
                f'[relay]\nlisten = "127.0.0.1:0"\nannounce = "{host}:26379"\n'
                f'[journal]\nurl = "{url}"\nobserver = "{host}"\n'
            )
            daemon = Daemon(tmp_path / host, "--config", str(file))
            stack.callback(daemon.close)
            daemons.append(daemon.start(wait=False))
        others = [[host] for host in reversed(ANNOUNCED)]
        eventually(lambda: [relays_named_by(one) for one in daemons] == others, LIMIT, what="both to name the other")
