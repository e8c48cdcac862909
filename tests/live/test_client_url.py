"""
How a client of the drop-in is configured: URLs, TLS, passwords, and what changes an address before it is dialled.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.valkey
import switchmaster.valkey.asyncio
from rig.client_lab import end, go_through_failover, make_ready
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.errors import UsageError
from switchmaster.lab import FaultyProxy, Lab
from switchmaster.model import Address

pytestmark = pytest.mark.live

SECRET, SENTINEL_SECRET = "n0de&secret", "s3ntinel?secret"
Sentinel, AsyncSentinel = switchmaster.redis.Sentinel, switchmaster.redis.asyncio.Sentinel


@pytest.fixture(scope="module")
def plain() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=3000, failover_timeout_ms=5000) as lab:
        yield lab


@pytest.fixture(scope="module")
def guarded() -> Iterator[Lab]:
    """A lab with TLS only, client certificates, and two passwords."""
    with Lab(
        binary=str(find_or_skip("redis-7.0").path),
        down_after_ms=3000,
        failover_timeout_ms=5000,
        tls=True,
        tls_client_auth=True,
        password=SECRET,
        sentinel_password=SENTINEL_SECRET,
    ) as lab:
        yield lab


def hosts(lab: Lab) -> str:
    return ",".join(str(Address(*address)) for address in lab.sentinel_addresses)


def guarded_query(lab: Lab) -> str:
    assert lab.certificates is not None
    files = {"ca": lab.certificates.ca, "cert": lab.certificates.client, "key": lab.certificates.client_key}
    said = {"sentinel_password": SENTINEL_SECRET} | {name: str(file) for name, file in files.items()}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in said.items())


def guarded_url(lab: Lab, scheme: str = "rediss+sentinel") -> str:
    return f"{scheme}://default:{quote(SECRET)}@{hosts(lab)}/mymaster/0?{guarded_query(lab)}"


def guarded_arguments(lab: Lab) -> dict[str, Any]:
    assert lab.certificates is not None
    tls = {
        "ssl": True,
        "ssl_ca_certs": str(lab.certificates.ca),
        "ssl_certfile": str(lab.certificates.client),
        "ssl_keyfile": str(lab.certificates.client_key),
    }
    return {"password": SECRET, "sentinel_kwargs": {"password": SENTINEL_SECRET, **tls}, **tls}


async def end_in_loop(client: Any) -> None:
    await client.connection_pool.sentinel_manager.aclose()
    await client.aclose()


# -- URLs -------------------------------------------------------------------------------------------


def test_url_is_equal_to_the_arguments(plain: Lab) -> None:
    query = (
        "hold=1.5&failover_wait=5&drain=0.25&timeout=0.75&socket_timeout=2.5&protocol=3&client_name=by-url"
        "&health_check_interval=9&max_connections=7"
    )
    client = switchmaster.redis.from_url(f"redis+sentinel://{hosts(plain)}/mymaster/3?{query}", decode_responses=True)
    pool = client.connection_pool
    options = pool.route.options
    assert (options.hold, options.failover_wait, options.drain) == (1.5, 5.0, 0.25)
    said = {name: pool.connection_kwargs[name] for name in ("db", "socket_timeout", "protocol", "client_name")}
    assert said == {"db": 3, "socket_timeout": 2.5, "protocol": 3, "client_name": "by-url"}
    assert (pool.max_connections, pool.connection_kwargs["health_check_interval"]) == (7, 9)
    assert pool.route.shared.settings.timeout == 0.75
    assert client.set("where", "three")
    assert client.get("where") == "three"
    assert client.client_getname() == "by-url"
    plain.master().call("PING")
    with plain.master().client() as direct:
        direct.call("SELECT", 3)
        assert direct.call("GET", "where") == "three"
    end(client)


@pytest.mark.parametrize(
    ("module", "scheme"), [(switchmaster.redis, "redis"), (switchmaster.valkey, "valkey")], ids=["redis", "valkey"]
)
def test_url_gives_a_client_for_the_replicas(plain: Lab, module: Any, scheme: str) -> None:
    make_ready(plain)
    url = f"{scheme}+sentinel://{hosts(plain)}/mymaster"
    for role, answer in (("master", "master"), ("replica", "slave")):
        client = module.from_url(f"{url}?role={role}", decode_responses=True)
        assert client.role()[0] == answer
        end(client)
    with module.Sentinel.from_url(url) as sentinel:
        assert sentinel.discover_master("mymaster") == plain.master().address
    with pytest.raises(UsageError, match="names no master"):
        module.from_url(f"{scheme}+sentinel://{hosts(plain)}")
    with pytest.raises(UsageError, match="role must be"):
        module.from_url(f"{url}?role=both")


def test_url_gives_clients_for_loops(plain: Lab) -> None:
    async def work(module: Any, scheme: str) -> None:
        client = module.from_url(f"{scheme}+sentinel://{hosts(plain)}/mymaster/2?socket_timeout=3")
        assert await client.set("loop", scheme)
        assert await client.get("loop") == scheme.encode()
        await end_in_loop(client)

    asyncio.run(work(switchmaster.redis.asyncio, "redis"))
    asyncio.run(work(switchmaster.valkey.asyncio, "valkey"))


def test_url_keeps_the_credentials_of_nodes_and_sentinels_apart() -> None:
    url = "redis+sentinel://user:pa%20ss@h1:26379,h2/m?sentinel_username=watcher&sentinel_password=other"
    sentinel = Sentinel.from_url(f"{url}&node_tls=1&ca=/nodes.pem")
    settings = sentinel._shared.settings
    assert (settings.node.username, settings.node.password) == ("user", "pa ss")
    assert (settings.sentinel.username, settings.sentinel.password) == ("watcher", "other")
    assert (settings.node.tls is None, settings.sentinel.tls is None) == (False, True)
    assert sentinel.connection_kwargs["ssl_ca_certs"] == "/nodes.pem"
    assert [str(address) for address in settings.sentinels] == ["h1:26379", "h2:26379"]
    turned = Sentinel.from_url(f"{url}&sentinel_tls=1&sentinel_ca=/sentinels.pem")._shared.settings
    assert (turned.node.tls is None, turned.sentinel.tls is None) == (True, False)
    none = Sentinel.from_url("redis+sentinel://user:pass@h1/m")._shared.settings
    assert (none.sentinel.username, none.sentinel.password) == (None, None)


def test_url_opens_tls_by_the_library_s_own_parameters(guarded: Lab) -> None:
    assert guarded.certificates is not None
    files = guarded.certificates
    said = {"ssl_ca_certs": files.ca, "ssl_certfile": files.client, "ssl_keyfile": files.client_key}
    query = "&".join(f"{name}={quote(str(file), safe='')}" for name, file in said.items())
    query += (
        f"&ssl_check_hostname=0&ssl_cert_reqs=required&decode_responses=1&sentinel_password={quote(SENTINEL_SECRET)}"
    )
    client = switchmaster.redis.from_url(f"rediss+sentinel://:{quote(SECRET)}@{hosts(guarded)}/mymaster?{query}")
    assert client.set("k", "v")
    assert client.get("k") == "v"
    assert client.connection_pool.sentinel_manager.watcher.hearing
    end(client)


WRONG = {
    "another scheme": "redis://u:s3cret@h1:6379/0",
    "no host": "redis+sentinel://u:s3cret@/mymaster",
    "password without an end": "redis+sentinel://u:s3cret/h1:26379/mymaster@h2",
    "password as a port": "redis+sentinel://h1:s3cret/mymaster",
    "unknown parameter": "redis+sentinel://u:s3cret@h1/mymaster?sentinel_pasword=s3cret",
    "odd parameter": "redis+sentinel://u:s3cret@h1/mymaster?S3CRET-s3cret=1",
    "twice": "redis+sentinel://u:s3cret@h1/mymaster?sentinel_password=s3cret&sentinel_password=s3cret",
    "part after #": "redis+sentinel://u:s3#cret@h1/mymaster?sentinel_password=s3cret",
    "database": "redis+sentinel://u:s3cret@h1/mymaster/s3cret",
    "number": "redis+sentinel://u:s3cret@h1/mymaster?hold=s3cret",
    "library's number": "redis+sentinel://u:s3cret@h1/mymaster?socket_timeout=s3cret",
    "negative": "redis+sentinel://u:s3cret@h1/mymaster?drain=-1",
    "timeout": "redis+sentinel://u:s3cret@h1/mymaster?timeout=s3cret",
    "role": "redis+sentinel://u:s3cret@h1/mymaster?role=s3cret",
    "switch": "redis+sentinel://u:s3cret@h1/mymaster?node_tls=s3cret",
    "files without TLS": "redis+sentinel://u:s3cret@h1/mymaster?ca=/ca.pem",
    "server name": "rediss+sentinel://u:s3cret@h1/mymaster?server_name=s3cret.example",
}


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("from_url", [switchmaster.redis.from_url, switchmaster.valkey.asyncio.from_url])
def test_wrong_url_is_a_usage_error_that_shows_no_password(url: str, from_url: Any) -> None:
    with pytest.raises(UsageError) as caught:
        from_url(url)
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in f"{caught.value!r} {shown}".lower()


# -- TLS and passwords ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["url", "arguments"])
def test_clients_follow_over_tls_with_passwords(guarded: Lab, how: str) -> None:
    def client_of(module: Any) -> Any:
        if how == "url":
            return module.from_url(guarded_url(guarded))
        return module.Sentinel(guarded.sentinel_addresses, **guarded_arguments(guarded)).master_for("mymaster")

    client = client_of(switchmaster.redis)
    go_through_failover(guarded, client, lambda: client_of(switchmaster.redis.asyncio), begin=how)
    assert client.connection_pool.route.shared.watcher.counters["link_resp_errors"] == 0
    assert client.connection_pool.sentinel_manager.counters["connections_cut"] >= 1
    end(client)


def test_valkey_py_follows_over_tls_with_passwords(guarded: Lab) -> None:
    # valkey-py checks no host name by default; its URLs are the same.
    client = switchmaster.valkey.from_url(guarded_url(guarded, "valkeys+sentinel"))
    replica = switchmaster.valkey.from_url(f"{guarded_url(guarded)}&role=replica")
    # The master answers if no replica is known to be in step.
    eventually(lambda: replica.role()[0] in (b"slave", "slave"), 30, what="a replica's answer")
    go_through_failover(
        guarded, client, lambda: switchmaster.valkey.asyncio.from_url(guarded_url(guarded)), begin="valkey"
    )
    for each in (client, replica):
        end(each)


def test_error_says_what_was_wrong_and_never_shows_the_password(guarded: Lab) -> None:
    wrong = guarded_url(guarded).replace(quote(SENTINEL_SECRET, safe=""), "wr0ng")
    client = switchmaster.redis.from_url(wrong, failover_wait=0)
    with pytest.raises(switchmaster.redis.NoSentinelReachable, match="password") as caught:
        client.ping()
    end(client)
    plain_text = switchmaster.redis.from_url(f"redis+sentinel://{hosts(guarded)}/mymaster", failover_wait=0)
    with pytest.raises(switchmaster.redis.NoSentinelReachable) as other:
        plain_text.ping()
    end(plain_text)
    nodes = switchmaster.redis.from_url(guarded_url(guarded).replace(quote(SECRET), "wr0ng"), failover_wait=5)
    with pytest.raises(switchmaster.redis.Sentinel.library.exceptions.AuthenticationError) as refused:
        nodes.ping()
    end(nodes)
    for error in (caught.value, other.value, refused.value):
        assert not [word for word in (SECRET, SENTINEL_SECRET, "wr0ng") if word in f"{error} {error!r}"]


# -- between an address and a dial ------------------------------------------------------------------


def test_forced_host_is_dialled_instead_of_the_master_s(plain: Lab) -> None:
    with Sentinel(plain.sentinel_addresses, force_master_ip="localhost") as sentinel:
        port = plain.master().port
        assert sentinel.discover_master("mymaster") == ("localhost", port)
        client = sentinel.master_for("mymaster")
        connection = client.connection_pool.get_connection()
        assert (connection.host, connection.port) == ("localhost", port)
        client.connection_pool.release(connection)
        go_through_failover(plain, client, begin="forced")
        assert sentinel.discover_master("mymaster") == ("localhost", plain.master().port)
        client.close()

    async def work() -> None:
        async with AsyncSentinel(plain.sentinel_addresses, force_master_ip="localhost") as in_loop:
            assert await in_loop.discover_master("mymaster") == ("localhost", plain.master().port)

    asyncio.run(work())


def test_sentinels_that_know_too_few_others_are_not_believed(plain: Lab) -> None:
    with Sentinel(plain.sentinel_addresses, min_other_sentinels=2) as enough:
        assert enough.discover_master("mymaster") == plain.master().address
        client = enough.master_for("mymaster")
        assert client.ping()
        client.close()
    with Sentinel(plain.sentinel_addresses, min_other_sentinels=3, failover_wait=0.5) as sentinel:
        with pytest.raises(switchmaster.redis.MasterNotFoundError, match="min_other_sentinels"):
            sentinel.discover_master("mymaster")
        client = sentinel.master_for("mymaster")
        with pytest.raises(switchmaster.redis.MasterNotFoundError, match="min_other_sentinels"):
            client.ping()
        client.close()

    async def work() -> None:
        async with AsyncSentinel(plain.sentinel_addresses, min_other_sentinels=3, failover_wait=0) as sentinel:
            client = sentinel.master_for("mymaster")
            for asking in (sentinel.discover_master("mymaster"), client.ping()):
                with pytest.raises(switchmaster.redis.asyncio.MasterNotFoundError):
                    await asking
            await client.aclose()

    asyncio.run(work())


def test_address_map_holds_for_nodes_and_sentinels(plain: Lab) -> None:
    with ExitStack() as stack:
        proxies = {each.address: stack.enter_context(FaultyProxy(each.address)) for each in plain.servers}
        table = {address: proxy.address for address, proxy in proxies.items()}
        with Sentinel(plain.sentinel_addresses, address_map=table) as sentinel:
            assert sentinel.discover_master("mymaster") == table[plain.master().address]
            # The first Sentinel that answers may not have asked both replicas since they are in sync.
            there = sorted(table[node.address] for node in plain.replicas())
            eventually(lambda: sorted(sentinel.discover_slaves("mymaster")) == there, 30, what="both replicas")
            client = sentinel.master_for("mymaster")
            used = [*plain.sentinels, plain.master()]
            go_through_failover(plain, client, begin="mapped")
            used.append(plain.master())
            assert sentinel.discover_master("mymaster") == table[plain.master().address]
            eventually(
                lambda: all(proxies[each.address].counters.accepted for each in used),
                what="connections through the proxies",
            )
            client.close()
    with Sentinel(plain.sentinel_addresses, address_map=lambda address: ("localhost", address[1])) as sentinel:
        assert sentinel.discover_master("mymaster") == ("localhost", plain.master().port)
        client = sentinel.master_for("mymaster")
        assert client.ping()
        client.close()


@pytest.mark.parametrize("options", [{"host": "::1"}, {"hostnames": True}], ids=["ipv6", "names"])
def test_clients_follow_by_ipv6_and_by_names(lab_factory: LabFactory, options: dict[str, Any]) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), down_after_ms=3000, **options)
    url = f"redis+sentinel://{hosts(lab)}/mymaster"
    client = switchmaster.redis.from_url(url)
    go_through_failover(lab, client, lambda: switchmaster.redis.asyncio.from_url(url))
    sentinel = client.connection_pool.sentinel_manager
    assert sentinel.discover_master("mymaster") == lab.master().address
    assert sentinel.discover_master("mymaster")[0] == lab.options.announced_host
    end(client)
