"""
The proxy between clients and nodes that both speak TLS: HAProxy verifies the nodes as the Watcher does.

A proof on demand, ``make proofs``: pytest does not collect this file by itself.
"""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.proxies import HOST, LIMIT, proxied
from switchmaster.lab.certificates import Certificates
from switchmaster.net.haproxy_runtime import HaproxyRuntime

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

NAME = "localhost"
"""The one DNS name in the lab's certificates."""


def written(port: int, certificates: Certificates) -> int:
    """Write over TLS, and return the port of the node that took it."""
    client = redis.Redis(
        HOST,
        port,
        ssl=True,
        ssl_ca_certs=str(certificates.ca),
        ssl_certfile=str(certificates.client),
        ssl_keyfile=str(certificates.client_key),
        socket_timeout=LIMIT,
        single_connection_client=True,
    )
    with client:
        client.set("proxy", "over TLS")
        return int(client.info("server")["tcp_port"])


def plain_client(port: int) -> redis.Redis:
    """Return a client without TLS that tries once."""
    return redis.Redis(HOST, port, socket_timeout=LIMIT, retry=Retry(NoBackoff(), 0))


def check_of(folder: Path) -> str:
    """Return how HAProxy's last check of the believed server ended."""
    answer = asyncio.run(HaproxyRuntime(folder / "master", LIMIT, of_master=True).ask("show stat"))
    rows = csv.DictReader(answer[2:].splitlines())
    return next(row["check_status"] for row in rows if row["svname"] == "slot")


def test_clients_and_nodes_speak_tls_and_a_node_must_have_the_name(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), tls=True, tls_client_auth=True, down_after_ms=2000)
    certificates = lab.certificates
    assert certificates is not None
    trust = (f"-ca={certificates.ca}", f"-cert={certificates.client}", f"-key={certificates.client_key}")
    access = [f"--{who}tls{one}" for who in ("", "node-") for one in trust]
    served = (
        *("--listen-cert", certificates.server, "--listen-key", certificates.server_key),
        *("--listen-client-ca", certificates.ca),
    )
    with proxied(lab, *access, *map(str, served), "--node-tls-server-name", NAME) as proxy:
        old = lab.master()
        eventually(lambda: written(proxy.writes, certificates) == old.port, LIMIT, what="the master over TLS")
        eventually(lambda: check_of(proxy.folder) == "L7OK", LIMIT, what="HAProxy's own check over TLS")
        with pytest.raises(redis.RedisError), plain_client(proxy.writes) as client:
            client.ping()
        lab.failover()
        eventually(lambda: written(proxy.writes, certificates) == lab.master().port != old.port, LIMIT, what="the move")
    short = ("--failover-wait", "1", "--hold", "1")  # a connection waits no longer when HAProxy has given the node up
    with proxied(lab, *access, *short, "--node-tls-server-name", "elsewhere.example") as proxy:
        eventually(lambda: check_of(proxy.folder).startswith("L6"), LIMIT, what="a failed handshake")
        with pytest.raises(redis.RedisError), plain_client(proxy.writes) as client:
            client.ping()
