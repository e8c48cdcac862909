"""
What a simulated Sentinel answers to its clients, in bytes, and how its events reach them.

Replies have the fields of the recorded server of its version (tests/recorded/replies), with this world's values.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from peers.scripted import NO_HELLO, NO_MASTER, push, recorded, resp

from .instance import Instance, Monitored
from .process import Conversation

if TYPE_CHECKING:
    from .sentinel import Sentinel

__all__ = ["answer", "publish"]


@cache
def _row(version: str, part: str) -> dict[str, str]:
    """Return a recorded row of SENTINEL MASTERS, REPLICAS or SENTINELS."""
    command = "SENTINEL MASTERS" if part == "MASTER" else f"SENTINEL {part} mymaster"
    rows: Any = recorded(version)[command]
    return dict(zip(rows[0][::2], rows[0][1::2], strict=True))


@cache
def _reply(version: str, command: str) -> Any:
    return recorded(version)[command]


def publish(me: Sentinel, channel: str, payload: str) -> None:
    """Send an event to every subscriber."""
    world = me.world
    for conversation in list(me.conversations):
        if not conversation.patterns:
            continue
        if world.loss and world.chance.random() < world.loss:
            world.counts["lost message"] += 1
            world.lost_at = world.clock.now
            world.say("fault", f"{me.name} does not get {channel} to the watcher")
            continue
        conversation.stream.answer(push("pmessage", "*", channel, payload, resp3=conversation.resp3))


def answer(me: Sentinel, conversation: Conversation, words: list[str]) -> bytes:
    """Execute one command."""
    version = me.flavour.version
    match words:
        case ["HELLO", "3", *_] if me.flavour.resp2:
            return NO_HELLO
        case ["HELLO", "3", *_]:
            conversation.resp3 = True
            return resp(_reply(version, "HELLO"), as_map=True)
        case ["PSUBSCRIBE", *patterns]:
            conversation.patterns += patterns
            resp3 = conversation.resp3
            return b"".join(push("psubscribe", name, at, resp3=resp3) for at, name in enumerate(patterns, 1))
        case ["PING"]:
            plain = conversation.resp3 or not conversation.patterns
            return b"+PONG\r\n" if plain else push("pong", "", resp3=False)
        case ["CLIENT", "LIST", *_]:
            return resp("".join(f"id=1 name={each.name} db=0\n" for each in me.conversations))
        case ["CLIENT", "SETNAME", name]:
            conversation.name = name
            return b"+OK\r\n"
        case ["AUTH", *_] | ["CLIENT", *_]:
            return b"+OK\r\n"
        case ["ROLE"]:
            return resp(["sentinel", list(me.masters)])
        case ["INFO", "server"]:
            process = f"{me.address.port:040x}"
            return resp(re.sub(r"(?<=\nrun_id:)[0-9a-f]+", process, str(_reply(version, "INFO server"))))
        case ["INFO", "sentinel"]:
            return resp(f"# Sentinel\r\nsentinel_masters:{len(me.masters)}\r\nsentinel_tilt:{int(me.tilted)}\r\n")
        case ["SENTINEL", "MYID"]:
            return resp(me.run_id)
        case ["SENTINEL", "FAILOVER", name]:
            return _failover(me, name)
        case ["SENTINEL", part, name]:
            return _about(me, part, me.masters.get(name), conversation.resp3)
    return b"-ERR unknown command\r\n"


def _failover(me: Sentinel, name: str) -> bytes:
    """Execute SENTINEL FAILOVER, with the errors of sentinelCommand()."""
    master = me.masters.get(name)
    if master is None:
        return NO_MASTER
    if master.in_progress:
        return b"-INPROG Failover already in progress\r\n"
    me.world.ordered(me, master)
    return b"+OK\r\n" if me.command_failover(name) else b"-NOGOODSLAVE No suitable replica to promote\r\n"


def _about(me: Sentinel, part: str, master: Monitored | None, resp3: bool) -> bytes:
    if part == "GET-MASTER-ADDR-BY-NAME":
        if master is None:
            return b"_\r\n" if resp3 else b"*-1\r\n"
        at = master.believed
        me.world.hold(me.name, master.name, at, master.config_epoch)
        return resp([at.host, str(at.port)])
    if master is None:
        return NO_MASTER
    version = me.flavour.version
    if part == "MASTER":
        return resp(_master_row(me, master), as_map=resp3)
    if part == "REPLICAS":
        rows = [_replica_row(version, replica) for replica in master.replicas.values()]
        return resp(rows, as_map=resp3)
    return resp([_fields(version, "SENTINELS", other) for other in master.sentinels.values()], as_map=resp3)


def _flat(row: dict[str, str]) -> list[str]:
    return [word for pair in row.items() for word in pair]


def _common(version: str, part: str, instance: Instance) -> dict[str, str]:
    return _row(version, part) | {
        "name": instance.name,
        "ip": instance.address.host,
        "port": str(instance.address.port),
        "runid": instance.name if instance.kind == "sentinel" else instance.run_id,
        "flags": ",".join(instance.flags),
    }


def _fields(version: str, part: str, instance: Instance) -> list[str]:
    return _flat(_common(version, part, instance))


def _master_row(me: Sentinel, master: Monitored) -> list[str]:
    row = _common(me.flavour.version, "MASTER", master) | {
        "config-epoch": str(master.config_epoch),
        "num-slaves": str(len(master.replicas)),
        "num-other-sentinels": str(len(master.sentinels)),
        "quorum": str(master.quorum),
        "down-after-milliseconds": str(int(master.down_after * 1000)),
        "failover-timeout": str(int(master.failover_timeout * 1000)),
        "role-reported": master.role,
        "last-ok-ping-reply": str(max(0, int((me.now - master.last_avail) * 1000))),
    }
    if master.in_progress:
        row["failover-state"] = master.state.value
    return _flat(row)


def _replica_row(version: str, replica: Instance) -> list[str]:
    following = replica.following
    return _flat(
        _common(version, "REPLICAS", replica)
        | {
            "master-link-status": "ok" if replica.link_up else "err",
            "master-link-down-time": str(int(replica.link_down_for * 1000)),
            "master-host": following.host if following is not None else "?",
            "master-port": str(following.port) if following is not None else "0",
            "slave-priority": str(replica.priority),
            "slave-repl-offset": str(replica.offset),
        }
    )
