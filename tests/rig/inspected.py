"""
A deployment in perfect order, as an `Inspection`: three hosts, on each a Sentinel and a node. Tests spoil one value.

Every function returns a changed copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from recorded.answers import MASTER, REPLICA, SENTINEL
from switchmaster.doctor.inspection import Inspection, MasterAnswers, NodeInspection, SentinelInspection
from switchmaster.model import Address, RunId, SentinelName
from switchmaster.wire.events import Kind
from switchmaster.wire.info import InfoReply
from switchmaster.wire.replies import QuorumReply, RoleReply

__all__ = [
    "HEALTHY",
    "NODES",
    "SENTINELS",
    "in_info",
    "in_settings",
    "of_answers",
    "of_node",
    "of_replica",
    "of_sentinel",
]

HOSTS: Final = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
SENTINELS: Final = tuple(Address(host, 26379) for host in HOSTS)
NODES: Final = tuple(Address(host, 6379) for host in HOSTS)
RUN_IDS: Final = tuple(RunId(digit * 40) for digit in "abc")
SETTINGS: Final = {
    "requirepass": "",
    "masterauth": "",
    "save": "",
    "appendonly": "yes",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "databases": "16",
    "replica-read-only": "yes",
    "replica-priority": "100",
    "min-replicas-to-write": "1",
    "min-replicas-max-lag": "10",
    "repl-backlog-size": "10000000",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
}
_CONNECTED: Final = {
    "connected_slaves": "2",
    "slave0": "ip=10.0.0.2,port=6379,state=online,offset=1000,lag=0",
    "slave1": "ip=10.0.0.3,port=6379,state=online,offset=1000,lag=0",
}


def _info(sections: dict[str, dict[str, str]], sentinel: bool = False) -> InfoReply:
    of_sentinels: dict[str, Any] = dict.fromkeys(
        (
            "tilt",
            "tilt_since_seconds",
            "total_tilt",
            "running_scripts",
            "scripts_queue_length",
            "simulate_failure_flags",
        )
    )
    if sentinel:
        of_sentinels = {**dict.fromkeys(of_sentinels, 0), "tilt": False, "tilt_since_seconds": -1}
    mode = "sentinel" if sentinel else "standalone"
    return InfoReply(
        "redis", "7.4.1", mode, sections["server"]["run_id"], masters=(), sections=sections, **of_sentinels
    )


def _server(index: int) -> dict[str, Any]:
    return {
        "reason": "",
        "refusal": None,
        "dialled_ip": HOSTS[index],
        "logged_in": True,
        "round_trip": 0.001,
        "clock_ahead": 0.0,
        "certificate_ends": None,
        "user": "watcher",
        "refused": {},
    }


def _sentinel(index: int) -> SentinelInspection:
    replicas = tuple(
        replace(REPLICA, name=str(node), address=node, master=NODES[0], run_id=str(place) * 40, info_age_ms=500)
        for place, node in enumerate(NODES[1:])
    )
    others = tuple(
        replace(SENTINEL, run_id=RUN_IDS[other], address=SENTINELS[other]) for other in range(3) if other != index
    )
    master = replace(
        MASTER, name="m", address=NODES[0], down_after_ms=5000, failover_timeout_ms=60000, num_other_sentinels=2
    )
    quorum = QuorumReply(True, 3, "OK 3 usable Sentinels. Quorum and failover authorization can be reached")
    return SentinelInspection(
        address=SENTINELS[index],
        info=_info(
            {"server": {"run_id": f"s{index}", "config_file": "/etc/sentinel.conf"}, "sentinel": {}}, sentinel=True
        ),
        settings={"resolve-hostnames": "no", "announce-hostnames": "no", "sentinel-pass": ""},
        name=SentinelName(str(SENTINELS[index])),
        given=True,
        run_id=RUN_IDS[index],
        timers={"info-period": "10000", "ping-period": "1000"},
        masters={"m": MasterAnswers(master, NODES[0], replicas, others, quorum)},
        may_failover=False,
        **_server(index),
    )


def _node(index: int) -> NodeInspection:
    role = (
        RoleReply(Kind.MASTER, offset=1000)
        if index == 0
        else RoleReply(Kind.REPLICA, master=NODES[0], state="connected", offset=1000)
    )
    sections = {
        "server": {
            **{"run_id": f"n{index}", "config_file": "/etc/redis.conf", "uptime_in_seconds": "1000"},
            **{"process_supervised": "no", "process_id": "42", "tcp_port": "6379"},
        },
        "persistence": {"aof_enabled": "1", "rdb_last_bgsave_status": "ok", "rdb_last_bgsave_time_sec": "0"},
        "stats": {"latest_fork_usec": "100", "instantaneous_input_kbps": "0.5"},
        "replication": {
            **{"role": "master" if index == 0 else "slave", "master_repl_offset": "1000"},
            **{"master_replid": "f" * 40, "master_replid2": "0" * 40},
            **(_CONNECTED if index == 0 else {"connected_slaves": "0"}),
        },
    }
    return NodeInspection(
        address=NODES[index],
        info=_info(sections),
        settings=SETTINGS,
        masters=frozenset({"m"}),
        role=role,
        sentinel_users={"sentinel": {"PING": True, "EXEC": True, "FAILOVER TO 127.0.0.1 6379": True}},
        **_server(index),
    )


HEALTHY: Final = Inspection(
    "kvdb", tuple(map(_sentinel, range(3))), tuple(map(_node, range(3))), wall=1_800_000_000.0, seconds=0.1
)


def of_sentinel(found: Inspection, *indexes: int, **changes: Any) -> Inspection:
    """Change fields of Sentinels; of all three if none is named."""
    chosen = indexes or range(len(found.sentinels))
    return replace(
        found,
        sentinels=tuple(
            replace(one, **changes) if place in chosen else one for place, one in enumerate(found.sentinels)
        ),
    )


def of_node(found: Inspection, *indexes: int, **changes: Any) -> Inspection:
    """Change fields of nodes; of all three if none is named."""
    chosen = indexes or range(len(found.nodes))
    return replace(
        found, nodes=tuple(replace(one, **changes) if place in chosen else one for place, one in enumerate(found.nodes))
    )


def of_answers(found: Inspection, change: Callable[[MasterAnswers], MasterAnswers], *indexes: int) -> Inspection:
    """Change what Sentinels say of the master."""
    for place in indexes or range(3):
        told = change(found.sentinels[place].masters["m"])
        found = of_sentinel(found, place, masters={"m": told})
    return found


def of_replica(found: Inspection, place: int, **changes: Any) -> Inspection:
    """Change what all Sentinels say of one replica."""

    def change(told: MasterAnswers) -> MasterAnswers:
        rows = list(told.replicas or ())
        rows[place] = replace(rows[place], **changes)
        return replace(told, replicas=tuple(rows))

    return of_answers(found, change)


def in_settings(found: Inspection, *indexes: int, **settings: str) -> Inspection:
    """Change settings of nodes; names with underscores for hyphens."""
    for place in indexes or range(3):
        new = {name.replace("_", "-"): value for name, value in settings.items()}
        found = of_node(found, place, settings={**(found.nodes[place].settings or {}), **new})
    return found


def in_info(found: Inspection, section: str, *indexes: int, **fields: str) -> Inspection:
    """Change fields of the INFO of nodes."""
    for place in indexes or range(3):
        info = found.nodes[place].info
        assert info is not None
        sections = {**info.sections, section: {**info.sections[section], **fields}}
        found = of_node(found, place, info=replace(info, sections=sections))
    return found
