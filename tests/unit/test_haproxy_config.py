"""The configuration for HAProxy: hostile names, addresses and passwords are data in it, or are not in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.proxy.haproxy_config import (
    HaproxyPlan,
    ListenTls,
    NodeTls,
    ProxiedMaster,
    configuration,
    names_of,
    slots_for,
    structure,
    up_to,
)

HOSTILE = (
    "a b",
    "a\nserver evil 10.6.6.6:6379",
    "a\r\nglobal",
    'a" #',
    "a'b",
    "a\\",
    "${HOME}",
    "$(reboot)",
    "`id`",
    "%[env(HOME)]",
    "{ nbsrv(x) }",
    "a;b",
    "a/b",
    "#",
    "ä",
    "\udcff",
    "",
    "x" * 500,
)
NODES = (Address("10.0.0.1", 6379), Address("10.0.0.2", 6379), Address("2001:db8::3", 6379))


def plan(name: str = "mymaster", login: tuple[str, ...] = (), nodes: tuple[Address, ...] = NODES) -> HaproxyPlan:
    writes, reads = Address("127.0.0.1", 6379), Address("127.0.0.1", 6380)
    one = ProxiedMaster(name, writes, reads, login, nodes[0] if nodes else None, nodes, nodes[1:], slots=5)
    return HaproxyPlan(Path("/run/p"), (one,), Address("127.0.0.1", 8404))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_no_line(name: str) -> None:
    plain, hostile = configuration(plan("mymaster")), configuration(plan(name))
    key = names_of(name).key
    assert re.fullmatch(r"x-[0-9a-f]{16}", key)
    assert hostile.replace(key, "n-mymaster").splitlines()[1:] == with_socket_of(plain, hostile).splitlines()[1:]


def with_socket_of(text: str, other: str) -> str:
    """Return a text with the name of the socket of another, which is a digest."""
    digest = re.search(r"/occupy-[0-9a-f]{8}", other)
    assert digest is not None
    return re.sub(r"/occupy-[0-9a-f]{8}", digest[0], text)


def test_names_that_differ_have_proxies_that_differ() -> None:
    names = [*HOSTILE, "mymaster", "n-mymaster", names_of("a b").key]
    assert len({names_of(name).key for name in names}) == len(names)


@pytest.mark.parametrize("password", [*HOSTILE[:-2], "p" * 500])
def test_a_password_is_hexadecimal_digits(password: str) -> None:
    text = configuration(plan(login=("user name", password)))
    assert [line for line in text.splitlines() if line.startswith("    tcp-check send-binary")]
    if len(password) > 4:
        assert password not in text
    sent = re.findall(r"send-binary ([0-9a-f]+)\n", text)
    assert password.encode("utf-8", "surrogateescape") in bytes.fromhex(sent[0])


@pytest.mark.parametrize("host", ["db1", "10.0.0.1 disabled", "10.0.0.1\nserver x", "", "fe80::1%eth0\n", "0x7f.1"])
def test_only_ip_addresses_are_written(host: str) -> None:
    with pytest.raises(UsageError):
        configuration(plan(nodes=(Address(host, 6379),)))


def test_servers_begin_where_the_nodes_are_and_spare_ones_are_off() -> None:
    lines = [line.strip() for line in configuration(plan()).splitlines()]
    assert any(line.startswith("server slot ipv4@10.0.0.1:6379 check") for line in lines)
    assert sum(line.startswith("server c") for line in lines) == 5
    assert any(line.startswith("server c3 ipv6@[2001:db8::3]:6379 check") for line in lines)
    assert sum("192.0.2.1:1 disabled" in line for line in lines) == 2 + 3


def test_a_move_changes_no_structure_and_a_port_or_password_does() -> None:
    moved = plan(nodes=NODES[::-1])
    assert configuration(moved) != configuration(plan())
    assert structure(moved) == structure(plan())
    assert structure(plan(nodes=())) == structure(plan())
    assert structure(plan(login=("secret",))) != structure(plan())
    assert structure(plan("other")) != structure(plan())


def test_spare_servers_take_new_nodes_without_a_reload() -> None:
    assert slots_for(1) == 4
    assert slots_for(3) == 5
    assert slots_for(5, had=5) == 5
    assert slots_for(6, had=5) == 8
    with pytest.raises(UsageError):
        configuration(plan(nodes=tuple(Address("10.0.0.1", port) for port in range(1, 8))))


@pytest.mark.parametrize("most", [0, 1, 7, 9, 10, 15, 19, 20, 99, 100, 345, 1000, 86_400])
def test_the_lag_is_compared_as_a_number(most: int) -> None:
    pattern = re.compile(up_to(most))
    beyond = {most + 1, most + 9, most * 10, most * 10 + 1, 10 ** len(str(most))} - {0}
    for number in {*range(0, most + 1, max(1, most // 2000)), most}:
        assert pattern.fullmatch(str(number)), number
    for number in beyond - set(range(most + 1)):
        assert not pattern.fullmatch(str(number)), number


def test_every_server_and_port_for_clients_speaks_tls_if_asked_to() -> None:
    ca, cert, listen = Path("/run/p/tls-ca-1.pem"), Path("/run/p/tls-node-1.pem"), Path("/run/p/tls-listen-1.pem")
    plain = plan()
    [one] = plain.masters
    both = replace(
        plain, masters=(replace(one, tls=NodeTls("redis.example", ca, cert)),), tls=ListenTls(listen, client_ca=ca)
    )
    lines = [line.strip() for line in configuration(both).splitlines()]
    nodes = [line for line in lines if line.startswith(("server slot", "server c", "server s"))]
    checked = (
        f"ssl verify required verifyhost redis.example sni str(redis.example) check-sni redis.example ca-file {ca} "
        f"crt {cert}"
    )
    assert len(nodes) == 1 + 5 + 5 + 1  # and HAProxy's check of ourselves
    assert sum(line.endswith(checked) for line in nodes) == 1 + 5 + 5
    binds = [line for line in lines if line.startswith("bind ipv4@127.0.0.1:63")]
    served = f"ssl crt {listen} ca-file {ca} verify required"
    assert binds == [f"bind ipv4@127.0.0.1:{port} {served}" for port in (6379, 6380)]
    assert "bind ipv4@127.0.0.1:8404" in lines
    assert structure(both) != structure(plain)
    system = configuration(replace(plain, masters=(replace(one, tls=NodeTls("redis.example")),)))
    assert "ca-file @system-ca" in system
    trusting = configuration(replace(plain, masters=(replace(one, tls=NodeTls(None)),)))
    assert "ssl verify none" in trusting
    assert "verify required" not in trusting
