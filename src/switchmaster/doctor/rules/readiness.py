"""Rules: is there a replica that can be promoted, and is it fit?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...guard.promotable import PromotionCandidate, judged
from ...model import Address
from ...wire.replies import ReplicaReply
from ..inspection import MasterInspection, NodeInspection, ServerInspection
from ..symptom import Proof, Severity, Symptom, rule
from .agreement import failing_over
from .places import commands_for, node_place

__all__: list[str] = []

LAG_BYTES: Final = 20 * 2**20
"""Bytes by which a replica may be behind; cachecloud's alarm."""
FORK_US: Final = 400_000
"""Microseconds of a fork, in which the node answers nothing; cachecloud's alarm."""


@rule("R01", Severity.ERROR)
def no_second_replica(found: MasterInspection) -> Iterator[Symptom]:
    """
    The master has no replica, or only one (a warning).

    Why: without a replica there is nothing to promote. With one, there is none left after a failover, until the old
    master is back.

    Mend: start a replica on another host: `redis-cli -h NEW -p PORT REPLICAOF IP PORT`.

    Source: Valkey documentation, topics/sentinel.md; Red Skull, "no valid slave"; the topology exam of cachecloud.

    Versions: all.
    """
    told = {name: each.master.num_replicas for name, each in sorted(found.answers.items())}
    most = max(told.values(), default=0)
    if told and most < 2 and not failing_over(found):
        yield Symptom(
            "no replica" if most == 0 else "only one replica",
            tuple(Proof(name, f"num-slaves {count}") for name, count in told.items()),
            severity=None if most == 0 else Severity.WARNING,
        )


@rule("R02", Severity.ERROR)
def nothing_to_promote(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel would find no replica that it may promote.

    Why: if it leads, the failover ends with `-failover-abort-no-good-slave`, and is tried again only after 2 x
    failover-timeout.

    Mend: bring a replica up (the evidence says what is wrong with each), or give one a priority above 0:
    `redis-cli -h HOST -p PORT CONFIG SET replica-priority 100`.

    Source: sentinel.c, sentinelSelectSlave(). `switchmaster explain NAME` shows each of its rules for each replica.

    Versions: all.
    """
    for name, told in sorted(found.answers.items()):
        candidates = judged(told.master, told.replicas or ())
        if not candidates or any(each.fits for each in candidates) or failing_over(found):
            continue
        yield Symptom(
            f"{name} would find none of {len(candidates)} replicas good enough",
            tuple(Proof(str(each.replica.address), _why_not(each)) for each in candidates),
            cause="nothing to promote",
        )


@rule("R03", Severity.WARNING)
def priorities_exclude(found: MasterInspection) -> Iterator[Symptom]:
    """
    All replicas but one have priority 0, or the master itself has.

    Why: a node with priority 0 is never promoted. With one left there is no choice; a master with 0 becomes a replica
    in the next failover, and then can't come back.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET replica-priority 100`, then CONFIG REWRITE.

    Source: Valkey documentation, topics/sentinel.md, "Replica selection and priority"; redis.conf.

    Versions: all.
    """
    newest, master = found.newest, found.master
    replicas = () if newest is None else newest.replicas or ()
    zero = [each for each in replicas if each.priority == 0]
    if len(replicas) > 1 and len(zero) == len(replicas) - 1:
        yield Symptom(
            f"{len(zero)} of {len(replicas)} replicas have priority 0",
            tuple(Proof(str(each.address), "slave-priority 0") for each in zero),
            commands_for(_nodes(found, zero), "CONFIG", "SET", "replica-priority", "100"),
        )
    if master is not None and master.setting("replica-priority", "slave-priority") == "0":
        yield Symptom(
            f"the master {master.address} has priority 0",
            (Proof(str(master.address), "replica-priority 0"),),
            commands_for([master], "CONFIG", "SET", "replica-priority", "100"),
        )


@rule("R04", Severity.WARNING)
def hidden_replica(found: MasterInspection) -> Iterator[Symptom]:
    """
    A replica is hidden (`replica-announced no`), and can be promoted.

    Why: Sentinel does not list it, so no client and no monitoring knows it; but Sentinel promotes it like any other.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET replica-priority 0` on it, or `CONFIG SET replica-announced yes`.

    Source: redis.conf, "replica-announced"; docs/topics/protocol.md, 3.1.

    Versions: 6.2 and later.
    """
    for name, told in sorted(found.answers.items()):
        if told.replicas is not None and told.master.num_replicas > len(told.replicas) and not failing_over(found):
            yield Symptom(
                f"{told.master.num_replicas - len(told.replicas)} replicas are hidden",
                (Proof(name, f"num-slaves {told.master.num_replicas}, {len(told.replicas)} are listed"),),
                cause="hidden replica",
            )


@rule("R05", Severity.WARNING)
def lists_of_replicas_differ(found: MasterInspection) -> Iterator[Symptom]:
    """
    Sentinel lists a replica that the master does not know, or the reverse.

    Why: a replica that the master does not know gets no data. One that is gone for good stays in Sentinel's list, and
    alarms. One that only the master knows is not promoted, and does not answer to the Sentinels.

    Mend: for one that is gone: `redis-cli -h HOST -p PORT SENTINEL RESET NAME` on each Sentinel, one after the other,
    30 s apart.

    Source: Valkey documentation, topics/sentinel.md, "Removing the old primary or unreachable replicas"; spotahome
    operator; x-pipe.

    Versions: all. A new replica appears in Sentinel's list within 10 s.
    """
    master, newest = found.master, found.newest
    if master is None or newest is None or newest.replicas is None or not master.is_master() or failing_over(found):
        return
    told = _connected(master)
    if told is None:
        return
    connected = {node_place(found, each) for each in told}
    hidden = newest.master.num_replicas > len(newest.replicas)
    listed = {node_place(found, each.address) for each in newest.replicas}
    for each in newest.replicas:
        if node_place(found, each.address) not in connected:
            node = found.nodes.get(each.address)
            gone = node is None or not node.answered
            servers = [found.sentinels[name] for name in sorted(found.answers)]
            yield Symptom(
                f"{each.address} is listed by Sentinel, and is not connected to the master",
                (Proof(str(each.address), ",".join(sorted(each.flags))), *_reached(node)),
                commands_for(servers, "SENTINEL", "RESET", found.name) if gone else (),
                cause=f"replica {each.address}",
            )
    for place in sorted(connected - listed) if not hidden else ():
        yield Symptom(
            f"{Address(*place)} is connected to the master as a replica, and no Sentinel lists it",
            (Proof(str(master.address), f"INFO replication: {Address(*place)}"),),
        )


@rule("R06", Severity.WARNING)
def replica_lags(found: MasterInspection) -> Iterator[Symptom]:
    """
    A replica's link to the master is down, or it is more than 20 MB behind.

    Why: what it has not got is lost if it is promoted, and a replica whose link is down for long is never promoted.

    Mend: see its log: a wrong `masterauth`, a network that is too slow, or a buffer that overflows (R14, R15).

    Source: cachecloud, "master_slave_offset_diff"; sentinel.c, sentinelSelectSlave().

    Versions: all.
    """
    master = found.master
    written = None if master is None else master.number("replication", "master_repl_offset")
    for one in found.replicas:
        if one.role is None or one.is_master() or failing_over(found):
            continue
        if not one.role.link_up:
            since = one.number("replication", "master_link_down_since_seconds")
            yield Symptom(
                f"{one.address} has no link to its master ({one.role.state})",
                (Proof(str(one.address), f"master_link_down_since_seconds {since}"),),
                cause=f"replica {one.address}",
            )
        elif written is not None and one.role.offset is not None and written - one.role.offset > LAG_BYTES:
            yield Symptom(
                f"{one.address} is {(written - one.role.offset) / 2**20:.0f} MB behind",
                (Proof(str(one.address), f"offset {one.role.offset} of {written}"),),
            )


@rule("R07", Severity.WARNING)
def replica_is_smaller(found: MasterInspection) -> Iterator[Symptom]:
    """
    A replica has less maxmemory than the master, or other settings that decide what happens to data.

    Why: once promoted it evicts or refuses what the master has held; with another policy, number of databases or
    persistence it behaves as another server.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET maxmemory BYTES`, the same on all nodes, then CONFIG REWRITE.

    Source: Red Skull, "replica maxmemory < master maxmemory".

    Versions: all.
    """
    master = found.master
    if master is None or master.settings is None:
        return
    for one in found.replicas:
        if one.settings is None:
            continue
        own, its = master.setting("maxmemory") or "0", one.setting("maxmemory") or "0"
        if its != "0" and (own == "0" or int(its) < int(own)):
            yield Symptom(
                f"{one.address} has maxmemory {its}, the master has {own if own != '0' else 'no limit'}",
                (Proof(str(one.address), f"maxmemory {its}"), Proof(str(master.address), f"maxmemory {own}")),
                commands_for([one], "CONFIG", "SET", "maxmemory", own),
            )
        for name in ("maxmemory-policy", "databases", "appendonly"):
            if one.setting(name) != master.setting(name):
                yield Symptom(
                    f"{name} is {one.setting(name)} on {one.address}, {master.setting(name)} on the master",
                    (
                        Proof(str(one.address), f"{name} {one.setting(name)}"),
                        Proof(str(master.address), f"{name} {master.setting(name)}"),
                    ),
                    cause=f"{name} differs",
                )


@rule("R08", Severity.WARNING)
def replica_takes_writes(found: MasterInspection) -> Iterator[Symptom]:
    """
    A replica accepts writes.

    Why: a client that holds a connection to the wrong node gets no error; what it writes there is lost at the next
    synchronisation.

    Mend: `redis-cli -h HOST -p PORT CONFIG SET replica-read-only yes`, then CONFIG REWRITE.

    Source: redis.conf, "replica-read-only".

    Versions: all.
    """
    for one in found.nodes.values():
        if one.setting("replica-read-only", "slave-read-only") == "no":
            yield Symptom(
                f"{one.address} accepts writes as a replica",
                (Proof(str(one.address), "replica-read-only no"),),
                commands_for([one], "CONFIG", "SET", "replica-read-only", "yes"),
            )


@rule("R09", Severity.WARNING)
def versions_differ(found: MasterInspection) -> Iterator[Symptom]:
    """
    Servers have different versions; an error if a replica is older than its master, or Redis and Valkey are mixed.

    Why: an older server can't read the RDB of a newer one, so it can't follow a newer master. After a failover to a
    newer node the older ones stay behind.

    Mend: upgrade the replicas first, then move the master to one of them (`switchmaster failover NAME`), then the old
    master, then the Sentinels.

    Source: the RDB version in rdb.h rises with releases; derived.

    Versions: all.
    """
    servers: list[ServerInspection] = [*found.nodes.values(), *(found.sentinels[name] for name in found.answers)]
    kinds = {(one.is_valkey, one.version) for one in servers if one.version}
    if len(kinds) < 2:
        return
    master = found.master
    older = [
        one
        for one in found.replicas
        if master is not None and one.version and master.version and one.version[:2] < master.version[:2]
    ]
    nodes = {one.is_valkey for one in found.nodes.values() if one.version}
    yield Symptom(
        f"{len(kinds)} versions" + (f"; {older[0].address} is older than its master" if older else ""),
        tuple(
            Proof(str(one.address), f"{'valkey' if one.is_valkey else 'redis'} {'.'.join(map(str, one.version))}")
            for one in servers
            if one.version
        ),
        severity=Severity.ERROR if older or len(nodes) > 1 else None,
    )


@rule("R10", Severity.ERROR)
def valkey_needs_the_right_to_failover(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel of Valkey 9.0.0 logs in to a node as a user that may not call FAILOVER.

    Why: this version sends FAILOVER ABORT before each change of a role. If the user may not, the whole transaction
    fails, and every failover ends with `-failover-abort-slave-timeout`.

    Mend: `ACL SETUSER USER +failover` on each node and ACL SAVE (or the line in the configuration), or upgrade to
    9.0.1.

    Source: valkey#2779, mended by valkey#2780.

    Versions: Valkey 9.0.0 only; 9.0.1 and later need the right for SENTINEL FAILOVER COORDINATED alone (S05).
    """
    affected = any(one.is_valkey and one.version == (9, 0, 0) for one in found.sentinels.values())
    for one in found.nodes.values() if affected else ():
        for user, rights in one.sentinel_users.items():
            if any(not may for command, may in rights.items() if command.startswith("FAILOVER")):
                yield Symptom(
                    f"the Sentinels' user {user} may not call FAILOVER on {one.address}",
                    (Proof(str(one.address), f"ACL DRYRUN {user} FAILOVER: no"),),
                    commands_for([one], "ACL", "SETUSER", user, "+failover"),
                    cause="+failover is lacking",
                )


@rule("R11", Severity.WARNING)
def coordinated_failover_may_crash(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel's version may crash in SENTINEL FAILOVER COORDINATED.

    Why: if the old master's connection ends while the Sentinel tidies up after the promotion, it crashes (SIGSEGV).

    Mend: upgrade to Valkey 9.1.1, or use SENTINEL FAILOVER without COORDINATED.

    Source: valkey#4066, mended by valkey#4068 on 2026-07-01.

    Versions: Valkey 9.0.0 to 9.1.0; later releases of 9.0 may have the fix, which was not checked.
    """
    for name in sorted(found.answers):
        one = found.sentinels[name]
        if one.is_valkey and (9, 0, 0) <= one.version < (9, 1, 1):
            yield Symptom(
                f"{name} may crash in a coordinated failover",
                (Proof(name, f"valkey {'.'.join(map(str, one.version))}"),),
                cause="valkey#4066",
            )


@rule("R16", Severity.WARNING)
def saving_fails_or_stalls(found: MasterInspection) -> Iterator[Symptom]:
    """
    The last background save failed, or a fork took longer than 400 ms.

    Why: a full synchronisation writes such a file first (without diskless replication); if it fails, the replica never
    gets a copy. In a long fork the node answers nothing, which costs part of down-after.

    Mend: see the node's log: disk space, `vm.overcommit_memory`, transparent huge pages, memory of the host.

    Source: cachecloud, "latest_fork_usec"; redis.conf, "stop-writes-on-bgsave-error".

    Versions: all.
    """
    for one in found.nodes.values():
        if one.said("persistence", "rdb_last_bgsave_status") == "err":
            yield Symptom(
                f"the last background save of {one.address} failed",
                (Proof(str(one.address), "rdb_last_bgsave_status err"),),
            )
        fork = one.number("stats", "latest_fork_usec") or 0
        if fork > FORK_US:
            yield Symptom(
                f"{one.address} stood still for {fork / 1e6:.1f} s in a fork",
                (Proof(str(one.address), f"latest_fork_usec {fork}"),),
            )


@rule("R18", Severity.WARNING)
def configuration_is_not_written(found: MasterInspection) -> Iterator[Symptom]:
    """
    A node has no configuration file.

    Why: Sentinel makes a change of roles last by CONFIG REWRITE. Without a file the node comes back after a restart in
    its old role: as a second master, or following a node that is no master.

    Mend: start it with a file, even an empty one: `redis-server /etc/redis/redis.conf`.

    Source: sentinel.c, sentinelSendSlaveOf(): MULTI, SLAVEOF, CONFIG REWRITE, CLIENT KILL, EXEC.

    Versions: all.
    """
    for one in found.nodes.values():
        if one.said("server", "config_file") == "":
            yield Symptom(
                f"{one.address} has no configuration file", (Proof(str(one.address), "config_file is empty"),)
            )


def _why_not(candidate: PromotionCandidate) -> str:
    told = []
    for check in candidate.failed:
        limit = "" if check.limit is None else f", at most {check.limit} ms"
        value = ",".join(sorted(candidate.replica.flags)) if check.value is None else f"{check.value}{limit}"
        told.append(f"{check.rule} ({value})")
    return "; ".join(told)


def _nodes(found: MasterInspection, replicas: list[ReplicaReply]) -> list[NodeInspection]:
    return [found.nodes[each.address] for each in replicas if each.address in found.nodes]


def _connected(master: NodeInspection) -> set[Address] | None:
    """Return the replicas in the master's INFO, by the addresses that they gave it; None if it was not told."""
    fields = {} if master.info is None else master.info.sections.get("replication", {})
    if "connected_slaves" not in fields:
        return None
    found = set()
    for key, line in fields.items():
        if key.startswith("slave") and key[5:].isdecimal():
            parts = dict(part.partition("=")[::2] for part in line.split(","))
            port = parts.get("port", "")
            found.add(Address(parts.get("ip", ""), int(port) if port.isdecimal() else 0))
    return found


def _reached(node: NodeInspection | None) -> tuple[Proof, ...]:
    if node is None:
        return ()
    return (Proof(str(node.address), "answers" if node.answered else node.reason),)
