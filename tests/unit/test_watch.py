"""What a Watch decides, asks and believes, from what the Sentinels of one deployment say."""

from __future__ import annotations

import gc

from recorded.answers import snapshot
from rig.scenario import IDS, S1, S2, S3, SENTINELS, A, B, C, Scenario
from rig.story import FAILOVER, play
from switchmaster.belief.decisions import Ask, Connect, Disconnect, NoticeKind, StartProbe, StopProbe
from switchmaster.belief.failover import Failover, Outcome, Stage
from switchmaster.belief.standing import SETTLE
from switchmaster.belief.topology import Health
from switchmaster.follow.gate import GateState, phase_of
from switchmaster.model import Address, Cause, Grade, Moment, RunId, SentinelName, Via
from switchmaster.wire.facts import LinkChange, LinkState, Probe, SnapshotEnd


def test_watch_switches_when_the_selected_replica_answers_master() -> None:
    """The selected replica's answer switches; later news adds witnesses."""
    scene = play(
        FAILOVER
        + """
        0.21  B   answers slave of A
        0.30  B   answers master
        0.30  =>  switch A -> B, epoch 1, promoted by role
        1.00  S1  +promoted-slave slave B @ mymaster A
        1.10  S2  +switch-master mymaster A B
        1.10  S3  +switch-master mymaster A B
        """
    )
    assert scene.of(StartProbe) == [StartProbe(B, "mymaster", f"{S1} selected it")]
    assert StopProbe(B, "mymaster") in scene.decisions
    assert scene.switches[0].cause is Cause.FAILOVER
    final = scene.watch.topology.masters["mymaster"].switch
    assert final is not None
    assert final.witnesses == (S1, S2, S3)


def test_watch_expects_a_switch_when_the_selected_replica_disconnects() -> None:
    """A switch is imminent when the selected replica ends its connections."""
    scene = Scenario()

    def seen() -> tuple[Address | None, Address | None, GateState]:
        state = scene.watch.topology.masters["mymaster"]
        phase = phase_of(state)
        assert phase.address == state.address
        return state.imminent, phase.next, phase.gate

    scene.fail_over()
    scene.tell(None, Probe(B, "slave", following=A))
    assert seen() == (None, None, GateState.FAILING)
    scene.tell(None, Probe(B, None, "the node closed the connection", ended=True))
    assert seen() == (B, B, GateState.FAILING)
    assert scene.switches == []
    scene.tell(None, Probe(B, "slave", following=A))
    assert seen() == (None, None, GateState.FAILING)
    scene.tell(None, Probe(B, None, "the node closed the connection", ended=True))
    scene.tell(None, Probe(B, "master"))
    assert seen() == (None, None, GateState.OPEN)
    assert [switch.new for switch in scene.switches] == [B]


def test_master_is_failing_over_until_its_promotion_is_believed() -> None:
    scene = Scenario()
    scene.fail_over()
    scene.promote()
    assert scene.switches == []
    assert scene.watch.topology.masters["mymaster"].health is Health.FAILING_OVER
    scene.tell(None, Probe(B, "master"))
    assert scene.watch.topology.masters["mymaster"].health is Health.OK


def test_lost_connection_is_no_reason_to_believe_a_leader_without_asking_the_node() -> None:
    play(
        FAILOVER
        + """
        0.21  B   answers slave of A
        0.25  B   ends the connection
        0.30  S1  +promoted-slave slave B @ mymaster A
        0.35  B   answers master
        0.35  =>  switch A -> B, epoch 1, promoted by +promoted-slave
        """
    )


def test_watch_switches_to_an_unreachable_node_by_a_second_sentinel() -> None:
    """If the node cannot be reached, a second Sentinel that follows the leader switches."""
    scene = play(
        FAILOVER
        + """
        0.21  B   gives no answer: it refused the connection
        # Two of three give the old address, and may not have heard of the new one yet.
        0.30  S1  +promoted-slave slave B @ mymaster A
        0.35  S2  +switch-master mymaster A B
        0.35  =>  switch A -> B, epoch 1, announced by +promoted-slave
        """
    )
    assert "it refused the connection" in scene.switches[0].why


def test_watch_gives_a_nodes_answer_only_to_the_masters_that_asked() -> None:
    """A node's answer counts only for the masters for which it was asked."""
    scene = Scenario()
    scene.fail_over()
    scene.promote()
    scene.tell(None, Probe(B, None, "it wants another password", masters=frozenset({"other"})))
    assert scene.switches == []
    scene.tell(None, Probe(B, "master", masters=frozenset({"other", "mymaster"})))
    assert [switch.grade for switch in scene.switches] == [Grade.PROMOTED]


def test_watch_switches_after_the_timeout_when_the_node_stays_silent() -> None:
    play(
        FAILOVER
        + """
        0.30  S1  +promoted-slave slave B @ mymaster A
        10.30 =>  switch A -> B, epoch 1, announced by +promoted-slave
        15.00 ..
        """
    )


def test_watch_waits_for_a_majority_under_the_policy_agreed() -> None:
    play(
        FAILOVER
        + """
        0.30  B   answers master
        0.30  S1  +promoted-slave slave B @ mymaster A
        5.30  S2  +switch-master mymaster A B
        5.30  =>  switch A -> B, epoch 1, agreed by +promoted-slave
        """,
        policy=Grade.AGREED,
    )


def test_watch_asks_for_the_epoch_first_when_a_switch_comes_without_one() -> None:
    scene = Scenario(probing=False)
    scene.switch(S2)
    assert any(isinstance(d, Ask) and d.sentinel == S2 and d.masters == ("mymaster",) for d in scene.decisions)
    assert scene.switches == []
    scene.tell(S2, snapshot(B, 7))
    scene.tell(S1, snapshot(B, 7))
    [switch] = scene.switches
    assert (switch.epoch, switch.via) == (7, Via.SWITCH)


def test_watch_switches_without_an_epoch_when_the_question_is_not_answered_in_time() -> None:
    scene = Scenario(probing=False)
    scene.switch(S2)
    scene.wait(1.1 + SETTLE)
    [switch] = scene.switches
    assert (switch.new, switch.epoch) == (B, None)
    scene.tell(S3, snapshot(B, 7))
    assert len(scene.switches) == 1
    assert scene.watch.topology.masters["mymaster"].epoch == 7


def test_watch_does_not_go_back_when_a_stale_sentinel_returns() -> None:
    scene = play(
        """
        0.00  S3  is lost
        """
        + FAILOVER
        + """
        1.00  S1  +promoted-slave slave B @ mymaster A
        1.00  =>  switch A -> B, epoch 1, announced by +promoted-slave
        1.10  S2  +switch-master mymaster A B
        2.00  S3  is heard, answers A at 0
        2.00  =>  notice stale
        62.0  S3  +switch-master mymaster A B
        """,
        probing=False,
    )
    assert scene.watch.address("mymaster") == B


def test_watch_reports_a_disagreement_when_one_epoch_has_two_addresses() -> None:
    scene = play(
        FAILOVER
        + """
        1.00  S1  +promoted-slave slave B @ mymaster A
        1.10  S2  +switch-master mymaster A B
        1.10  =>  switch A -> B, epoch 1, announced by +promoted-slave
        1.20  S3  answers C at 1
        1.20  =>  notice disagreement
        6.00  ..
        """,
        probing=False,
    )
    assert scene.watch.address("mymaster") == B
    [opinion] = [o for o in scene.watch.topology.masters["mymaster"].disagreeing if o.sentinel == S3]
    assert opinion.address == C


def test_watch_does_not_follow_a_promotion_when_its_failover_was_aborted() -> None:
    scene = Scenario()
    scene.fail_over()
    scene.say(S1, f"-failover-abort-slave-timeout master mymaster 127.0.0.1 {A.port}")
    scene.tell(None, Probe(B, "master"))
    assert scene.switches == []
    assert scene.notices == [NoticeKind.ROGUE]
    [record] = [r for r in scene.of(Failover) if isinstance(r, Failover) and r.closed]
    assert isinstance(record, Failover)
    assert record.outcome is Outcome.ABORTED
    scene.wait(11.0)
    assert StopProbe(B, "mymaster") in scene.decisions
    assert scene.watch.address("mymaster") == A


def test_watch_goes_back_when_an_unannounced_promotion_is_undone() -> None:
    play(
        FAILOVER
        + """
        0.30  B   answers master
        0.30  =>  switch A -> B, epoch 1, promoted by role
        0.40  S1  is lost
        # An unannounced master stands while it alone answers ROLE master.
        29.4  S2  answers A at 0
        29.4  S3  answers A at 0
        29.4  B   answers slave of A
        29.40 =>  switch B -> A, epoch 0, announced by snapshot, incarnation 1 (failover)
        29.4  A   answers master
        31.0  ..
        """
    )


def test_watch_undoes_no_promotion_when_a_connection_to_the_node_is_lost() -> None:
    play(
        FAILOVER
        + """
        0.30  B   answers master
        0.30  =>  switch A -> B, epoch 1, promoted by role
        0.30  B   gives no answer: the node closed the connection
        0.30  S2  -sdown master mymaster A
        0.30  S3  -sdown master mymaster A
        9.30  B   answers master
        14.3  ..
        """
    )


def test_watch_goes_back_when_an_unannounced_node_stays_silent() -> None:
    play(
        FAILOVER
        + """
        0.20  S1  -sdown master mymaster A
        0.30  B   answers master
        0.30  =>  switch A -> B, epoch 1, promoted by role
        0.30  B   gives no answer: the node closed the connection
        10.4  A   answers master
        10.40 =>  switch B -> A, epoch 0, promoted by snapshot, incarnation 1 (unknown)
        """
    )


def test_watch_uses_no_earlier_epoch_for_a_try_whose_own_it_missed() -> None:
    play(
        """
        0.0   S1  +new-epoch 1
        0.0   S1  +sdown master mymaster A
        0.0   S1  +try-failover master mymaster A
        0.0   S1  +selected-slave slave B @ mymaster A
        0.1   B   answers master
        0.10  =>  switch A -> B, epoch unknown, promoted by role
        """
    )


def test_watch_learns_the_epoch_of_a_try_from_the_vote_that_follows() -> None:
    play(
        """
        0.0   S1  +new-epoch 2
        0.0   S1  +try-failover master mymaster A
        0.0   S1  +vote-for-leader S1 3
        0.1   S1  +elected-leader master mymaster A
        0.1   S1  +selected-slave slave B @ mymaster A
        0.2   B   answers master
        0.20  =>  switch A -> B, epoch 3, promoted by role
        """
    )


def test_watch_gives_no_epoch_of_an_attempt_to_a_switch_to_another_replica() -> None:
    scene = Scenario()
    scene.say(S1, "+new-epoch 5", "+try-failover master mymaster 127.0.0.1 27001")
    scene.switch(S2)
    assert scene.switches == []
    scene.tell(S2, snapshot(B, 4))
    scene.tell(None, Probe(B, "master"))
    assert [(s.new, s.epoch) for s in scene.switches] == [(B, 4)]


def test_watch_follows_a_majority_elsewhere_of_a_master_known_by_an_event() -> None:
    """A majority elsewhere is followed, also for a master that was first heard of by an event."""
    scene = Scenario(probing=False)
    scene.say(S3, "+monitor master another 127.0.0.1 27001 quorum 2")
    for name in SENTINELS:
        scene.tell(name, snapshot(A, 0, name="another"), SnapshotEnd(("mymaster", "another")))
    for name in SENTINELS[:2]:
        scene.tell(name, snapshot(B, 0, name="another"))
    scene.wait(10.1)
    assert [(s.master, s.new, s.cause) for s in scene.switches] == [("another", B, Cause.UNKNOWN)]


def test_watch_begins_a_new_incarnation_when_all_sentinels_monitor_another_address() -> None:
    scene = Scenario(probing=False)
    scene.fail_over()
    scene.promote()
    for name in (S2, S3, S1):
        scene.switch(name)
    scene.monitor(SENTINELS, B, C)
    assert [(s.new, s.incarnation, s.cause) for s in scene.switches] == [
        (B, 0, Cause.FAILOVER),
        (C, 1, Cause.RECONFIGURED),
    ]
    assert scene.watch.topology.masters["mymaster"].incarnation == 1


def test_watch_follows_the_first_failover_after_monitoring_began_again() -> None:
    """The first failover is followed when the master is monitored again at its old address."""
    scene = Scenario(probing=False)
    scene.monitor(SENTINELS, A, A)
    scene.wait(1.0)
    scene.fail_over()
    scene.promote()
    scene.wait(5.0 + SETTLE)
    assert [(s.new, s.incarnation) for s in scene.switches] == [(B, 0)]
    scene.switch(S2)
    scene.switch(S3)
    assert len(scene.switches) == 1


def test_watch_does_nothing_when_one_sentinel_alone_monitors_another_address() -> None:
    scene = Scenario(probing=False)
    scene.monitor([S2], A, C)
    scene.wait(60.0)
    assert scene.switches == []
    assert scene.watch.address("mymaster") == A


def test_watch_aborts_the_failover_when_its_leader_is_reset() -> None:
    scene = Scenario()
    scene.fail_over()
    scene.say(S1, f"+reset-master master mymaster 127.0.0.1 {A.port}")
    records = [r for r in scene.of(Failover) if isinstance(r, Failover) and r.closed]
    assert [(r.outcome, r.stage) for r in records] == [(Outcome.ABORTED, Stage.ABORTED)]
    assert "RESET" in records[0].reason
    scene.tell(None, Probe(B, "master"))
    assert scene.switches == []


def test_watch_starts_at_the_highest_epoch_after_a_stale_first_answer() -> None:
    """The belief starts at the highest epoch, without a switch, when a stale answer comes first."""
    scene = Scenario(started=False)
    scene.up(S3, A, 0)
    scene.up(S1, B, 3)
    scene.up(S2, B, 3)
    scene.wait(20.0)
    assert scene.switches == []
    state = scene.watch.topology.masters["mymaster"]
    assert (state.address, state.epoch, state.grade, state.health) == (B, 3, Grade.AGREED, Health.OK)


def test_watch_believes_what_it_believed_when_all_sentinels_go_and_return() -> None:
    scene = Scenario(probing=False)
    for name in SENTINELS:
        scene.down(name)
    assert scene.watch.topology.masters["mymaster"].health is Health.UNKNOWN
    assert scene.watch.address("mymaster") == A
    scene.wait(5.0)
    scene.up(S2, B, 1)
    assert scene.switches == [], "the two others could contradict"
    scene.up(S3, B, 1)
    assert [(s.new, s.epoch, s.via) for s in scene.switches] == [(B, 1, Via.SNAPSHOT)]


def test_watch_leaves_a_sentinel_that_it_hears_under_two_names() -> None:
    scene = Scenario()
    seed = SentinelName("sentinel-1:27011")
    scene.watch.observe(seed, LinkChange(LinkState.LIVE, run_id=IDS[S1]), Moment(scene.now))
    left = [d.sentinel for d in scene.watch.decisions() if isinstance(d, Disconnect)]
    assert left == [seed]


def test_watch_dials_and_forgets_a_sentinel_that_the_others_knew() -> None:
    scene = Scenario()
    fourth = RunId(f"{9:040x}")
    scene.say(S1, f"+sentinel sentinel {fourth} 127.0.0.1 27014 @ mymaster 127.0.0.1 27001")
    [connect] = [d for d in scene.decisions if isinstance(d, Connect)]
    assert connect.address == Address("127.0.0.1", 27014)
    scene.tell(connect.sentinel, LinkChange(LinkState.DOWN, "it was refused"))
    scene.tell(S1, snapshot(A, 0, sentinels=[]))
    scene.wait(599.0)
    assert connect.sentinel in scene.watch.topology.sentinels
    scene.wait(2.0)
    assert connect.sentinel not in scene.watch.topology.sentinels


def test_watch_calls_a_failover_automatic_when_odown_was_said_before_it_listened() -> None:
    scene = Scenario(started=False)
    scene.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]), snapshot(A, 0, flags=["s_down", "o_down"]))
    scene.say(S1, "+new-epoch 1", "+try-failover master mymaster 127.0.0.1 27001")
    [record] = [r for r in scene.of(Failover) if isinstance(r, Failover)]
    assert str(record.kind) == "automatic"


def test_watch_counts_the_leaders_word_of_the_old_master_for_the_old_master_alone() -> None:
    scene = Scenario(probing=False)
    scene.fail_over()
    scene.promote()
    scene.switch(S2)
    scene.tell(S1, snapshot(B, 1, flags=["failover_in_progress"]))
    scene.say(S1, f"+sdown master mymaster 127.0.0.1 {A.port}")
    assert scene.watch.topology.masters["mymaster"].health is Health.OK


def test_watch_makes_no_switch_of_the_address_that_the_first_answers_give() -> None:
    scene = Scenario(started=False)
    scene.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]))
    scene.say(S1, "+selected-slave slave 127.0.0.1:27002 127.0.0.1 27002 @ mymaster 127.0.0.1 27001")
    scene.up(S2, B, 1)
    scene.up(S3, B, 1)
    scene.tell(None, Probe(B, "master"))
    scene.wait(20.0)
    assert scene.switches == []
    assert scene.watch.address("mymaster") == B
    assert scene.decisions.count(StopProbe(B, "mymaster")) == 1


NAME = Address("localhost", A.port)
"""Another name of the first master."""


def announces_names(scene: Scenario, name: SentinelName, epoch: int = 0, node: Address = NAME) -> None:
    others = [Address("localhost", each.port) for each in (A, B, C) if each.port != node.port]
    scene.tell(name, snapshot(node, epoch, replicas=others))


def test_node_that_sentinels_call_by_two_names_is_one_node() -> None:
    scene = Scenario()
    announces_names(scene, S3)
    scene.wait(60.0)
    assert scene.switches == []
    assert scene.notices == [NoticeKind.TWO_NAMES]
    state = scene.watch.topology.masters["mymaster"]
    assert (state.address, state.disagreeing, state.grade) == (A, (), Grade.AGREED)
    scene.say(S3, f"+sdown master mymaster localhost {A.port}")
    assert scene.watch.topology.masters["mymaster"].down_by == (S3,)
    scene.say(S1, f"+sdown master mymaster 127.0.0.1 {A.port}")
    assert len({r.number for r in scene.of(Failover) if isinstance(r, Failover)}) == 1


def test_switch_that_sentinels_announce_by_two_names_is_one_switch_and_one_failover() -> None:
    for leader in (S1, S3):
        scene = Scenario()
        announces_names(scene, S3)
        scene.fail_over(leader, 1, *((A, B) if leader == S1 else (NAME, Address("localhost", B.port))))
        scene.tell(None, Probe(B, "master"))
        assert [(switch.new, switch.grade) for switch in scene.switches] == [(B, Grade.PROMOTED)]
        scene.promote(leader, *((A, B) if leader == S1 else (NAME, Address("localhost", B.port))))
        for name in SENTINELS:
            old, new = (NAME, Address("localhost", B.port)) if name == S3 else (A, B)
            scene.say(name, f"+switch-master mymaster {old.host} {old.port} {new.host} {new.port}")
            scene.tell(name, snapshot(new, 1))
        scene.wait(60.0)
        assert [switch.new for switch in scene.switches] == [B]
        assert len({r.number for r in scene.of(Failover) if isinstance(r, Failover)}) == 1
        assert scene.watch.topology.masters["mymaster"].grade is Grade.AGREED


def test_sentinel_that_catches_up_with_what_is_believed_makes_no_failover() -> None:
    scene = Scenario(started=False)
    for name in (S1, S2):
        scene.up(name, B, 1)
    scene.up(S3, A, 0)
    scene.say(S3, f"+sdown master mymaster 127.0.0.1 {A.port}")
    scene.say(S3, "+new-epoch 1", f"+config-update-from sentinel {IDS[S1]} {S1} @ mymaster 127.0.0.1 {A.port}")
    scene.switch(S3)
    scene.tell(S3, snapshot(B, 1))
    scene.wait(300.0)
    assert (scene.of(Failover), scene.switches) == ([], [])
    assert scene.watch.topology.masters["mymaster"].failover is None


def test_answer_of_a_higher_epoch_is_a_failover_whatever_run_id_it_gives() -> None:
    scene = Scenario()
    for name in (S2, S3):
        scene.tell(name, snapshot(B, 1, run_ids=lambda address: f"{A.port:040x}"))
    scene.tell(None, Probe(B, "master"))
    assert [switch.new for switch in scene.switches] == [B]


def test_announcement_before_the_first_answers_are_in_settles_nothing() -> None:
    scene = Scenario(started=False)
    scene.tell(S1, LinkChange(LinkState.LIVE, run_id=IDS[S1]))
    scene.switch(S1, A, C)
    scene.tell(S1, snapshot(C, 9))
    for name in (S2, S3):
        scene.up(name, A, 1)
    scene.tell(S1, SnapshotEnd(("mymaster",)))
    assert scene.watch.established
    assert scene.watch.address("mymaster") == A
    assert scene.switches == []


def test_names_may_be_read_while_another_thread_adds_masters() -> None:
    """What runs in the middle of the reading, because the garbage collector does, may add a master."""
    scene = Scenario()
    for number in range(100):
        scene.watch._masters.follow(f"master{number}", Moment(0.0))

    def add(phase: str, _: dict[str, int]) -> None:
        scene.watch._masters.follow(f"master{len(scene.watch._masters.by_name)}", Moment(0.0))

    before = gc.get_threshold()
    gc.callbacks.append(add)
    gc.set_threshold(1)
    try:
        for _ in range(20):
            assert scene.watch.names == ("mymaster",)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(add)
    assert len(scene.watch._masters.by_name) > 100
