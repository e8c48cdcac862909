"""
Clients that know no Sentinel behind a real HAProxy: planned failover, crash, a master that returns, and our own death.

One lab and one proxy for the whole file; the tests come in order.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import find_or_skip
from rig.programs import program_or_skip
from rig.proxies import HOST, LIMIT, ProxyRig, proxied
from switchmaster.lab import Lab, LabServer
from switchmaster.net.haproxy_runtime import HaproxyRuntime, ServerMode, set_mode
from switchmaster.server.api import shapes

pytestmark = pytest.mark.live

MASTER = "mymaster"
DOWN_AFTER = 2.0
PASSWORD = "$HOME%[env(HOME)]{;}`id`|x"
"""Of the nodes; HAProxy's own checks log in with it."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(
        binary=str(find_or_skip("redis-7.0").path),
        masters=(MASTER,),
        down_after_ms=round(DOWN_AFTER * 1000),
        password=PASSWORD,
    ) as lab:
        yield lab


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secret") / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def proxy(lab: Lab, secret: Path) -> Iterator[ProxyRig]:
    with proxied(lab, "--hold", "30", "--failover-wait", "60", "--node-password-file", str(secret)) as rig:
        yield rig


def client_of(port: int, **more: Any) -> redis.Redis:
    return redis.Redis(HOST, port, password=PASSWORD, socket_timeout=LIMIT, **more)


def answered(port: int) -> int:
    """Return the port of the node that answers behind a port of the proxy; 0 if none does."""
    try:
        with client_of(port, single_connection_client=True) as client:
            return int(client.info("server")["tcp_port"])
    except redis.RedisError:
        return 0


def written(port: int) -> int:
    """Write through the proxy, and return the port of the node that took it; 0 if none did."""
    try:
        with client_of(port, single_connection_client=True) as client:
            client.set("proxy", "written")
            return int(client.info("server")["tcp_port"])
    except redis.RedisError:
        return 0


def health(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=LIMIT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def shown_by(url: str, port: int) -> shapes.ProxyLine | None:
    """Return the proxy as the daemon's API shows it, once it is in order and leads to a node."""
    [line] = shapes.ProxyPage.model_validate_json(httpx.get(f"{url}api/v1/proxy", timeout=LIMIT).content).items
    leads = line.address is not None and line.address.port == port
    checked = any(one.master and one.port == port for one in line.checks)
    return line if leads and checked and line.in_sync and line.haproxy.pid else None


def settle(lab: Lab, old: LabServer) -> None:
    """Demote an old master by hand, as Sentinel does 11 s later, and wait until another failover may follow."""
    new = lab.master()
    if new is not old:
        old.call("REPLICAOF", *new.address)
    lab.wait_until_settled(LIMIT)


def set_down_after(lab: Lab, seconds: float) -> None:
    """Change ``down-after-milliseconds`` at all Sentinels."""
    for sentinel in lab.sentinels:
        sentinel.call("SENTINEL", "SET", MASTER, "down-after-milliseconds", round(seconds * 1000), timeout=LIMIT)


def waiting(proxy: ProxyRig) -> bool:
    """Return whether new connections wait in HAProxy."""
    at = HaproxyRuntime(proxy.folder / "master", LIMIT, of_master=True)
    [slot] = [row for row in asyncio.run(at.servers("b-n-mymaster")) if row.server == "slot"]
    return slot.mode is ServerMode.MAINT


def queued(proxy: ProxyRig) -> bool:
    """Return whether a client of the port for writes waits in HAProxy."""
    at = HaproxyRuntime(proxy.folder / "master", LIMIT, of_master=True)
    return asyncio.run(at.connections())["w-n-mymaster"] > 0


class Pusher:
    """One stock client that appends numbers through the proxy, and keeps those that were acknowledged."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.acknowledged: list[int] = []
        self.going = True
        self.thread = threading.Thread(target=self._push)
        self.thread.start()

    def _push(self) -> None:
        number = 0
        with client_of(self.port) as client:
            while self.going:
                number += 1
                try:
                    client.rpush(self.key, number)
                except redis.RedisError:
                    time.sleep(0.001)
                    continue
                self.acknowledged.append(number)

    def close(self) -> None:
        self.going = False
        self.thread.join(LIMIT)


def test_one_port_leads_to_the_master_and_one_to_its_replicas(lab: Lab, proxy: ProxyRig) -> None:
    master, replicas = lab.master(), {node.port for node in lab.replicas()}
    eventually(lambda: written(proxy.writes) == master.port, LIMIT, what="the master behind the port for writes")
    eventually(lambda: answered(proxy.reads) in replicas, LIMIT, what="a replica behind the port for reads")
    assert health(proxy.health, "/livez") == 200
    eventually(lambda: health(proxy.health, "/readyz") == 200, LIMIT, what="readiness")
    assert health(proxy.health, "/other") == 404


def test_a_planned_failover_loses_nothing_and_everybody_follows(lab: Lab, proxy: ProxyRig) -> None:
    old, moves = lab.master(), len(proxy.lines)
    pusher = Pusher(proxy.writes, "planned")
    try:
        eventually(lambda: len(pusher.acknowledged) > 100, LIMIT, what="writes before the failover")
        # Somebody else turns the server off: the client waits in HAProxy's queue until we put it right. HAProxy 2.6
        # does not end a session that has waited with the others of its server.
        ask = HaproxyRuntime(proxy.folder / "master", LIMIT, of_master=True).ask
        asyncio.run(ask(set_mode("b-n-mymaster", "slot", ServerMode.MAINT)))
        so_far = len(pusher.acknowledged)
        eventually(lambda: len(pusher.acknowledged) > so_far + 100, LIMIT, what="writes after a wait")
        lab.failover(MASTER)
        eventually(lambda: written(proxy.writes) not in (0, old.port), LIMIT, what="writes on the new master")
        so_far = len(pusher.acknowledged)
        eventually(lambda: len(pusher.acknowledged) > so_far + 100, LIMIT, what="writes after the failover")
    finally:
        pusher.close()
    kept = {int(number) for number in lab.master().call("LRANGE", "planned", 0, -1)}
    if len(proxy.lines) <= moves + 1:  # else the machine was so late that the Sentinels failed a living master over
        assert set(pusher.acknowledged) <= kept
    settle(lab, old)


def test_a_master_that_restarts_in_place_serves_those_that_waited_for_it(lab: Lab, proxy: ProxyRig) -> None:
    master = lab.master()
    eventually(lambda: written(proxy.writes) == master.port, LIMIT, what="the master behind the port for writes")
    # The Sentinels would need longer than the test: that connections wait is our own doing.
    set_down_after(lab, 10 * LIMIT)
    try:
        lab.crash(master)
        eventually(lambda: waiting(proxy), LIMIT, what="new connections to wait")
        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(written, proxy.writes)
            eventually(lambda: queued(proxy), LIMIT, what="a client in HAProxy's queue")
            lab.restart(master)
            assert served.result(LIMIT) == master.port
    finally:
        set_down_after(lab, DOWN_AFTER)
    lab.wait_until_settled(LIMIT)


def test_after_a_crash_clients_are_led_to_the_promoted_replica(lab: Lab, proxy: ProxyRig) -> None:
    old = lab.master()
    with client_of(proxy.writes) as client:
        client.set("before", "crash")
        lab.crash(old)
        # A new connection is not refused until the Sentinels agree: its only attempt waits, and is answered.
        eventually(lambda: waiting(proxy), LIMIT, what="new connections to wait")
        assert written(proxy.writes) == lab.master().port != old.port

        def after() -> bool:
            client.set("after", "crash")
            return True

        eventually(after, LIMIT, what="a write of the same client after the crash")
        assert int(client.info("server")["tcp_port"]) == lab.master().port != old.port
    eventually(lambda: any(f'"port":{old.port}' in line for line in proxy.lines), LIMIT, what="the move on the output")


def test_a_master_that_returns_is_never_served(lab: Lab, proxy: ProxyRig) -> None:
    old = next((node for node in lab.nodes() if not node.alive), None)
    if old is None:  # the test is tried again
        old = lab.master()
        lab.crash(old)
    eventually(lambda: written(proxy.writes) not in (0, old.port), LIMIT, what="writes on the new master")
    lab.restart(old)
    # Until it is demoted it says that it is a master, as HAProxy's own check would believe.
    eventually(lambda: old.call("ROLE"), LIMIT, what="the old master to answer")
    assert old.port not in {written(proxy.writes) for _ in range(100)}
    settle(lab, old)


def test_haproxy_is_started_again_when_it_is_killed(lab: Lab, proxy: ProxyRig) -> None:
    killed = proxy.pid("master"), proxy.pid("worker")
    assert 0 not in killed
    for pid in killed:
        with suppress(ProcessLookupError):  # the worker ends when its master does
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: proxy.pid("master") not in (0, *killed), LIMIT, what="another HAProxy")
    eventually(lambda: written(proxy.writes) == lab.master().port, LIMIT, what="writes through it")


def test_if_we_are_killed_haproxy_goes_on_and_a_daemon_finds_it(
    lab: Lab, proxy: ProxyRig, secret: Path, tmp_path: Path
) -> None:
    haproxy, old = proxy.pid("master"), lab.master()
    assert proxy.stop(signal.SIGKILL) == -signal.SIGKILL
    assert proxy.pid("master") == haproxy
    lab.crash(old)
    eventually(lambda: written(proxy.writes) not in (0, old.port), LIMIT, what="HAProxy to find the new master itself")
    assert "Traceback" not in "".join(proxy.complaints)
    sentinels = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
    file = tmp_path / "switchmaster.toml"
    file.write_text(
        f"[deployments.kvdb]\nsentinels = {json.dumps(sentinels)}\n"
        f"[deployments.kvdb.node]\npassword_file = {json.dumps(str(secret))}\n"
        f'[journal]\nurl = "sqlite:///{tmp_path}/journal.db"\n'
        f'[proxy]\nwrites = "{HOST}:{proxy.writes}"\nreads = "{HOST}:{proxy.reads}"\n'
        f'folder = "{proxy.folder}"\nprogram = "{program_or_skip("haproxy")}"\n',
        encoding="utf-8",
    )
    with Daemon(tmp_path / "daemon", "--config", str(file)) as daemon:
        daemon.wait_for("HAProxy leads to mymaster")
        assert proxy.pid("master") == haproxy
        eventually(lambda: written(proxy.writes) == lab.master().port, LIMIT, what="writes while the daemon runs")
        shown = eventually(lambda: shown_by(daemon.url, lab.master().port), LIMIT, what="the proxy in the API")
        assert (shown.writes.port, shown.reads and shown.reads.port) == (proxy.writes, proxy.reads)
        assert shown.haproxy.version
        assert PASSWORD not in daemon.log.read_text("utf-8")
        # Its end by SIGTERM is raised again.
        assert daemon.stop() == -signal.SIGTERM
    assert proxy.haproxies() == ()
