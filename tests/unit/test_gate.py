"""How long a command may wait: the limits, by the phases of one master."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchmaster.belief.failover import TRIGGERS, Failover, FailoverKind, Outcome, StageEntry
from switchmaster.belief.topology import Health, MasterState, Opinion, ReplicaState
from switchmaster.follow.gate import UNKNOWN, GateState, Phase, Replicas, WaitLimits, phase_of, replicas_of
from switchmaster.model import Address, Grade, SentinelName

A, B, C = (Address("127.0.0.1", 27000 + number) for number in (1, 2, 3))
SENTINEL = SentinelName("127.0.0.1:26379")


def phase(standing: GateState, since: float = 100.0) -> Phase:
    return Phase(standing, A, since)


def test_open_phase_makes_no_command_wait() -> None:
    assert WaitLimits().waits_until(phase(GateState.OPEN), 100.0) is None


def test_hold_ends_by_the_selection_however_late_a_command_comes() -> None:
    limits = WaitLimits(hold=2.0)
    assert limits.waits_until(phase(GateState.HELD), 100.1) == 102.0
    assert limits.waits_until(phase(GateState.HELD), 101.9) == 102.0


def test_wait_for_a_failover_is_each_commands_own() -> None:
    limits = WaitLimits(failover_wait=10.0)
    assert limits.waits_until(phase(GateState.FAILING), 100.0) == 110.0
    assert limits.waits_until(phase(GateState.FAILING), 105.0) == 115.0


def test_failover_without_news_stops_holding_commands() -> None:
    assert WaitLimits(failover_wait=10.0).waits_until(phase(GateState.FAILING), 110.0) is None


@pytest.mark.parametrize("standing", [GateState.HELD, GateState.FAILING])
def test_limits_of_zero_turn_waiting_off(standing: GateState) -> None:
    assert WaitLimits(hold=0.0, failover_wait=0.0).waits_until(phase(standing), 100.0) is None


def test_master_that_no_sentinel_knows_is_unknown() -> None:
    assert phase_of(None) is UNKNOWN
    assert replicas_of(None).usable == ()


def test_phases_are_the_same_only_if_every_field_is() -> None:
    assert phase(GateState.HELD).same(phase(GateState.HELD))
    assert not phase(GateState.HELD).same(phase(GateState.HELD, since=101.0))
    assert not phase(GateState.HELD).same(phase(GateState.OPEN))
    assert not phase(GateState.HELD).same(Phase(GateState.HELD, A, 100.0, next=Address("127.0.0.1", 27002)))


def moved(*stages: StageEntry, kind: FailoverKind = FailoverKind.MANUAL, **more: object) -> MasterState:
    """Return the belief after the promotion of B in a planned failover of A, with the replica C."""
    record = Failover(
        "default", "m", 1, A, B, 1, SENTINEL, kind, Outcome.COMPLETED, (entry("+selected-slave"), *stages)
    )
    rows = (ReplicaState(C, (), None, None, None),)
    opinion = Opinion(SENTINEL, B, 1, live=True, agrees=True)
    state = MasterState("m", B, 1, 0, Grade.PROMOTED, Health.OK, (), 2, rows, (opinion,), failover=record, switch=None)
    return replace(state, **more)


def entry(by: str, replica: Address | None = None) -> StageEntry:
    return StageEntry(TRIGGERS[by], 100.0, None, SENTINEL, by, replica)


def test_readers_leave_a_replica_before_it_follows_the_new_master() -> None:
    promoted = entry("ROLE")
    for stages in ([], [entry("+slave-reconf-sent", C)], [entry("+slave-reconf-inprog", C)]):
        replicas = replicas_of(moved(promoted, *stages))
        assert replicas.usable == ()
        assert replicas.kept == {B, C}
    assert replicas_of(moved(promoted, entry("+slave-reconf-done", C))).usable == (C,)


def test_readers_leave_it_too_while_no_sentinel_names_a_replica_of_the_new_master() -> None:
    state = moved(entry("ROLE"), opinions=())
    first = replicas_of(state, Replicas((C,), frozenset((A, C)), A))
    again = replicas_of(state, first)
    assert first.same(again)
    assert (again.usable, again.kept) == ((), {B, C})
    done = moved(entry("ROLE"), entry("+slave-reconf-done", C), opinions=())
    assert replicas_of(done, again).usable == (C,)


def test_reader_without_a_replica_waits_while_connections_to_the_master_may_end() -> None:
    coordinated = moved(entry("ROLE"), kind=FailoverKind.COORDINATED)
    assert replicas_of(coordinated).usable == (C,)
    assert replicas_of(replace(coordinated, replicas=())).held == 100.0
    assert replicas_of(moved(entry("ROLE"))).held is None


def test_reader_may_stay_at_a_replica_that_lost_its_link_and_not_at_one_that_is_down() -> None:
    broken = ReplicaState(C, (), False, None, None)
    assert replicas_of(moved(replicas=(broken,), failover=None)).kept == {B, C}
    down = ReplicaState(C, (SENTINEL,), True, None, None)
    assert replicas_of(moved(replicas=(down,), failover=None)).kept == {B}
