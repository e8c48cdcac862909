"""
From one reply of a Sentinel or a data node to one typed value.

A reply comes in as ``hiredis.Reader()`` returns it without an encoding, of RESP2 (flat lists) or RESP3 (maps); a value
goes out, or `Unrecognised` whose reason says what was expected. Nothing here raises, and one bad row makes the whole
reply `Unrecognised`, naming the row: a list with a gap would pass for a smaller deployment.

A missing optional field is no error; each one documents its default. A missing name, ip or port, or a number that is
none, is an error. If a key comes twice, the last value counts; unknown keys are ignored. Text is UTF-8 with
surrogateescape, and no longer than ``LIMITS.text``, except INFO's whole. Source: docs/topics/protocol.md, 3; Redis 6.2
to 8.2 and Valkey 8.1 to 9.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..model import LIMITS, Address, RunId
from .info import InfoMaster, InfoReply, parse_info
from .nouns import Kind, Unrecognised
from .reply_parts import (
    Misfit,
    address_of,
    decoded,
    epoch_of,
    list_of,
    map_of,
    number_of,
    rows_of,
    shown,
    text_of,
    total,
)

__all__ = [
    "HelloReply",
    "InfoMaster",
    "InfoReply",
    "MasterReply",
    "QuorumReply",
    "ReplicaReply",
    "RoleReplica",
    "RoleReply",
    "SentinelReply",
    "parse_address",
    "parse_ckquorum",
    "parse_clients",
    "parse_dryrun",
    "parse_hello",
    "parse_info",
    "parse_master",
    "parse_masters",
    "parse_myid",
    "parse_replicas",
    "parse_role",
    "parse_sentinels",
    "parse_settings",
]

# Values -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MasterReply:
    """
    One master, by SENTINEL MASTER or SENTINEL MASTERS.

    Source: addReplySentinelRedisInstance(). Missing numbers are 0 and missing texts empty, unless noted.
    """

    name: str
    address: Address
    """Not reliable during a failover: the leader shows the old one with the new epoch."""
    run_id: str
    """Empty just after discovery."""
    flags: frozenset[str]
    """As on the wire: ``master``, ``s_down``, ``o_down``, ``failover_in_progress`` …"""
    config_epoch: int
    num_replicas: int
    """Includes those with ``replica-announced no``, which SENTINEL REPLICAS hides."""
    num_other_sentinels: int
    quorum: int
    down_after_ms: int
    failover_timeout_ms: int
    parallel_syncs: int
    failover_state: str | None
    """``wait_start``, ``select_slave`` …, while this Sentinel runs a failover; else None."""
    role_reported: str
    """``master`` or ``slave``, by the node's last INFO."""
    last_ok_ping_ms: int = 0
    """Milliseconds since its last valid answer to PING (``last-ok-ping-reply``); SDOWN comes at `down_after_ms`."""
    s_down_ms: int = 0
    """Milliseconds for which it has been SDOWN; 0 while it is not."""
    info_age_ms: int = 0
    """Milliseconds since its last INFO (``info-refresh``)."""
    notification_script: str = ""
    """Empty if none is configured."""
    reconfig_script: str = ""
    """``client-reconfig-script``; empty if none is configured."""
    role_reported_ms: int | None = None
    """Milliseconds since this Sentinel last changed the master's address, reset it, or was started, unless the node's
    role has changed since (``role-reported-time``; sentinelResetMaster()); None if it is missing."""


@dataclass(frozen=True, slots=True)
class ReplicaReply:
    """
    One replica, by SENTINEL REPLICAS.

    Source: addReplySentinelRedisInstance(). Missing numbers are 0 and missing texts empty, unless noted.
    """

    name: str
    """``ip:port`` or ``[ip]:port``."""
    address: Address
    run_id: str
    flags: frozenset[str]
    master_link_up: bool
    """Whether ``master-link-status`` is ``ok``; False if it is missing."""
    master_link_down_ms: int
    master: Address | None
    """The master that it follows, by its own INFO; None before the first INFO (``?`` on the wire)."""
    priority: int
    """100 if it is missing, which is the servers' default; a replica with 0 is never promoted."""
    offset: int
    announced: bool
    """True if it is missing."""
    last_ok_ping_ms: int = 0
    """Milliseconds since its last valid answer to PING; sentinelSelectSlave() demands 5 s at most."""
    info_age_ms: int = 0
    """Milliseconds since its last INFO (``info-refresh``)."""


@dataclass(frozen=True, slots=True)
class SentinelReply:
    """One other Sentinel, by SENTINEL SENTINELS. Source: addReplySentinelRedisInstance()."""

    run_id: RunId
    """The name, which is the run id, if ``runid`` is empty or missing."""
    address: Address
    """Port 0 if Redis 6.2 gave its address to another Sentinel."""
    flags: frozenset[str]
    last_hello_ms: int
    """Milliseconds since its last hello; 0 if it is missing."""
    voted_leader: RunId | None
    """None if it reported no vote (``?`` on the wire)."""
    voted_leader_epoch: int | None
    """None if `voted_leader` is None."""


@dataclass(frozen=True, slots=True)
class QuorumReply:
    """The answer to SENTINEL CKQUORUM. It considers SDOWN only: it is ``OK`` in TILT too."""

    reachable: bool
    """True for ``OK``, False for the error ``NOQUORUM``."""
    usable: int
    """The number of Sentinels that are not SDOWN, the answering one included."""
    message: str
    """The whole answer."""


@dataclass(frozen=True, slots=True)
class HelloReply:
    """The answer to HELLO, of a Sentinel or a data node."""

    server: str
    """``redis`` or ``valkey``."""
    version: str
    """The server's own version, on Valkey too (unlike INFO's ``redis_version``)."""
    proto: int
    """2 or 3; 2 if it is missing."""
    id: int | None
    """The connection's number; None if it is missing."""
    mode: str
    """``sentinel``, ``standalone`` or ``cluster``; empty if it is missing."""


@dataclass(frozen=True, slots=True)
class RoleReplica:
    """One replica in a master's ROLE."""

    address: Address
    offset: int


@dataclass(frozen=True, slots=True)
class RoleReply:
    """
    The answer to ROLE; only the fields of its `role` are set.

    Shape: ``["sentinel", [name…]]``, ``["master", offset, [[ip, port, offset]…]]``,
    ``["slave", ip, port, state, offset]``. Source: roleCommand(), sentinelRoleCommand().
    """

    role: Kind
    names: tuple[str, ...] = ()
    """For a Sentinel: the masters that it monitors."""
    offset: int | None = None
    """For a master its own; for a replica the bytes received, -1 before the first sync."""
    replicas: tuple[RoleReplica, ...] = ()
    """For a master: the replicas connected to it."""
    master: Address | None = None
    """For a replica: the master that it follows."""
    state: str | None = None
    """For a replica: ``connect``, ``connecting``, ``sync`` or ``connected`` (rarely ``none``, ``handshake``)."""

    @property
    def link_up(self) -> bool:
        """Whether a replica's link to its master is ``connected``."""
        return self.state == "connected"


class _Row:
    """The fields of one row of SENTINEL MASTERS, REPLICAS or SENTINELS."""

    __slots__ = ("fields",)

    def __init__(self, row: object) -> None:
        self.fields = map_of(row)
        for key in ("name", "ip", "port"):
            if key not in self.fields:
                raise Misfit(f"a field {key!r}")

    def text(self, key: str, default: str = "") -> str:
        return text_of(self.fields[key], key) if key in self.fields else default

    def number(self, key: str, default: int = 0) -> int:
        return number_of(self.fields[key], key) if key in self.fields else default

    def flags(self) -> frozenset[str]:
        return frozenset(self.text("flags").split(",")) - {""}

    def address(self) -> Address:
        return address_of(self.fields["ip"], self.fields["port"])


def _master_row(reply: object) -> MasterReply:
    row = _Row(reply)
    return MasterReply(
        name=row.text("name"),
        address=row.address(),
        run_id=row.text("runid"),
        flags=row.flags(),
        config_epoch=epoch_of(row.fields.get("config-epoch", 0)),
        num_replicas=row.number("num-slaves"),
        num_other_sentinels=row.number("num-other-sentinels"),
        quorum=row.number("quorum"),
        down_after_ms=row.number("down-after-milliseconds"),
        failover_timeout_ms=row.number("failover-timeout"),
        parallel_syncs=row.number("parallel-syncs"),
        failover_state=row.text("failover-state") or None,
        role_reported=row.text("role-reported"),
        last_ok_ping_ms=row.number("last-ok-ping-reply"),
        s_down_ms=row.number("s-down-time"),
        info_age_ms=row.number("info-refresh"),
        notification_script=row.text("notification-script"),
        reconfig_script=row.text("client-reconfig-script"),
        role_reported_ms=row.number("role-reported-time") if "role-reported-time" in row.fields else None,
    )


def _replica_row(reply: object) -> ReplicaReply:
    row = _Row(reply)
    master_host = row.text("master-host", "?")
    master = None if master_host == "?" else address_of(master_host, row.number("master-port"))
    return ReplicaReply(
        name=row.text("name"),
        address=row.address(),
        run_id=row.text("runid"),
        flags=row.flags(),
        master_link_up=row.text("master-link-status") == "ok",
        master_link_down_ms=row.number("master-link-down-time"),
        master=master,
        priority=row.number("slave-priority", 100),
        offset=row.number("slave-repl-offset"),
        announced=row.number("replica-announced", 1) != 0,
        last_ok_ping_ms=row.number("last-ok-ping-reply"),
        info_age_ms=row.number("info-refresh"),
    )


def _sentinel_row(reply: object) -> SentinelReply:
    row = _Row(reply)
    voted = row.text("voted-leader", "?")
    told = voted not in ("", "?")
    epoch = row.number("voted-leader-epoch")
    return SentinelReply(
        run_id=RunId(row.text("runid") or row.text("name")),
        address=row.address(),
        flags=row.flags(),
        last_hello_ms=row.number("last-hello-message"),
        voted_leader=RunId(voted) if told else None,
        voted_leader_epoch=epoch if told else None,
    )


# One function for each command --------------------------------------------------------------------


def parse_masters(reply: object) -> tuple[MasterReply, ...] | Unrecognised:
    """
    Read the reply of SENTINEL MASTERS, in the order of the wire, which is a hash's and differs between Sentinels.

    Args:
        reply: what hiredis returned.

    Returns:
        The masters, or `Unrecognised` for the whole reply if one row is bad.

    Shape: RESP2 a list of flat lists; RESP3 a list of maps.
    """
    return total("SENTINEL MASTERS", reply, lambda value: rows_of(value, _master_row))


def parse_master(reply: object) -> MasterReply | Unrecognised:
    """
    Read the reply of SENTINEL MASTER.

    Args:
        reply: what hiredis returned.

    Returns:
        The master; `Unrecognised` with ``ERR No such master with that name`` as payload for an unknown one.
    """
    return total("SENTINEL MASTER", reply, _master_row)


def parse_replicas(reply: object) -> tuple[ReplicaReply, ...] | Unrecognised:
    """
    Read the reply of SENTINEL REPLICAS (SLAVES).

    Args:
        reply: what hiredis returned.

    Returns:
        The replicas except those with ``replica-announced no``, or `Unrecognised` if one row is bad.
    """
    return total("SENTINEL REPLICAS", reply, lambda value: rows_of(value, _replica_row))


def parse_sentinels(reply: object) -> tuple[SentinelReply, ...] | Unrecognised:
    """
    Read the reply of SENTINEL SENTINELS.

    Args:
        reply: what hiredis returned.

    Returns:
        The other Sentinels, never the answering one, or `Unrecognised` if one row is bad.
    """
    return total("SENTINEL SENTINELS", reply, lambda value: rows_of(value, _sentinel_row))


def parse_address(reply: object) -> Address | Unrecognised | None:
    """
    Read the reply of SENTINEL GET-MASTER-ADDR-BY-NAME.

    Args:
        reply: what hiredis returned.

    Returns:
        The address, which is the new one on the leader from ``+promoted-slave`` on; None for an unknown name.
    """

    def read(value: object) -> Address | None:
        if value is None:
            return None
        pair = list_of(value, "an ip and a port")
        if len(pair) != 2:
            raise Misfit("an ip and a port as a list of two")
        return address_of(*pair)

    return total("SENTINEL GET-MASTER-ADDR-BY-NAME", reply, read)


_QUORUM: Final = re.compile(r"(OK|NOQUORUM) ([0-9]{1,9}) usable Sentinels\b.*", re.DOTALL)


def parse_ckquorum(reply: object) -> QuorumReply | Unrecognised:
    """
    Read the reply of SENTINEL CKQUORUM, whose negative answer is an error on the wire.

    Args:
        reply: what hiredis returned.

    Returns:
        The answer; `Unrecognised` for any error except ``NOQUORUM``.
    """
    text = _shown_error(reply)
    match = None if text is None else _QUORUM.fullmatch(text)
    if match is None or text is None:
        return Unrecognised(
            "SENTINEL CKQUORUM",
            shown(reply),
            "expected OK or NOQUORUM, and the number of usable Sentinels",
        )
    return QuorumReply(match[1] == "OK", int(match[2]), text)


def _shown_error(reply: object) -> str | None:
    if isinstance(reply, Exception):
        return " ".join(str(item) for item in reply.args if isinstance(item, str))[: LIMITS.text]
    if isinstance(reply, bytes | str):
        return (decoded(reply) if isinstance(reply, bytes) else reply)[: LIMITS.text]
    return None


_RUN_ID: Final = re.compile(r"[0-9a-f]{40}")


def parse_myid(reply: object) -> RunId | Unrecognised:
    """
    Read the reply of SENTINEL MYID.

    Args:
        reply: what hiredis returned.

    Returns:
        The 40 hexadecimal digits by which the other Sentinels know this one.
    """

    def read(value: object) -> RunId:
        text = text_of(value, "40 hexadecimal digits")
        if not _RUN_ID.fullmatch(text):
            raise Misfit("40 hexadecimal digits")
        return RunId(text)

    return total("SENTINEL MYID", reply, read)


def parse_hello(reply: object) -> HelloReply | Unrecognised:
    """
    Read the reply of HELLO.

    Args:
        reply: what hiredis returned.

    Returns:
        The server's identity; `Unrecognised` with the error's text if HELLO was refused.
    """

    def read(value: object) -> HelloReply:
        fields = map_of(value)
        return HelloReply(
            server=text_of(fields.get("server"), "the server"),
            version=text_of(fields.get("version"), "the version"),
            proto=number_of(fields.get("proto", 2), "proto"),
            id=number_of(fields["id"], "id") if "id" in fields else None,
            mode=text_of(fields.get("mode", ""), "mode"),
        )

    return total("HELLO", reply, read)


# Settings, clients and rights ---------------------------------------------------------------------


def parse_settings(reply: object) -> dict[str, str] | Unrecognised:
    """
    Read the reply of CONFIG GET, SENTINEL CONFIG GET or SENTINEL DEBUG: names and values (cut at ``LIMITS.text``).

    Args:
        reply: what hiredis returned.

    Returns:
        The settings by name in lower case; passwords are among them, in clear.
    """

    def read(value: object) -> dict[str, str]:
        found = {}
        for key, item in map_of(value).items():
            text = str(item) if isinstance(item, int) else text_of(item, "a setting", LIMITS.reply_bytes)
            found[key.lower()] = text[: LIMITS.text]
        return found

    return total("CONFIG GET", reply, read)


def parse_clients(reply: object) -> tuple[dict[str, str], ...] | Unrecognised:
    """
    Read the reply of CLIENT LIST, one client a line, at most ``LIMITS.masters`` of them.

    Args:
        reply: what hiredis returned.

    Returns:
        The fields of each client, such as ``addr``, ``name`` and ``user`` (Redis 6.0 and later).
    """

    def read(value: object) -> tuple[dict[str, str], ...]:
        lines = text_of(value, "the reply", LIMITS.reply_bytes).splitlines()[: LIMITS.masters]
        return tuple(dict(word.partition("=")[::2] for word in line.split(" ")) for line in lines if line)

    return total("CLIENT LIST", reply, read)


def parse_dryrun(reply: object) -> bool | Unrecognised:
    """
    Read the reply of ACL DRYRUN (Redis 7.0 and later): ``OK``, or a text that says what is not permitted.

    Args:
        reply: what hiredis returned.

    Returns:
        Whether the user may do it; `Unrecognised` if there is no such user, or no such command on this server.
    """
    return total("ACL DRYRUN", reply, lambda value: text_of(value, "the reply") == "OK")


# ROLE ---------------------------------------------------------------------------------------------


def parse_role(reply: object) -> RoleReply | Unrecognised:
    """
    Read the reply of ROLE, of a Sentinel or a data node.

    Args:
        reply: what hiredis returned.

    Returns:
        The role with its fields.
    """
    return total("ROLE", reply, _role)


def _role(value: object) -> RoleReply:
    items = list_of(value, "the reply")
    word = text_of(items[0], "the role") if items else ""
    if word == "sentinel" and len(items) >= 2:
        return RoleReply(Kind.SENTINEL, names=rows_of(items[1], _role_name))
    if word == "master" and len(items) >= 3:
        offset = number_of(items[1], "the offset")
        return RoleReply(Kind.MASTER, offset=offset, replicas=rows_of(items[2], _role_replica))
    if word == "slave" and len(items) >= 5:
        return RoleReply(
            Kind.REPLICA,
            master=address_of(items[1], items[2]),
            state=text_of(items[3], "the state"),
            offset=number_of(items[4], "the offset"),
        )
    raise Misfit("a role of sentinel, master or slave, with its fields")


def _role_name(row: object) -> str:
    return text_of(row, "a name")


def _role_replica(row: object) -> RoleReplica:
    items = list_of(row, "a replica")
    if len(items) < 3:
        raise Misfit("an ip, a port and an offset")
    return RoleReplica(address_of(items[0], items[1]), number_of(items[2], "the offset"))
