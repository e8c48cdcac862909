"""A Watch, told what Sentinels of one deployment said: what it decides, asks and believes."""

from __future__ import annotations

from recorded.answers import snapshot
from rig.scenario import AT_A, IDS, S1, S2, S3, SENTINELS, A, B, C, Scenario
from switchmaster.belief.decisions import Ask, Connect, Disconnect, NoticeKind, StartProbe, StopProbe
from switchmaster.belief.failover import Failover, Outcome, Stage
from switchmaster.belief.topology import Health
from switchmaster.follow.gate import GateState, phase_of
from switchmaster.model import Address, Cause, Grade, Moment, RunId, SentinelName, Via
from switchmaster.wire.facts import LinkChange, LinkState, Probe, SnapshotEnd


def test_watch_switches_when_the_selected_replica_answers_master() -> None:
    """The selected replica's answer switches; later news of it are further witnesses."""
    told = Scenario()
    told.fail_over()
    assert told.of(StartProbe) == [StartProbe(B, "mymaster", f"{S1} selected it")]
    told.tell(None, Probe(B, "slave", following=A))
    assert told.switches == []
    told.tell(None, Probe(B, "master"))
    [switch] = told.switches
    assert (switch.old, switch.new, switch.epoch, switch.grade, switch.via) == (A, B, 1, Grade.PROMOTED, Via.ROLE)
    assert switch.cause is Cause.FAILOVER
    told.promote()
    told.switch(S2)
    told.switch(S3)
    assert told.switches == [switch]
    final = told.watch.topology.masters["mymaster"].switch
    assert final is not None
    assert final.witnesses == (S1, S2, S3)
    assert StopProbe(B, "mymaster") in told.decisions


def test_watch_expects_a_switch_when_the_selected_replica_disconnects() -> None:
    """A switch is imminent when the selected replica ends its connections."""
    told = Scenario()

    def seen() -> tuple[Address | None, Address | None, GateState]:
        state = told.watch.topology.masters["mymaster"]
        phase = phase_of(state)
        assert phase.address == state.address
        return state.imminent, phase.next, phase.gate

    told.fail_over()
    told.tell(None, Probe(B, "slave", following=A))
    assert seen() == (None, None, GateState.FAILING)
    told.tell(None, Probe(B, None, "the node closed the connection", ended=True))
    assert seen() == (B, B, GateState.FAILING)
    assert told.switches == []
    told.tell(None, Probe(B, "slave", following=A))
    assert seen() == (None, None, GateState.FAILING)
    told.tell(None, Probe(B, None, "the node closed the connection", ended=True))
    told.tell(None, Probe(B, "master"))
    assert seen() == (None, None, GateState.OPEN)
    assert [switch.new for switch in told.switches] == [B]


def test_master_is_failing_over_until_its_promotion_is_believed() -> None:
    told = Scenario()
    told.fail_over()
    told.promote()
    assert told.switches == []
    assert told.watch.topology.masters["mymaster"].health is Health.FAILING_OVER
    told.tell(None, Probe(B, "master"))
    assert told.watch.topology.masters["mymaster"].health is Health.OK


def test_lost_connection_is_no_reason_to_believe_a_leader_without_asking_the_node() -> None:
    told = Scenario()
    told.fail_over()
    told.tell(None, Probe(B, "slave", following=A))
    told.tell(None, Probe(B, None, "the node closed the connection", ended=True))
    told.promote()
    assert told.switches == []
    told.tell(None, Probe(B, "master"))
    assert [switch.grade for switch in told.switches] == [Grade.PROMOTED]


def test_watch_switches_to_an_unreachable_node_by_a_second_sentinel() -> None:
    """If the node cannot be reached, a second Sentinel that follows the leader switches."""
    told = Scenario()
    told.fail_over()
    told.tell(None, Probe(B, None, "it refused the connection"))
    assert told.switches == []
    told.promote()
    assert told.switches == [], "two of three give the old one, and may not have heard of it yet"
    told.switch(S2)
    [switch] = told.switches
    assert (switch.grade, switch.via, switch.at) == (Grade.ANNOUNCED, Via.PROMOTED, told.now)
    assert "it refused the connection" in switch.why


def test_watch_gives_a_nodes_answer_only_to_the_masters_that_asked() -> None:
    """A node's answer counts only for the masters for which it was asked."""
    told = Scenario()
    told.fail_over()
    told.promote()
    told.tell(None, Probe(B, None, "it wants another password", masters=frozenset({"other"})))
    assert told.switches == []
    told.tell(None, Probe(B, "master", masters=frozenset({"other", "mymaster"})))
    assert [switch.grade for switch in told.switches] == [Grade.PROMOTED]


def test_watch_switches_after_the_timeout_when_the_node_stays_silent() -> None:
    told = Scenario()
    told.fail_over()
    told.promote()
    announced = told.now
    told.wait(0.9)
    assert told.switches == []
    told.wait(0.2)
    [switch] = told.switches
    assert (switch.grade, switch.at) == (Grade.ANNOUNCED, announced + 1.0)


def test_watch_waits_for_a_majority_under_the_policy_agreed() -> None:
    told = Scenario(policy=Grade.AGREED)
    told.fail_over()
    told.tell(None, Probe(B, "master"))
    told.promote()
    told.wait(5.0)
    assert told.switches == []
    told.switch(S2)
    [switch] = told.switches
    assert (switch.grade, switch.epoch) == (Grade.AGREED, 1)


def test_watch_asks_for_the_epoch_first_when_a_switch_comes_without_one() -> None:
    told = Scenario(probing=False)
    told.switch(S2)
    assert any(isinstance(d, Ask) and d.sentinel == S2 and d.masters == ("mymaster",) for d in told.decisions)
    assert told.switches == []
    told.tell(S2, snapshot(B, 7))
    told.tell(S1, snapshot(B, 7))
    [switch] = told.switches
    assert (switch.epoch, switch.via) == (7, Via.SWITCH)


def test_watch_switches_without_an_epoch_when_the_question_is_not_answered_in_time() -> None:
    told = Scenario(probing=False)
    told.switch(S2)
    told.wait(1.1)
    [switch] = told.switches
    assert (switch.new, switch.epoch) == (B, None)
    told.tell(S3, snapshot(B, 7))
    assert len(told.switches) == 1
    assert told.watch.topology.masters["mymaster"].epoch == 7


def test_watch_does_not_go_back_when_a_stale_sentinel_returns() -> None:
    told = Scenario(probing=False)
    told.down(S3)
    told.fail_over()
    told.promote()
    told.switch(S2)
    told.up(S3, A, 0)
    told.wait(60.0)
    assert [s.new for s in told.switches] == [B]
    assert told.watch.address("mymaster") == B
    assert NoticeKind.STALE in told.notices
    told.switch(S3)
    assert len(told.switches) == 1


def test_watch_reports_a_disagreement_when_one_epoch_has_two_addresses() -> None:
    told = Scenario(probing=False)
    told.fail_over()
    told.promote()
    told.switch(S2)
    told.tell(S3, snapshot(C, 1))
    told.wait(5.0)
    assert told.watch.address("mymaster") == B
    assert told.notices == [NoticeKind.DISAGREEMENT]
    [opinion] = [o for o in told.watch.topology.masters["mymaster"].disagreeing if o.sentinel == S3]
    assert opinion.address == C


def test_watch_does_not_follow_a_promotion_when_its_failover_was_aborted() -> None:
    told = Scenario()
    told.fail_over()
    told.say(S1, f"-failover-abort-slave-timeout master mymaster 127.0.0.1 {A.port}")
    told.tell(None, Probe(B, "master"))
    assert told.switches == []
    assert told.notices == [NoticeKind.ROGUE]
    [record] = [r for r in told.of(Failover) if isinstance(r, Failover) and r.closed]
    assert isinstance(record, Failover)
    assert record.outcome is Outcome.ABORTED
    told.wait(11.0)
    assert StopProbe(B, "mymaster") in told.decisions
    assert told.watch.address("mymaster") == A


def test_watch_goes_back_when_a_promotion_that_nobody_announced_is_undone() -> None:
    told = Scenario()
    told.fail_over()
    told.tell(None, Probe(B, "master"))
    assert [s.new for s in told.switches] == [B]
    told.down(S1)
    told.wait(29.0)
    assert len(told.switches) == 1, "an unannounced master stands while it answers so, and no other does"
    told.tell(S2, snapshot(A, 0))
    told.tell(S3, snapshot(A, 0))
    told.tell(None, Probe(B, "slave", following=A))
    told.tell(None, Probe(A, "master"))
    told.wait(1.1)
    assert [(s.new, s.incarnation, s.cause) for s in told.switches] == [
        (B, 0, Cause.FAILOVER),
        (A, 1, Cause.FAILOVER),
    ]


def test_watch_undoes_no_promotion_when_a_connection_to_the_node_is_lost() -> None:
    told = Scenario()
    told.fail_over()
    told.tell(None, Probe(B, "master"), Probe(B, None, "the node closed the connection"))
    for name in (S2, S3):
        told.say(name, "-sdown master mymaster 127.0.0.1 27001")
    told.wait(9.0)
    told.tell(None, Probe(B, "master"))
    told.wait(5.0)
    assert [s.new for s in told.switches] == [B]


def test_watch_goes_back_when_the_node_stays_silent_that_nobody_announced() -> None:
    told = Scenario()
    told.fail_over()
    told.say(S1, "-sdown master mymaster 127.0.0.1 27001")
    told.tell(None, Probe(B, "master"), Probe(B, None, "the node closed the connection"))
    told.wait(10.1)
    told.tell(None, Probe(A, "master"))
    assert [s.new for s in told.switches] == [B, A]


def test_watch_takes_no_epoch_from_before_a_try_whose_own_it_missed() -> None:
    told = Scenario()
    told.say(S1, "+new-epoch 1", "+sdown master mymaster 127.0.0.1 27001")
    told.say(S1, "+try-failover master mymaster 127.0.0.1 27001", f"+selected-slave slave {B} 127.0.0.1 27002 @ {AT_A}")
    told.tell(None, Probe(B, "master"))
    assert [(s.new, s.epoch) for s in told.switches] == [(B, None)]


def test_watch_learns_the_epoch_of_a_try_from_the_vote_that_follows_on_it() -> None:
    told = Scenario()
    told.say(S1, "+new-epoch 2", "+try-failover master mymaster 127.0.0.1 27001", f"+vote-for-leader {IDS[S1]} 3")
    told.say(S1, f"+elected-leader master {AT_A}", f"+selected-slave slave {B} 127.0.0.1 27002 @ {AT_A}")
    told.tell(None, Probe(B, "master"))
    assert [(s.new, s.epoch) for s in told.switches] == [(B, 3)]


def test_watch_lends_no_epoch_of_an_attempt_to_who_announces_what_it_did_not_select() -> None:
    told = Scenario()
    told.say(S1, "+new-epoch 5", "+try-failover master mymaster 127.0.0.1 27001")
    told.switch(S2)
    assert told.switches == []
    told.tell(S2, snapshot(B, 4))
    told.tell(None, Probe(B, "master"))
    assert [(s.new, s.epoch) for s in told.switches] == [(B, 4)]


def test_watch_follows_a_majority_elsewhere_of_a_master_known_by_an_event() -> None:
    """A majority elsewhere is followed, also for a master that was first heard of by an event."""
    told = Scenario(probing=False)
    told.say(S3, "+monitor master another 127.0.0.1 27001 quorum 2")
    for name in SENTINELS:
        told.tell(name, snapshot(A, 0, name="another"), SnapshotEnd(("mymaster", "another")))
    for name in SENTINELS[:2]:
        told.tell(name, snapshot(B, 0, name="another"))
    told.wait(10.1)
    assert [(s.master, s.new, s.cause) for s in told.switches] == [("another", B, Cause.UNKNOWN)]


def test_watch_begins_a_new_incarnation_when_all_sentinels_monitor_another_address() -> None:
    told = Scenario(probing=False)
    told.fail_over()
    told.promote()
    for name in (S2, S3, S1):
        told.switch(name)
    told.monitor(SENTINELS, B, C)
    assert [(s.new, s.incarnation, s.cause) for s in told.switches] == [
        (B, 0, Cause.FAILOVER),
        (C, 1, Cause.RECONFIGURED),
    ]
    assert told.watch.topology.masters["mymaster"].incarnation == 1


def test_watch_follows_the_first_failover_after_monitoring_began_again() -> None:
    """The first failover is followed when the master is monitored again at its old address."""
    told = Scenario(probing=False)
    told.monitor(SENTINELS, A, A)
    told.wait(1.0)
    told.fail_over()
    told.promote()
    told.wait(5.0)
    assert [(s.new, s.incarnation) for s in told.switches] == [(B, 0)]
    told.switch(S2)
    told.switch(S3)
    assert len(told.switches) == 1


def test_watch_does_nothing_when_one_sentinel_alone_monitors_another_address() -> None:
    told = Scenario(probing=False)
    told.monitor([S2], A, C)
    told.wait(60.0)
    assert told.switches == []
    assert told.watch.address("mymaster") == A


def test_watch_aborts_the_failover_when_its_leader_is_reset() -> None:
    told = Scenario()
    told.fail_over()
    told.say(S1, f"+reset-master master mymaster 127.0.0.1 {A.port}")
    records = [r for r in told.of(Failover) if isinstance(r, Failover) and r.closed]
    assert [(r.outcome, r.stage) for r in records] == [(Outcome.ABORTED, Stage.ABORTED)]
    assert "RESET" in records[0].reason
    told.tell(None, Probe(B, "master"))
    assert told.switches == []


def test_watch_starts_at_the_highest_epoch_after_a_stale_first_answer() -> None:
    """The belief starts at the highest epoch, without a switch, when a stale answer comes first."""
    told = Scenario(started=False)
    told.up(S3, A, 0)
    told.up(S1, B, 3)
    told.up(S2, B, 3)
    told.wait(20.0)
    assert told.switches == []
    state = told.watch.topology.masters["mymaster"]
    assert (state.address, state.epoch, state.grade, state.health) == (B, 3, Grade.AGREED, Health.OK)


def test_watch_believes_what_it_believed_when_all_sentinels_go_and_return() -> None:
    told = Scenario(probing=False)
    for name in SENTINELS:
        told.down(name)
    assert told.watch.topology.masters["mymaster"].health is Health.UNKNOWN
    assert told.watch.address("mymaster") == A
    told.wait(5.0)
    told.up(S2, B, 1)
    assert [(s.new, s.epoch, s.via) for s in told.switches] == [(B, 1, Via.SNAPSHOT)]


def test_watch_leaves_a_sentinel_that_it_hears_under_two_names() -> None:
    told = Scenario()
    seed = SentinelName("sentinel-1:27011")
    told.watch.observe(seed, LinkChange(LinkState.LIVE, run_id=IDS[S1]), Moment(told.now))
    left = [d.sentinel for d in told.watch.decisions() if isinstance(d, Disconnect)]
    assert left == [seed]


def test_watch_dials_and_forgets_a_sentinel_that_the_others_knew() -> None:
    told = Scenario()
    fourth = RunId(f"{9:040x}")
    told.say(S1, f"+sentinel sentinel {fourth} 127.0.0.1 27014 @ mymaster 127.0.0.1 27001")
    [connect] = [d for d in told.decisions if isinstance(d, Connect)]
    assert connect.address == Address("127.0.0.1", 27014)
    told.tell(connect.sentinel, LinkChange(LinkState.DOWN, "it was refused"))
    told.tell(S1, snapshot(A, 0, sentinels=[]))
    told.wait(599.0)
    assert connect.sentinel in told.watch.topology.sentinels
    told.wait(2.0)
    assert connect.sentinel not in told.watch.topology.sentinels


def test_watch_calls_a_failover_automatic_when_odown_was_said_before_it_listened() -> None:
    told = Scenario(started=False)
    told.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]), snapshot(A, 0, flags=["s_down", "o_down"]))
    told.say(S1, "+new-epoch 1", "+try-failover master mymaster 127.0.0.1 27001")
    [record] = [r for r in told.of(Failover) if isinstance(r, Failover)]
    assert str(record.kind) == "automatic"


def test_watch_counts_the_leaders_word_of_the_old_master_for_the_old_master_alone() -> None:
    told = Scenario(probing=False)
    told.fail_over()
    told.promote()
    told.switch(S2)
    told.tell(S1, snapshot(B, 1, flags=["failover_in_progress"]))
    told.say(S1, f"+sdown master mymaster 127.0.0.1 {A.port}")
    assert told.watch.topology.masters["mymaster"].health is Health.OK


def test_watch_makes_no_switch_of_the_address_that_the_first_answers_give() -> None:
    told = Scenario(started=False)
    told.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]))
    told.say(S1, "+selected-slave slave 127.0.0.1:27002 127.0.0.1 27002 @ mymaster 127.0.0.1 27001")
    told.up(S2, B, 1)
    told.up(S3, B, 1)
    told.tell(None, Probe(B, "master"))
    told.wait(20.0)
    assert told.switches == []
    assert told.watch.address("mymaster") == B
    assert told.decisions.count(StopProbe(B, "mymaster")) == 1


NAME = Address("localhost", A.port)
"""Another name of the first master."""


def announces_names(told: Scenario, name: SentinelName, epoch: int = 0, node: Address = NAME) -> None:
    others = [Address("localhost", each.port) for each in (A, B, C) if each.port != node.port]
    told.tell(name, snapshot(node, epoch, replicas=others))


def test_node_that_sentinels_call_by_two_names_is_one_node() -> None:
    told = Scenario()
    announces_names(told, S3)
    told.wait(60.0)
    assert told.switches == []
    assert told.notices == [NoticeKind.TWO_NAMES]
    state = told.watch.topology.masters["mymaster"]
    assert (state.address, state.disagreeing, state.grade) == (A, (), Grade.AGREED)
    told.say(S3, f"+sdown master mymaster localhost {A.port}")
    assert told.watch.topology.masters["mymaster"].down_by == (S3,)
    told.say(S1, f"+sdown master mymaster 127.0.0.1 {A.port}")
    assert len({r.number for r in told.of(Failover) if isinstance(r, Failover)}) == 1


def test_switch_that_sentinels_announce_by_two_names_is_one_switch_and_one_failover() -> None:
    for leader in (S1, S3):
        told = Scenario()
        announces_names(told, S3)
        told.fail_over(leader, 1, *((A, B) if leader == S1 else (NAME, Address("localhost", B.port))))
        told.tell(None, Probe(B, "master"))
        assert [(switch.new, switch.grade) for switch in told.switches] == [(B, Grade.PROMOTED)]
        told.promote(leader, *((A, B) if leader == S1 else (NAME, Address("localhost", B.port))))
        for name in SENTINELS:
            old, new = (NAME, Address("localhost", B.port)) if name == S3 else (A, B)
            told.say(name, f"+switch-master mymaster {old.host} {old.port} {new.host} {new.port}")
            told.tell(name, snapshot(new, 1))
        told.wait(60.0)
        assert [switch.new for switch in told.switches] == [B]
        assert len({r.number for r in told.of(Failover) if isinstance(r, Failover)}) == 1
        assert told.watch.topology.masters["mymaster"].grade is Grade.AGREED


def test_sentinel_that_catches_up_with_what_is_believed_makes_no_failover() -> None:
    told = Scenario(started=False)
    for name in (S1, S2):
        told.up(name, B, 1)
    told.up(S3, A, 0)
    told.say(S3, f"+sdown master mymaster 127.0.0.1 {A.port}")
    told.say(S3, "+new-epoch 1", f"+config-update-from sentinel {IDS[S1]} {S1} @ mymaster 127.0.0.1 {A.port}")
    told.switch(S3)
    told.tell(S3, snapshot(B, 1))
    told.wait(300.0)
    assert (told.of(Failover), told.switches) == ([], [])
    assert told.watch.topology.masters["mymaster"].failover is None


def test_answer_of_a_higher_epoch_is_a_failover_whatever_run_id_it_gives() -> None:
    told = Scenario()
    for name in (S2, S3):
        told.tell(name, snapshot(B, 1, run_ids=lambda address: f"{A.port:040x}"))
    told.tell(None, Probe(B, "master"))
    assert [switch.new for switch in told.switches] == [B]


def test_announcement_before_the_first_answers_are_in_settles_nothing() -> None:
    told = Scenario(started=False)
    told.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]))
    told.switch(S1, A, C)
    told.tell(S1, snapshot(C, 9))
    for name in (S2, S3):
        told.up(name, A, 1)
    told.tell(S1, SnapshotEnd(("mymaster",)))
    assert told.watch.established
    assert told.watch.address("mymaster") == A
    assert told.switches == []
