"""Rules: do Sentinels and nodes agree on who is master?"""

from __future__ import annotations

from collections.abc import Iterator

from ...model import Address
from ..inspection import Inspection, MasterInspection, NodeInspection
from ..symptom import Proof, Severity, Symptom, rule
from .places import commands_for, is_loopback, node_place

__all__ = ["failing_over"]


def failing_over(found: MasterInspection) -> bool:
    """Whether a Sentinel runs a failover of this master: then addresses differ for a while, and rightly so."""
    return any("failover_in_progress" in told.master.flags for told in found.answers.values())


@rule("A01", Severity.ERROR)
def sentinels_name_different_masters(found: MasterInspection) -> Iterator[Symptom]:
    """
    Sentinels name different masters, and no failover is in progress.

    Why: clients write to both nodes, and the writes on one of them are lost once it is made a replica.

    Mend: find the right one with `ROLE` on each node. On each Sentinel that is wrong:
    `SENTINEL REMOVE NAME`, then `SENTINEL MONITOR NAME IP PORT QUORUM` with the right address.

    Source: redis#12271; x-pipe, "inconsistent Sentinel monitors".

    Versions: all. A Sentinel that was away needs up to 2 s (a hello) to catch up.
    """
    named = {name: told.address or told.master.address for name, told in sorted(found.answers.items())}
    places = {node_place(found, address) for address in named.values()}
    if len(places) > 1 and not failing_over(found):
        yield Symptom(
            f"{len(places)} addresses are named",
            tuple(
                Proof(name, f"{address} at epoch {found.answers[name].master.config_epoch}")
                for name, address in named.items()
            ),
            cause="Sentinels disagree",
        )


@rule("A02", Severity.WARNING)
def epochs_differ(found: MasterInspection) -> Iterator[Symptom]:
    """
    Sentinels have different config epochs for one master.

    Why: the higher epoch wins. A Sentinel that stays behind has not heard of the last failover. An error if two
    addresses have the same epoch: then neither can win, and Sentinels stay apart.

    Mend: if it stays so for longer than a few seconds, check that hellos reach the Sentinel (Q12). For one epoch with
    two addresses, start a failover: `SENTINEL FAILOVER NAME` gives one of them a higher epoch.

    Source: sentinel.c, sentinelProcessHelloMessage(); a manual SENTINEL FAILOVER takes an epoch without a vote.

    Versions: all.
    """
    told = sorted(found.answers.items())
    if failing_over(found):
        return
    epochs = {each.master.config_epoch for _, each in told}
    pairs = {(each.master.config_epoch, node_place(found, each.address or each.master.address)) for _, each in told}
    if len(pairs) > len(epochs):
        severity: Severity | None = Severity.ERROR
    elif len(epochs) > 1:
        severity = None
    else:
        return
    yield Symptom(
        f"config epochs {min(epochs)} to {max(epochs)}",
        tuple(Proof(name, f"epoch {each.master.config_epoch}, {each.address}") for name, each in told),
        severity=severity,
        cause="Sentinels disagree",
    )


@rule("A03", Severity.ERROR)
def named_master_is_a_replica(found: MasterInspection) -> Iterator[Symptom]:
    """
    The master that the Sentinels name says that it is a replica.

    Why: writes are refused (or lost), and Sentinel itself may never act: it takes the node for down only after
    down-after and two INFO periods, and not at all if it follows another node that it knows.

    Mend: if it has no right master: `redis-cli -h HOST -p PORT REPLICAOF NO ONE` on the node that has the newest data.

    Source: DandyDeveloper/charts#412; sentinel.c, sentinelCheckSubjectivelyDown().

    Versions: all.
    """
    master = found.master
    if master is not None and master.is_master() is False and not failing_over(found):
        yield Symptom(
            f"{master.address} is named as the master, and is a replica of {master.following()}",
            (Proof(str(master.address), f"ROLE slave of {master.following()}"),),
            commands_for([master], "REPLICAOF", "NO", "ONE"),
            cause="no node is the master" if not _masters(found) else "",
        )


@rule("A04", Severity.ERROR)
def several_masters(found: MasterInspection) -> Iterator[Symptom]:
    """
    More than one node of the group says that it is the master.

    Why: whatever is written to the wrong one is lost when Sentinel makes it a replica, which it does 8 to 18 s later if
    it can log in there.

    Mend: `redis-cli -h HOST -p PORT REPLICAOF IP PORT` on each wrong one, after you have saved what was written to it.

    Source: spotahome operator, MASTER_COUNT_IS_NOT_ONE; sentinel.c, sentinelRefreshInstanceInfo(), +convert-to-slave.

    Versions: all.
    """
    masters = _masters(found)
    if len(masters) > 1 and not failing_over(found):
        wrong = [one for one in masters if one.address != found.address]
        target = () if found.address is None else (found.address.host, str(found.address.port))
        yield Symptom(
            f"{len(masters)} nodes say that they are the master",
            tuple(Proof(str(one.address), "ROLE master") for one in masters),
            commands_for(wrong, "REPLICAOF", *target),
        )


@rule("A05", Severity.ERROR)
def no_master(found: MasterInspection) -> Iterator[Symptom]:
    """
    All nodes answer, and none of them says that it is the master.

    Why: nothing can be written.

    Mend: choose the replica with the highest offset: `redis-cli -h HOST -p PORT REPLICAOF NO ONE`.

    Source: DandyDeveloper/charts#397.

    Versions: all.
    """
    roles = [one.is_master() for one in found.nodes.values()]
    if roles and not any(roles) and None not in roles and not failing_over(found):
        yield Symptom(
            f"none of {len(roles)} nodes says that it is the master",
            tuple(Proof(str(one.address), f"follows {one.following()}") for one in found.nodes.values()),
            cause="no node is the master",
        )


@rule("A06", Severity.ERROR)
def replica_follows_another(found: MasterInspection) -> Iterator[Symptom]:
    """
    A replica follows a node that is not the master.

    Why: it gets no data of the master's, or by way of another replica (only a warning): then it falls with that one.
    If two replicas follow each other, neither has a master.

    Mend: `redis-cli -h HOST -p PORT REPLICAOF IP PORT` with the master's address. Sentinel does the same after
    failover-timeout, if it can log in there.

    Source: spotahome operator, SLAVE_WRONG_MASTER; redis#3837; DandyDeveloper/charts#283.

    Versions: all. Addresses are compared by where they lead: names and IP addresses of one node are the same.
    """
    master = found.master
    if master is None or found.address is None or failing_over(found):
        return
    places = {(one.dialled_ip, one.address.port): one for one in found.nodes.values() if one.dialled_ip}
    for one in found.replicas:
        target = one.following()
        if target is None or one.is_master():
            continue
        node = found.nodes.get(target) or places.get((target.host, target.port))
        if target == found.address or node is master or _same(target, master):
            continue
        chained = node is not None and not _cycles(found, one)
        yield Symptom(
            f"{one.address} follows {target}, not the master {found.address}",
            (Proof(str(one.address), f"ROLE slave of {target}, {one.role.state if one.role else ''}"),),
            commands_for([one], "REPLICAOF", found.address.host, str(found.address.port)),
            Severity.WARNING if chained else None,
        )


@rule.whole("A07", Severity.ERROR)
def node_in_two_groups(found: Inspection) -> Iterator[Symptom]:
    """
    One node, or one data set, belongs to two masters.

    Why: after a host got the IP address of another, a Sentinel takes a node of another group for its own, and may
    promote it: the wrong data with the right name.

    Mend: on every Sentinel of the group to which it does not belong, 30 s apart: `SENTINEL RESET NAME`; stop the node
    from following that master first.

    Source: redis#14313; helm/charts#19895.

    Versions: all.
    """
    for one in found.nodes:
        if len(one.masters) > 1:
            yield Symptom(
                f"{one.address} belongs to {' and '.join(sorted(one.masters))}",
                (Proof(str(one.address), f"run id {one.said('server', 'run_id')}"),),
            )
    histories: dict[str, set[str]] = {}
    for one in found.nodes:
        replid = one.said("replication", "master_replid")
        if replid is not None and one.is_master():
            histories.setdefault(replid, set()).update(one.masters)
    for replid, names in histories.items():
        if len(names) > 1:
            yield Symptom(
                f"the masters of {' and '.join(sorted(names))} have one history", (Proof("master_replid", replid),)
            )


@rule("A08", Severity.WARNING)
def replica_has_other_data(found: MasterInspection) -> Iterator[Symptom]:
    """
    A replica's replication history is not the master's.

    Why: it holds data of another master. Promoted, it would replace the data of all the others by it.

    Mend: let it follow the right master, which replaces its data:
    `redis-cli -h HOST -p PORT REPLICAOF IP PORT`.

    Source: redis#14313; replication.c, masterTryPartialResynchronization().

    Versions: all. A replica that waits for its first synchronisation has a history of its own for a short while.
    """
    master = found.master
    if master is None or failing_over(found) or not master.is_master():
        return
    own = _history(master)
    for one in found.replicas:
        if own and (history := _history(one)) and not own & history:
            yield Symptom(
                f"{one.address} has another history than its master",
                (Proof(str(one.address), min(history)), Proof(str(master.address), min(own))),
            )


@rule("A09", Severity.ERROR)
def loopback_is_monitored(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel monitors the master at a loopback address, while other servers are on other hosts.

    Why: on each host it is another node. Each Sentinel takes its own for the master, and clients are sent to their own
    host.

    Mend: `SENTINEL REMOVE NAME`, then `SENTINEL MONITOR NAME IP PORT QUORUM` with an address that all hosts reach.

    Source: spotahome/redis-operator#601; redis#12531.

    Versions: all.
    """
    servers = [*found.sentinels.values(), *found.nodes.values()]
    remote = [one for one in servers if one.address.possible and not is_loopback(one.dialled_ip or one.address.host)]
    for name, told in sorted(found.answers.items()):
        if remote and is_loopback(told.master.address.host):
            yield Symptom(
                f"{name} monitors {told.master.address}",
                (Proof(name, str(told.master.address)), Proof(str(remote[0].address), "is on another host")),
                commands_for([found.sentinels[name]], "SENTINEL", "REMOVE", found.name),
                cause="loopback address",
            )


@rule("A10", Severity.WARNING)
def failover_in_progress(found: MasterInspection) -> Iterator[Symptom]:
    """
    A failover is in progress.

    Why: addresses, roles and epochs differ rightly now, so the rules on them are silent. If it stays so for longer than
    failover-timeout, it is stuck.

    Mend: wait for its end, and inspect again. `switchmaster watch` shows its stages.

    Source: sentinel.c, sentinelFailoverStateMachine().

    Versions: all.
    """
    for name, told in sorted(found.answers.items()):
        if "failover_in_progress" in told.master.flags:
            state = told.master.failover_state or "failover_in_progress"
            yield Symptom(f"{name} runs a failover ({state})", (Proof(name, state),), cause="failover in progress")


@rule("A11", Severity.INFO)
def leader_names_two_addresses(found: MasterInspection) -> Iterator[Symptom]:
    """
    A Sentinel answers GET-MASTER-ADDR-BY-NAME with another address than SENTINEL MASTER.

    Why: it leads a failover that has promoted a replica, and waits for the others to follow: up to failover-timeout.
    Clients that ask are sent to the new master; its `+switch-master` comes at the end.

    Mend: nothing, if it ends within failover-timeout.

    Source: sentinel.c, sentinelGetCurrentMasterAddress(); docs/topics/protocol.md, 2.2.

    Versions: all.
    """
    for name, told in sorted(found.answers.items()):
        if told.address is not None and told.address != told.master.address:
            yield Symptom(
                f"{name} answers {told.address}, and shows {told.master.address}",
                (
                    Proof(name, f"GET-MASTER-ADDR-BY-NAME {told.address}"),
                    Proof(name, f"MASTER {told.master.address}"),
                ),
                cause="failover in progress",
            )


def _masters(found: MasterInspection) -> list[NodeInspection]:
    return [one for _, one in sorted(found.nodes.items()) if one.is_master()]


def _history(node: NodeInspection) -> frozenset[str]:
    ids = {node.said("replication", name) for name in ("master_replid", "master_replid2")}
    return frozenset(each for each in ids if each and each.strip("0"))


def _same(target: Address, node: NodeInspection) -> bool:
    """Whether an address that a replica follows is the node's: by the port that it listens on, and any name of it."""
    if target.port not in (node.address.port, node.number("server", "tcp_port")):
        return False
    return target.host in (node.address.host, node.dialled_ip) or (
        is_loopback(target.host) and is_loopback(node.dialled_ip or node.address.host)
    )


def _cycles(found: MasterInspection, start: NodeInspection) -> bool:
    """Whether a walk from one replica to what it follows comes back to it."""
    seen: set[Address] = set()
    here: NodeInspection | None = start
    while here is not None and here.address not in seen:
        seen.add(here.address)
        target = here.following()
        here = None if target is None else found.nodes.get(target)
    return here is not None
