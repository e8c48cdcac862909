"""
The rows of SENTINEL MASTERS, REPLICAS and SENTINELS, and the texts of INFO and CKQUORUM, as a real Sentinel has them.

Field names, their order and their conditions are those of addReplySentinelRedisInstance() in sentinel.c; all values are
text. Ages are those of the Sentinel's own answer plus the time since. What only a Sentinel's own links know (pending
commands, references) has the value of a healthy link. The functions take what is told (`served_masters`), the view of
the client that asks, and monotonic seconds.
"""

from __future__ import annotations

from typing import Final

from ..model import Address
from .relay_state import ClientView, RelayState, identity_of
from .served_masters import ServedMaster, ServedReplica

__all__ = ["info_sections", "master_row", "quorum_words", "replica_row", "sentinel_row"]

Row = dict[str, str]


def _ms(seconds: float) -> str:
    return str(max(0, round(seconds * 1000)))


def _link(down_since: float | None, last_ok: str, now: float, down_after: int) -> Row:
    """Return the fields about the link to an instance, from ``link-pending-commands`` on."""
    sent = "0" if down_since is None else _ms(now - down_since + down_after / 1000)
    return {
        "link-pending-commands": "0",
        "link-refcount": "1",
        "last-ping-sent": sent,
        "last-ok-ping-reply": last_ok if down_since is None else sent,
        "last-ping-reply": last_ok if down_since is None else sent,
    }


def master_row(master: ServedMaster, view: ClientView, now: float) -> Row:
    """Return one master's fields."""
    assert master.address is not None
    address = view.translate(master.address)
    reply = master.answer.reply if master.answer is not None else None
    age = max(0.0, now - master.answered_at) if reply is not None else 0.0
    down_after = reply.down_after_ms if reply is not None else 30_000
    running = master.failover_state
    flags = [
        *(["s_down"] if master.down_since is not None else []),
        *(["o_down"] if master.agreed_down_since is not None else []),
        "master",
        *(["failover_in_progress"] if running else []),
    ]
    row = {
        "name": master.name,
        "ip": address.host,
        "port": str(address.port),
        "runid": master.run_id,
        "flags": ",".join(flags),
    }
    link = _link(
        master.down_since, _ms(age + (reply.last_ok_ping_ms / 1000 if reply is not None else 0)), now, down_after
    )
    row |= {"link-pending-commands": link["link-pending-commands"], "link-refcount": link["link-refcount"]}
    row |= {"failover-state": running} if running else {}
    row |= link
    row |= {"s-down-time": _ms(now - master.down_since)} if master.down_since is not None else {}
    row |= {"o-down-time": _ms(now - master.agreed_down_since)} if master.agreed_down_since is not None else {}
    return row | {
        "down-after-milliseconds": str(down_after),
        "info-refresh": _ms(age),
        "role-reported": "master",
        "role-reported-time": _ms(now - master.since),
        "config-epoch": str(master.epoch),
        "num-slaves": str(len(master.replicas)),
        "num-other-sentinels": str(master.others),
        "quorum": str(master.quorum),
        "failover-timeout": str(reply.failover_timeout_ms if reply is not None else 180_000),
        "parallel-syncs": str(reply.parallel_syncs if reply is not None else 1),
    }


def replica_row(replica: ServedReplica, master: ServedMaster, view: ClientView, now: float) -> Row:
    """Return one replica's fields."""
    address = view.translate(replica.address)
    answer = replica.answer
    age = max(0.0, now - master.answered_at) if answer is not None else 0.0
    down_after = master.answer.reply.down_after_ms if master.answer is not None else 30_000
    following = answer.master if answer is not None else None
    followed = None if following is None else view.translate(following)
    row = {
        "name": str(address),
        "ip": address.host,
        "port": str(address.port),
        "runid": answer.run_id if answer is not None else "",
        "flags": "s_down,slave,disconnected" if replica.down else "slave",
    }
    row |= _link(now if replica.down else None, _ms(age), now, down_after)
    row |= {"s-down-time": "0"} if replica.down else {}
    return row | {
        "down-after-milliseconds": str(down_after),
        "info-refresh": _ms(age),
        "role-reported": "slave",
        "role-reported-time": _ms(now - master.since),
        "master-link-down-time": "0" if answer is None else str(answer.master_link_down_ms),
        "master-link-status": "ok" if replica.link_up else "err",
        "master-host": "?" if followed is None else followed.host,
        "master-port": "0" if followed is None else str(followed.port),
        "slave-priority": str(replica.priority),
        "slave-repl-offset": str(replica.offset),
        "replica-announced": "1",
    }


def sentinel_row(peer: Address, view: ClientView, down_after: int) -> Row:
    """Return the fields of another relay, which stands where a Sentinel has the other Sentinels."""
    identity, address = identity_of(peer), view.translate(peer)
    row = {
        "name": str(identity),
        "ip": address.host,
        "port": str(address.port),
        "runid": str(identity),
        "flags": "sentinel",
    }
    return (
        row
        | _link(None, "0", 0.0, down_after)
        | {
            "down-after-milliseconds": str(down_after),
            "last-hello-message": "0",
            "voted-leader": "?",
            "voted-leader-epoch": "0",
        }
    )


def quorum_words(master: ServedMaster) -> tuple[bool, str]:
    """Return whether the quorum and a failover are possible, and CKQUORUM's sentence without its first word."""
    usable = f"{master.usable} usable Sentinels."
    reasons = []
    if master.usable < master.quorum:
        reasons.append("Not enough available Sentinels to reach the specified quorum for this master")
    if master.usable < master.needed:
        reasons.append("Not enough available Sentinels to reach the majority and authorize a failover")
    if not reasons:
        return True, f"{usable} Quorum and failover authorization can be reached"
    return False, f"{usable} {'. '.join(reasons)}"


# INFO ---------------------------------------------------------------------------------------------


def info_sections(view: ClientView, process_id: int, now: float) -> dict[str, str]:
    """Return the sections of INFO by their name in lower case, in a Sentinel's order, ours last."""
    state = view.state
    uptime = int(now - state.started)
    counters = state.counters
    named = (
        [f"server_name:{state.server}", f"{state.server}_version:{state.version}"] if state.server != "redis" else []
    )
    server = [
        f"redis_version:{state.version if not named else _COMPATIBLE}",
        *named,
        "redis_mode:sentinel",
        f"process_id:{process_id}",
        f"run_id:{state.identity}",
        f"tcp_port:{state.port}",
        f"uptime_in_seconds:{uptime}",
        f"uptime_in_days:{uptime // 86_400}",
    ]
    stats = [
        f"total_connections_received:{counters.connections}",
        f"total_commands_processed:{counters.commands}",
        f"total_error_replies:{counters.errors}",
        f"rejected_connections:{counters.rejected}",
        f"client_output_buffer_limit_disconnections:{counters.cut}",
        f"acl_access_denied_auth:{counters.auth_failures}",
    ]
    return {
        "server": _section("Server", server),
        "clients": _section("Clients", [f"connected_clients:{state.clients}", f"pubsub_clients:{state.subscribers}"]),
        "stats": _section("Stats", stats),
        "sentinel": _section("Sentinel", _sentinel_lines(view)),
        "relay": _section("Relay", _relay_lines(state, now)),
    }


_COMPATIBLE: Final = "7.2.4"
"""The ``redis_version`` that Valkey gives beside its own."""


def _section(name: str, lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in (f"# {name}", *lines))


def _sentinel_lines(view: ClientView) -> list[str]:
    masters = view.state.masters
    told = [one for name in masters.names() if (one := masters.master(name)) is not None]
    tilt = any(one.in_tilt for one in told)
    lines = [
        f"sentinel_masters:{len(told)}",
        f"sentinel_tilt:{int(tilt)}",
        f"sentinel_tilt_since_seconds:{0 if tilt else -1}",
        "sentinel_running_scripts:0",
        "sentinel_scripts_queue_length:0",
        "sentinel_simulate_failure_flags:0",
    ]
    for number, master in enumerate(told):
        assert master.address is not None
        address = view.translate(master.address)
        status = "odown" if master.agreed_down_since is not None else "sdown" if master.down_since is not None else "ok"
        lines.append(
            f"master{number}:name={_one_line(master.name)},status={status},address={address.host}:{address.port},"
            f"slaves={len(master.replicas)},sentinels={master.others + 1}"
        )
    return lines


def _relay_lines(state: RelayState, now: float) -> list[str]:
    since = state.masters.unheard_since
    return [
        "relay:switchmaster",
        f"relay_stale:{int(state.masters.stale)}",
        f"relay_unheard_seconds:{-1 if since is None else int(now - since)}",
        f"relay_stale_for:{state.masters.policy.stale_for:g}",
        f"relay_sentinels_heard:{state.heard}",
        f"relay_sentinels_known:{state.known}",
        f"relay_switches:{state.masters.moves}",
        f"relay_messages:{state.counters.messages}",
        *(f"relay_events_{name}:{count}" for name, count in state.events.items()),
    ]


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
