"""
HAProxy's configuration, written from values.

Names of masters come from the network: a name that is not made of letters, digits, ``_``, ``.`` and ``-`` alone is
replaced by its digest. Addresses are IP addresses. Passwords are hexadecimal digits. So nothing in a value can end a
line, a word or a quotation.

Pure: no I/O, no clock. Sources: HAProxy's configuration manual, version 2.6; Redis' ``INFO`` and ``ROLE``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..model import Address
from ..wire.resp import encode

__all__ = [
    "HaproxyPlan",
    "ListenTls",
    "NodeTls",
    "ProxiedMaster",
    "ProxyNames",
    "configuration",
    "names_of",
    "structure",
]

CHECK_SECONDS: Final = 1
"""Seconds between two of HAProxy's checks of a node."""
SPARE_SLOTS: Final = 2
"""Servers without a node, so that a new node needs no reload."""
LEAST_SLOTS: Final = 4
WORKER_SOCKET: Final = "worker"
"""The socket of the current worker's runtime API, in the folder."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class ProxyNames:
    """What one master's proxies and servers are called in HAProxy."""

    key: str
    """Made of letters, digits, ``_``, ``.`` and ``-``; different for different masters."""

    @property
    def believed(self) -> str:
        """The backend whose server we move."""
        return f"b-{self.key}"

    @property
    def classic(self) -> str:
        """The backend of all nodes, for when we are gone."""
        return f"c-{self.key}"

    @property
    def reads(self) -> str:
        """The backend of the replicas."""
        return f"s-{self.key}"


SLOT: Final = "slot"
"""The server that we move."""
WALL: Final = "wall"
"""The server without room."""


def names_of(master: str) -> ProxyNames:
    """Return what a master's proxies are called."""
    if _PLAIN.fullmatch(master):
        return ProxyNames(f"n-{master}")
    return ProxyNames(f"x-{hashlib.sha256(master.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}")


@dataclass(frozen=True, slots=True)
class NodeTls:
    """How HAProxy speaks TLS to nodes."""

    server_name: str | None
    """The name that each node's certificate must have; None to trust any server."""
    ca: Path | None = None
    """The trusted authorities; None for the system's."""
    cert: Path | None = None
    """HAProxy's certificate with its key; None if the nodes want none."""


@dataclass(frozen=True, slots=True)
class ListenTls:
    """How HAProxy speaks TLS to clients."""

    cert: Path
    """The certificate with its key."""
    client_ca: Path | None = None
    """The authorities of which clients must show a certificate; None if they need none."""


@dataclass(frozen=True, slots=True)
class ProxiedMaster:
    """One master and where its servers begin; all addresses are IP addresses."""

    name: str
    writes: Address
    """Where HAProxy listens for those who write."""
    reads: Address | None = None
    """Where it listens for those who read; None if nowhere."""
    login: tuple[str, ...] = field(default=(), repr=False)
    """The words after AUTH for HAProxy's own checks: none, a password, or a user and a password."""
    at: Address | None = None
    """Where the master is; None if that is not known."""
    nodes: tuple[Address, ...] = ()
    """All its nodes, the master included."""
    readable: tuple[Address, ...] = ()
    """The replicas that may be read from."""
    slots: int = 0
    """Servers for nodes; at least `slots_for`."""
    tls: NodeTls | None = None
    """How HAProxy speaks TLS to its nodes; None if it does not."""


def slots_for(nodes: int, had: int = 0) -> int:
    """Return how many servers a master with that many nodes should have; not fewer than it had."""
    return had if LEAST_SLOTS <= had and nodes <= had else max(LEAST_SLOTS, nodes + SPARE_SLOTS)


@dataclass(frozen=True, slots=True)
class HaproxyPlan:
    """Everything that a configuration is written from."""

    folder: Path
    """Where the sockets are."""
    masters: tuple[ProxiedMaster, ...]
    health: Address | None = None
    max_lag: float = 15.0
    """Seconds."""
    queue_seconds: float = 10.0
    """How long a connection may wait for a server."""
    maxconn: int = 2000
    """Connections to each port."""
    tls: ListenTls | None = None
    """How HAProxy speaks TLS to clients; None if it does not."""


def structure(plan: HaproxyPlan) -> str:
    """Return what of a plan needs a reload when it changes: everything but where the servers are."""
    masters = tuple(replace(master, at=None, nodes=(), readable=()) for master in plan.masters)
    return configuration(replace(plan, masters=masters))


def configuration(plan: HaproxyPlan) -> str:
    """
    Return the whole configuration.

    Raises:
        UsageError: an address is no IP address, or there are more nodes than slots.
    """
    lines = ["# Written by switchmaster, and again with every move. Do not edit.", *_head(plan)]
    for master in plan.masters:
        lines += _master(plan, master)
    if plan.health is not None:
        lines += _health(plan, plan.health)
    return "\n".join(lines) + "\n"


def _head(plan: HaproxyPlan) -> list[str]:
    ports = sum(1 + (master.reads is not None) for master in plan.masters)
    return [
        "global",
        f"    maxconn {plan.maxconn * max(ports, 1) + 100}",
        # A new worker has it alone, from its start on.
        f"    stats socket unix@{plan.folder}/{WORKER_SOCKET} mode 600 level admin",
        # Each master's commands are an exchange of their own.
        "    stats maxconn 100",
        # Of an old worker; we end it earlier.
        "    hard-stop-after 1h",
        "defaults",
        "    mode tcp",
        "    timeout connect 1s",
        # A subscriber, or a pool's connection, may be silent for long; the kernel finds peers that are gone.
        "    timeout client 7d",
        "    timeout server 7d",
        "    timeout client-fin 30s",
        "    option clitcpka",
        "    option srvtcpka",
        f"    timeout check {CHECK_SECONDS}s",
        f"    timeout queue {round(plan.queue_seconds * 1000)}ms",
        # A node that refuses is reported at once, as if the client had dialled it.
        "    retries 0",
        # Without redispatch HAProxy keeps a waiting connection at its server.
        "    option redispatch",
        "    option abortonclose",
        "backend alive",
        "    option tcp-check",
        "    tcp-check expect string alive",
        f"    server switchmaster unix@{plan.folder}/alive check inter 500ms fall 3 rise 1",
    ]


def _master(plan: HaproxyPlan, master: ProxiedMaster) -> list[str]:
    if len(master.nodes) > master.slots or len(master.readable) > master.slots:
        raise UsageError(f"{master.name!r} has more nodes than slots")
    names = names_of(master.name)
    role = [*_login(master.login), f"    tcp-check send-binary {_command('ROLE')}", _expect(b"*3\r\n$6\r\nmaster\r\n")]
    down = f"on-marked-down shutdown-sessions{_dialling(master.tls)}"
    return [
        f"frontend w-{names.key}",
        f"    bind {_place(master.writes)}{_listening(plan.tls)}",
        f"    maxconn {plan.maxconn}",
        f"    use_backend {names.believed} if {{ nbsrv(alive) gt 0 }}",
        f"    default_backend {names.classic}",
        f"frontend o-{names.key}",
        f"    bind unix@{occupy_path(plan.folder, master.name)} mode 600",
        f"    default_backend {names.believed}",
        f"backend {names.believed}",
        # With it HAProxy queues at the backend, not at the backup server, when that is full.
        "    option allbackups",
        "    option tcp-check",
        *role,
        f"    use-server {WALL} if {{ fe_name o-{names.key} }}",
        # It falls late: whether a master is gone is for the Sentinels to say, while we are here to hear them.
        f"    server {SLOT} {_server(master.at)} check inter {CHECK_SECONDS}s fall 5 rise 1 {down}",
        f"    server {WALL} unix@{plan.folder}/wall maxconn 1 backup",
        f"backend {names.classic}",
        "    option tcp-check",
        *role,
        *_slots("c", master.slots, master.nodes, f"check inter {CHECK_SECONDS}s fall 3 rise 1 {down}"),
        *(_reads(plan, master, names, master.reads) if master.reads is not None else ()),
    ]


def _reads(plan: HaproxyPlan, master: ProxiedMaster, names: ProxyNames, reads: Address) -> list[str]:
    lag = f"master_last_io_seconds_ago:({up_to(int(plan.max_lag))})[^0-9]"
    return [
        f"frontend r-{names.key}",
        f"    bind {_place(reads)}{_listening(plan.tls)}",
        f"    maxconn {plan.maxconn}",
        f"    use_backend {names.reads} if {{ nbsrv({names.reads}) gt 0 }}",
        f"    use_backend {names.believed} if {{ nbsrv(alive) gt 0 }}",
        f"    default_backend {names.classic}",
        f"backend {names.reads}",
        "    balance leastconn",
        "    option tcp-check",
        *_login(master.login),
        f"    tcp-check send-binary {_command('INFO', 'replication')}",
        "    tcp-check expect string role:slave",
        "    tcp-check expect string master_link_status:up",
        f"    tcp-check expect rstring {lag}",
        *_slots(
            "s",
            master.slots,
            master.readable,
            f"check inter {CHECK_SECONDS}s fall 2 rise 1 on-marked-down shutdown-sessions{_dialling(master.tls)}",
        ),
    ]


def _health(plan: HaproxyPlan, health: Address) -> list[str]:
    """Answer from what HAProxy knows already; no request reaches a node."""
    lines = [
        "frontend health",
        f"    bind {_place(health)}",
        "    mode http",
        "    timeout client 5s",
        "    timeout http-request 5s",
        "    acl alive nbsrv(alive) gt 0",
        "    acl ready path /readyz",
    ]
    no = "http-request return status 503 content-type text/plain string no"
    for number, master in enumerate(plan.masters):
        names = names_of(master.name)
        lines += [
            f"    acl believed{number} srv_is_up({names.believed}/{SLOT})",
            f"    acl classic{number} nbsrv({names.classic}) gt 0",
            f"    {no} if ready alive !believed{number}",
            f"    {no} if ready !alive !classic{number}",
        ]
    yes = "http-request return status 200 content-type text/plain string yes"
    return [
        *lines,
        f"    {yes} if ready",
        f"    {yes} if {{ path /livez }}",
        "    http-request return status 404 content-type text/plain string no",
    ]


def occupy_path(folder: Path, master: str) -> str:
    """Return the socket through which one connection fills the server without room."""
    digest = hashlib.sha256(names_of(master).key.encode()).hexdigest()[:8]
    return f"{folder}/occupy-{digest}"


def _slots(prefix: str, count: int, nodes: Iterable[Address], options: str) -> list[str]:
    places: list[Address | None] = [*nodes]
    places += [None] * (count - len(places))
    return [f"    server {prefix}{number} {_server(at)} {options}" for number, at in enumerate(places, 1)]


def _server(at: Address | None) -> str:
    return "192.0.2.1:1 disabled" if at is None else _place(at)


def _place(address: Address) -> str:
    try:
        host = ip_address(address.host)
    except ValueError:
        raise UsageError(f"not an IP address: {address.host!r}") from None
    if "%" in str(host) or not 0 < address.port <= 65535:
        raise UsageError(f"not an address for HAProxy: {address}")
    return f"ipv6@[{host}]:{address.port}" if isinstance(host, IPv6Address) else f"ipv4@{host}:{address.port}"


def _listening(tls: ListenTls | None) -> str:
    """Return what a port for clients needs for TLS, with a blank before it."""
    if tls is None:
        return ""
    return f" ssl crt {tls.cert}" + ("" if tls.client_ca is None else f" ca-file {tls.client_ca} verify required")


def _dialling(tls: NodeTls | None) -> str:
    """Return what a server needs for TLS, with a blank before it; its checks take it from there."""
    if tls is None:
        return ""
    words = " ssl verify none"
    if tls.server_name is not None:
        name = tls.server_name  # a DNS name: `tls_files.check_node_tls`
        words = f" ssl verify required verifyhost {name} sni str({name}) check-sni {name}"
        words += f" ca-file {'@system-ca' if tls.ca is None else tls.ca}"
    return words if tls.cert is None else f"{words} crt {tls.cert}"


def _login(login: tuple[str, ...]) -> list[str]:
    if not login:
        return []
    return [f"    tcp-check send-binary {_command('AUTH', *login)}", _expect(b"+OK\r\n")]


def _command(*words: str) -> str:
    return encode(words).hex()


def _expect(reply: bytes) -> str:
    return f"    tcp-check expect binary {reply.hex()}"


def up_to(most: int) -> str:
    """Return a regular expression, without groups, for the decimal numbers from 0 to `most`."""
    text = str(most)
    found = [r"[1-9]" + r"[0-9]" * (length - 1) for length in range(2, len(text))] + (
        ["[0-9]"] if len(text) > 1 else []
    )
    for place, digit in enumerate(text):
        first = 1 if place == 0 and len(text) > 1 else 0
        rest = len(text) - place - 1
        last = int(digit) - (rest > 0)
        if last >= first:
            found.append(text[:place] + f"[{first}-{last}]" + "[0-9]" * rest)
    return "|".join(found)
