"""
What a node says of itself by INFO, as far as the guard needs it: `NodeInfo`, read from `InfoReply`.

Source: genValkeyInfoString() and genRedisInfoString() in server.c; replicationGetReplicaOffset() in replication.c. The
fields are the same from Redis 6.2 to 7.0 and in Valkey 9.1. Fields that are missing or no numbers are None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..model import LIMITS, Address
from ..wire.info import InfoReply
from ..wire.resp import plain

__all__ = ["NodeInfo", "read_node_info"]

RUN_ID_SHOWN: Final = 40
"""Characters of a run id that are kept: it has 40 hexadecimal digits. Others than printable ones are replaced."""
_REPLICA_KEY: Final = re.compile(r"slave[0-9]+")
_KEYS: Final = re.compile(r"keys=([0-9]+)")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One node, by its INFO."""

    node: Address
    run_id: str
    """Changes with each start of the process; empty if it was not told."""
    role: str
    """``master`` or ``slave``; empty if it was not told."""
    process_id: int | None
    port: int | None
    """The port that it listens on by its own word: another one means that something stands in between."""
    keys: int | None
    """In all databases; None without a keyspace section."""
    offset: int | None
    """Replication offset: of a master what it has written, of a replica what it has applied."""
    following: Address | None
    """Of a replica: its master."""
    link_up: bool | None
    """Of a replica: whether its link to the master is up."""
    lags: Mapping[Address, float]
    """Of a master: seconds since the last acknowledgement of each replica that is online."""
    appends: bool | None
    """Whether it keeps an append-only file."""
    snapshots: bool | None
    """Whether it writes RDB files by itself (CONFIG GET save); None if it may not be asked."""
    loading: bool
    stopping: bool
    """SHUTDOWN was called, and it waits for its replicas (``shutdown_in_milliseconds``, Redis 7.0 and later)."""

    @property
    def comes_back_empty(self) -> bool | None:
        """Whether a restart would bring back nothing; None if that is not known."""
        if self.appends or self.snapshots:
            return False
        return True if self.appends is False and self.snapshots is False else None


def read_node_info(node: Address, info: InfoReply, save: str | None) -> NodeInfo:
    """
    Read a node's report.

    Args:
        node: as Sentinel announces it.
        info: its INFO, with the sections server, persistence, replication and keyspace.
        save: its setting ``save``; None if CONFIG GET is refused.

    Returns:
        The report; it never raises for what a node says.
    """
    sections = info.sections
    server, persistence, replication, keyspace = (
        sections.get(name, {}) for name in ("server", "persistence", "replication", "keyspace")
    )
    role = replication.get("role", "")
    port = _number(replication.get("master_port"))
    host = replication.get("master_host")
    appends = _number(persistence.get("aof_enabled"))
    stopping = "shutdown_in_milliseconds" in server
    return NodeInfo(
        node=node,
        run_id=plain(server.get("run_id", "")[:RUN_ID_SHOWN]),
        role=role if role in ("master", "slave") else "",
        process_id=_number(server.get("process_id")),
        port=_number(server.get("tcp_port")),
        keys=_keys(keyspace) if "keyspace" in sections else None,
        offset=_number(replication.get("master_repl_offset" if role == "master" else "slave_repl_offset")),
        following=Address(host[: LIMITS.text], port) if role == "slave" and host and port else None,
        link_up=replication.get("master_link_status") == "up" if role == "slave" else None,
        lags=dict(_lags(replication)),
        appends=None if appends is None else appends != 0,
        snapshots=None if save is None else bool(save.strip()),
        loading=_number(persistence.get("loading")) not in (None, 0),
        stopping=stopping,
    )


def _keys(keyspace: Mapping[str, str]) -> int:
    found = (_KEYS.match(line) for line in keyspace.values())
    return sum(int(each[1][:19]) for each in found if each is not None)


def _lags(replication: Mapping[str, str]) -> list[tuple[Address, float]]:
    """Read ``slaveN:ip=…,port=…,state=online,offset=…,lag=N``."""
    found: list[tuple[Address, float]] = []
    for key, line in replication.items():
        if not _REPLICA_KEY.fullmatch(key) or len(found) >= LIMITS.replicas:
            continue
        fields = dict(part.partition("=")[::2] for part in line.split(","))
        port, lag = _number(fields.get("port")), _number(fields.get("lag"))
        if fields.get("state") == "online" and fields.get("ip") and port and lag is not None and lag >= 0:
            found.append((Address(fields["ip"][: LIMITS.text], port), float(lag)))
    return found


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None
