"""
The failover of a simulated Sentinel: votes, the state machine, and the reconfiguration of replicas.

Each function is one of sentinel.c, named in its docstring. All state is in the Sentinel and its instances.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .instance import Instance, Monitored, State

if TYPE_CHECKING:
    from .sentinel import Sentinel

__all__ = ["ask", "go_on", "judge_replica", "select", "start", "start_if_needed", "switch_to_promoted"]

ASK_PERIOD = 1.0
ELECTION_TIMEOUT = 10.0
DESYNC = 1.0
RECONF_TIMEOUT = 10.0
INFO_PERIOD = 10.0
SETTLED = 8.0
"""Four hello periods: how long a replica must have reported being a master before it is converted."""
LONG_AGO = -1e9


# Elections ----------------------------------------------------------------------------------------


def start_if_needed(me: Sentinel, master: Monitored) -> bool:
    """sentinelStartFailoverIfNeeded."""
    if not master.odown or master.in_progress:
        return False
    if me.now - master.started_at < 2 * master.failover_timeout:
        return False
    start(me, master)
    return True


def start(me: Sentinel, master: Monitored) -> None:
    """sentinelStartFailover."""
    master.state = State.WAIT_START
    me.current_epoch += 1
    master.failover_epoch = me.current_epoch
    me.publish("+new-epoch", str(me.current_epoch))
    me.event("+try-failover", master)
    master.started_at = me.now + me.world.chance.uniform(0, DESYNC)
    master.changed_at = me.now


def ask(me: Sentinel, master: Monitored, forced: bool) -> None:
    """sentinelAskMasterStateToOtherSentinels."""
    now = me.now
    for other in master.sentinels.values():
        elapsed = now - other.answered_at
        if elapsed > 5 * ASK_PERIOD and not me.flavour.stale_opinions:
            other.says_down, other.leader = False, ""
        if master.sdown and other.connected and (forced or elapsed >= ASK_PERIOD):
            _ask_one(me, master, other)


def _ask_one(me: Sentinel, master: Monitored, other: Instance) -> None:
    target = me.world.sentinels.get(_name_of(me, other))
    if target is None:
        return
    candidate = me.run_id if master.in_progress else "*"
    name, address, epoch, life = master.name, master.address, me.current_epoch, me.life

    def asked() -> None:
        down, leader, leader_epoch = is_master_down(target, name, address, epoch, candidate)

        def answered() -> None:
            if other.gone:
                return
            other.answered_at = me.now
            other.says_down = down
            if leader:
                other.leader, other.leader_epoch = leader, leader_epoch

        target.reply(me, life, answered)

    me.tell(other, asked)


def _name_of(me: Sentinel, other: Instance) -> str:
    process = me.world.processes.get(other.address)
    return process.name if process is not None else ""


def is_master_down(me: Sentinel, name: str, address: object, epoch: int, candidate: str) -> tuple[bool, str, int]:
    """SENTINEL IS-MASTER-DOWN-BY-ADDR, on the side that answers."""
    master = next((each for each in me.masters.values() if each.address == address), None)
    if master is None:
        return False, "", 0
    down = master.sdown and not me.tilted
    if candidate == "*":
        return down, "", 0
    return (down, *vote(me, master, epoch, candidate))


def vote(me: Sentinel, master: Monitored, epoch: int, candidate: str) -> tuple[str, int]:
    """sentinelVoteLeader."""
    me.raise_epoch(epoch)
    if master.leader_epoch < epoch and me.current_epoch <= epoch:
        master.leader, master.leader_epoch = candidate, me.current_epoch
        me.publish("+vote-for-leader", f"{candidate} {master.leader_epoch}")
        if candidate != me.run_id:
            master.started_at = me.now + me.world.chance.uniform(0, DESYNC)
    return master.leader, master.leader_epoch


def leader_of(me: Sentinel, master: Monitored, epoch: int) -> str:
    """sentinelGetLeader: the others' votes, ours for the leading candidate, and a majority of at least the quorum."""
    votes: Counter[str] = Counter()
    for other in master.sentinels.values():
        if other.leader and other.leader_epoch == me.current_epoch:
            votes[other.leader] += 1
    winner = max(votes, key=lambda each: votes[each], default=me.run_id)
    mine, mine_epoch = vote(me, master, epoch, winner)
    if mine and mine_epoch == epoch:
        votes[mine] += 1
    winner = max(votes, key=lambda each: votes[each], default="")
    voters = len(master.sentinels) + 1
    return winner if votes[winner] >= max(voters // 2 + 1, master.quorum) else ""


# The state machine --------------------------------------------------------------------------------


def go_on(me: Sentinel, master: Monitored) -> None:
    """sentinelFailoverStateMachine."""
    if master.state is State.WAIT_START:
        _wait_start(me, master)
    elif master.state is State.SELECT_SLAVE:
        _select_slave(me, master)
    elif master.state is State.SEND_SLAVEOF_NOONE:
        _send_slaveof_noone(me, master)
    elif master.state is State.WAIT_PROMOTION:
        if me.now - master.changed_at > master.failover_timeout:
            _abort(me, master, "-failover-abort-slave-timeout")
    elif master.state is State.RECONF_SLAVES:
        _reconf_slaves(me, master)


def _enter(me: Sentinel, master: Monitored, state: State) -> None:
    master.state, master.changed_at = state, me.now


def _abort(me: Sentinel, master: Monitored, channel: str) -> None:
    me.event(channel, master)
    master.state, master.promoted = State.NONE, None
    master.forced = master.coordinated = False


def _wait_start(me: Sentinel, master: Monitored) -> None:
    leads = leader_of(me, master, master.failover_epoch) == me.run_id
    if not leads and not master.forced:
        if me.now - master.started_at > min(ELECTION_TIMEOUT, master.failover_timeout):
            _abort(me, master, "-failover-abort-not-elected")
        return
    me.event("+elected-leader", master)
    _enter(me, master, State.SELECT_SLAVE)
    me.event("+failover-state-select-slave", master)


def select(me: Sentinel, master: Monitored) -> Instance | None:
    """sentinelSelectSlave."""
    now = me.now
    longest = (now - master.sdown_since if master.sdown else 0.0) + 10 * master.down_after
    fit = [
        replica
        for replica in master.replicas.values()
        if not replica.sdown
        and replica.connected
        and now - replica.last_avail <= 5.0
        and replica.priority > 0
        and replica.info_at is not None
        and now - replica.info_at <= (5.0 if master.sdown else 3 * INFO_PERIOD)
        and replica.link_down_for <= longest
    ]
    return min(fit, key=lambda each: (each.priority, -each.offset, each.run_id), default=None)


def _select_slave(me: Sentinel, master: Monitored) -> None:
    replica = select(me, master)
    if replica is None:
        return _abort(me, master, "-failover-abort-no-good-slave")
    me.world.name(master.name, replica.address, master.failover_epoch)
    me.event("+selected-slave", replica)
    master.promoted = replica
    _enter(me, master, State.SEND_SLAVEOF_NOONE)
    me.event("+failover-state-send-slaveof-noone", replica)


def _send_slaveof_noone(me: Sentinel, master: Monitored) -> None:
    replica = master.promoted
    assert replica is not None
    if not replica.connected:
        if me.now - master.changed_at > master.failover_timeout:
            _abort(me, master, "-failover-abort-slave-timeout")
        return
    node, old = me.world.nodes.get(replica.address), me.world.nodes.get(master.address)
    clock, pause = me.world.clock, me.world.chance.uniform(0.005, 0.03)
    if node is not None and not master.coordinated:
        life = node.life
        me.tell(replica, lambda: clock.after(pause, lambda: node.take(life, node.promote)))
    elif node is not None and old is not None:
        life = old.life
        me.tell(master, lambda: clock.after(pause, lambda: old.take(life, lambda: old.hand_over(replica.address))))
    me.event("+failover-state-wait-promotion", replica)
    _enter(me, master, State.WAIT_PROMOTION)


def _slaveof(me: Sentinel, replica: Instance, master: Monitored) -> None:
    node, target = me.world.nodes.get(replica.address), master.believed
    if node is not None:
        me.tell(replica, lambda: node.follow(target))


def _reconf_slaves(me: Sentinel, master: Monitored) -> None:
    """sentinelFailoverReconfNextSlave and sentinelFailoverDetectEnd."""
    now = me.now
    others = [replica for replica in master.replicas.values() if replica is not master.promoted]
    under_way = sum(replica.reconf in ("sent", "inprog") for replica in others)
    for replica in others:
        if under_way >= 1:
            break
        if replica.reconf == "sent" and now - replica.reconf_since > RECONF_TIMEOUT:
            me.event("-slave-reconf-sent-timeout", replica)
            replica.reconf = ""
        if not replica.reconf and replica.connected:
            _slaveof(me, replica, master)
            replica.reconf, replica.reconf_since = "sent", now
            me.event("+slave-reconf-sent", replica)
            under_way += 1
    _detect_end(me, master, others)


def _detect_end(me: Sentinel, master: Monitored, others: list[Instance]) -> None:
    promoted = master.promoted
    if promoted is None or promoted.sdown:
        return
    left = [replica for replica in others if replica.reconf != "done" and not replica.sdown]
    late = me.now - master.changed_at > master.failover_timeout
    if late:
        me.event("+failover-end-for-timeout", master)
    if left and not late:
        return
    me.event("+failover-end", master)
    master.state = State.UPDATE_CONFIG
    if late:
        for replica in others:
            if not replica.reconf and replica.connected:
                _slaveof(me, replica, master)
                me.event("+slave-reconf-sent-be", replica)


def switch_to_promoted(me: Sentinel, master: Monitored) -> None:
    """sentinelFailoverSwitchToPromotedSlave."""
    me.change_address(master, master.believed)


# Replicas -----------------------------------------------------------------------------------------


def judge_replica(me: Sentinel, replica: Instance, now: float) -> None:
    """Act on a replica's INFO (the second half of sentinelRefreshInstanceInfo)."""
    master = replica.master
    if replica.role == "master":
        if replica is master.promoted and master.state is State.WAIT_PROMOTION:
            _promoted(me, master, replica)
        elif replica is not master.promoted and _well(replica, SETTLED, now) and now - replica.role_since > SETTLED:
            _slaveof(me, replica, master)
            me.event("+convert-to-slave", replica)
        return
    wait = master.failover_timeout
    if (
        replica.following != master.address
        and not replica.reconf
        and not master.in_progress
        and _well(replica, wait, now)
        and now - replica.following_since > wait
    ):
        _slaveof(me, replica, master)
        me.event("+fix-slave-config", replica)
    if replica.reconf == "sent" and master.promoted is not None and replica.following == master.promoted.address:
        replica.reconf = "inprog"
        me.event("+slave-reconf-inprog", replica)
    if replica.reconf == "inprog" and replica.link_up:
        replica.reconf = "done"
        me.event("+slave-reconf-done", replica)


def _promoted(me: Sentinel, master: Monitored, replica: Instance) -> None:
    master.config_epoch = master.failover_epoch
    _enter(me, master, State.RECONF_SLAVES)
    me.world.hold(me.name, master.name, replica.address, master.config_epoch)
    me.event("+promoted-slave", replica)
    if me.crash_after_promotion:
        # SIMULATE-FAILURE crash-after-promotion: the last publication is in no socket yet.
        return me.crash(unsent=True)
    me.event("+failover-state-reconf-slaves", master)
    master.published_at = LONG_AGO


def _well(replica: Instance, wait: float, now: float) -> bool:
    """sentinelMasterLooksSane and sentinelInstanceNoDownFor."""
    master = replica.master
    sane = master.role == "master" and not master.sdown and not master.odown
    fresh = master.info_at is not None and now - master.info_at < 2 * INFO_PERIOD
    recently = replica.sdown or now - replica.sdown_since < wait
    return sane and fresh and not recently
