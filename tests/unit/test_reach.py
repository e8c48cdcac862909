"""The plan by which a connection gets to where its commands may go, run without sockets or clocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from switchmaster.errors import NoMasterElected, NoSentinelReachable, SessionMoved, TransactionMoved
from switchmaster.follow.gate import GateState, Phase, Replicas, WaitLimits
from switchmaster.follow.reach import Dial, Effect, FindMaster, HangUp, Reach, Wait
from switchmaster.model import Address

A, B, C = (Address("127.0.0.1", 27000 + number) for number in (1, 2, 3))


class World:
    """A connection, a gate and a clock; `script` says what happens at which moment."""

    def __init__(self, current: Phase | Replicas, at: Address | None = None) -> None:
        self.current = current
        self.at = at
        self.pinned = self.bound = self.ended = False
        self.ahead = True
        self.now = 100.0
        self.up = {A, B, C}
        self.script: list[tuple[float, Callable[[], None]]] = []
        self.done: list[Effect] = []
        self.load = {A: 0, B: 0, C: 0}
        self.silence = 0.0
        """Seconds until an attempt to reach a node that is down times out."""
        self.answers: list[Exception | Phase | Replicas] = []

    def order(self, usable: Sequence[Address]) -> Sequence[Address]:
        return sorted(usable, key=lambda address: self.load[address])

    def crowded(self, usable: Sequence[Address]) -> bool:
        return self.at is not None and self.load[self.at] >= 2 + min(self.load[each] for each in usable)

    def goes_ahead(self, phase: Phase) -> bool:
        return self.ahead

    def may_pass(self, failure: Exception) -> bool:
        return not isinstance(failure, PermissionError)

    def later(self, moment: float, current: Phase | Replicas) -> None:
        """Change the gate's value at a moment."""

        def happen() -> None:
            self.current = current

        self.script.append((moment, happen))

    def run(self, limits: WaitLimits | None = None, replicas: bool = False, patient: bool = True) -> object:
        """Run the plan; return its value."""
        self.reach = Reach(self, self, limits or WaitLimits(), lambda: self.now, "mymaster", patient)
        plan = self.reach.to_replica() if replicas else self.reach.to_master()
        answer: Exception | None = None
        try:
            effect = next(plan)
            while True:
                assert len(self.done) < 1000, "the plan never ends"
                self.done.append(effect)
                answer = self.do(effect)
                effect = plan.send(answer)
        except StopIteration as done:
            value: object = done.value
            return value

    def do(self, effect: Effect) -> Exception | None:
        match effect:
            case Wait(seen, until):
                self.wait(seen, until)
            case Dial(address, _):
                self.now += 0.001
                self.at = None
                if address not in self.up:
                    given_up_at = self.now + self.silence
                    while self.now < given_up_at:
                        self.wait(self.current, given_up_at)
                    return ConnectionRefusedError(f"{address} refused")
                self.at, self.ended = address, False
            case HangUp():
                self.at, self.pinned, self.bound, self.ended = None, False, False, False
            case FindMaster():
                answer = self.answers.pop(0)
                if isinstance(answer, Exception):
                    return answer
                self.current = answer
        return None

    def wait(self, seen: object, until: float) -> None:
        for moment, happen in sorted(self.script, key=lambda each: each[0]):
            if self.current is seen and self.now <= moment <= until:
                self.now = moment
                happen()
        if self.current is seen:
            self.now = max(self.now, until)


def phase(standing: GateState, address: Address = A, since: float = 100.0) -> Phase:
    return Phase(standing, address, since)


OPEN_A, OPEN_B = phase(GateState.OPEN), phase(GateState.OPEN, B)
HELD, FAILING = phase(GateState.HELD), phase(GateState.FAILING)
ALL = Replicas((B, C), frozenset((A, B, C)), A)


def dials(world: World) -> list[Address]:
    return [effect.address for effect in world.done if isinstance(effect, Dial)]


def test_connection_at_the_master_is_left_alone() -> None:
    world = World(OPEN_A, at=A)
    assert world.run() is OPEN_A
    assert world.done == []


def test_connection_elsewhere_dials_the_master() -> None:
    world = World(OPEN_B, at=A)
    assert world.run() is OPEN_B
    assert world.done == [Dial(B, master=True)]


def test_held_command_continues_with_the_new_master() -> None:
    world = World(HELD, at=A)
    world.later(100.08, OPEN_B)
    assert world.run() is OPEN_B
    assert dials(world) == [B]
    assert world.reach.waited == pytest.approx(0.08)
    assert not world.reach.ran_out


def test_held_command_continues_with_the_old_master_after_an_abort() -> None:
    world = World(HELD, at=A)
    world.later(101.0, OPEN_A)
    assert world.run() is OPEN_A
    assert dials(world) == []


def test_held_command_continues_with_the_old_master_when_the_hold_is_over() -> None:
    world = World(HELD, at=A)
    assert world.run(WaitLimits(hold=2.0)) is HELD
    assert world.now == 102.0
    assert world.reach.ran_out


def test_command_in_a_failover_waits_for_the_new_master() -> None:
    world = World(FAILING, at=A)
    world.up = {B}
    world.later(100.5, phase(GateState.FAILING, since=100.5))
    world.later(101.0, OPEN_B)
    assert world.run() is OPEN_B
    assert dials(world) == [B]
    assert world.reach.waited == pytest.approx(1.0)


@pytest.mark.parametrize("standing", [GateState.HELD, GateState.FAILING])
def test_held_command_goes_ahead_and_is_ready_when_the_belief_moves(standing: GateState) -> None:
    """A held command goes ahead to the next master and is ready when the belief moves."""
    world = World(phase(standing), at=A)
    world.later(100.05, Phase(standing, A, 100.0, next=B))
    world.later(100.08, OPEN_B)
    assert world.run() is OPEN_B
    assert world.now == pytest.approx(100.08)
    assert dials(world) == [B]
    assert world.reach.waited == pytest.approx(0.08)


def test_held_command_that_went_ahead_comes_back_when_the_failover_is_aborted() -> None:
    world = World(Phase(GateState.HELD, A, 100.0, next=B), at=A)
    world.later(100.5, OPEN_A)
    assert world.run() is OPEN_A
    assert dials(world) == [B, A]


def test_held_command_that_went_ahead_comes_back_when_the_hold_is_over() -> None:
    world = World(Phase(GateState.HELD, A, 100.0, next=B), at=A)
    world.run(WaitLimits(hold=2.0))
    assert world.now == pytest.approx(102.0, abs=0.01)
    assert (dials(world), world.at) == ([B, A], A)


def test_held_command_tries_once_to_go_ahead_and_dials_again_when_the_belief_moves() -> None:
    world = World(Phase(GateState.HELD, A, 100.0, next=B), at=A)
    world.up = {A}

    def happen() -> None:
        world.up, world.current = {A, B}, OPEN_B

    world.script.append((100.5, happen))
    assert world.run() is OPEN_B
    assert dials(world) == [B, B]


def test_held_command_waits_if_its_connection_must_not_go_ahead() -> None:
    world = World(Phase(GateState.HELD, A, 100.0, next=B), at=A)
    world.ahead = False
    world.later(100.5, OPEN_B)
    assert world.run() is OPEN_B
    assert dials(world) == [B]
    assert [type(effect) for effect in world.done] == [Wait, Dial]


def test_command_in_a_failover_without_end_fails_after_its_wait() -> None:
    world = World(FAILING, at=A)
    with pytest.raises(NoMasterElected) as failure:
        world.run(WaitLimits(failover_wait=3.0))
    assert world.now == 103.0
    assert failure.value.waited == 3.0
    assert "'mymaster'" in str(failure.value)
    assert world.reach.ran_out


def test_command_that_waited_in_vain_already_fails_at_once() -> None:
    world = World(OPEN_A)
    world.up = set()
    with pytest.raises(ConnectionRefusedError):
        world.run(patient=False)
    assert dials(world) == [A]
    assert world.reach.waited == 0


def test_master_that_refuses_is_dialled_again_until_another_is_named() -> None:
    world = World(OPEN_A)
    world.up = {B}
    world.later(101.0, OPEN_B)
    assert world.run() is OPEN_B
    assert dials(world)[-1] == B
    assert 3 <= dials(world).count(A) <= 10


def test_master_that_refuses_for_ever_is_an_error_after_the_wait() -> None:
    world = World(OPEN_A)
    world.up = set()
    with pytest.raises(NoMasterElected, match="refused") as failure:
        world.run(WaitLimits(failover_wait=3.0))
    assert world.now == pytest.approx(103.0, abs=0.01)
    assert isinstance(failure.value.__cause__, ConnectionRefusedError)
    assert len(dials(world)) < 15


def test_without_a_wait_the_first_failure_is_the_error() -> None:
    world = World(OPEN_A)
    world.up = set()
    with pytest.raises(ConnectionRefusedError):
        world.run(WaitLimits(failover_wait=0.0))
    assert dials(world) == [A]


class Misconfigured(World):
    """A world whose nodes refuse for ever, each for a permanent reason."""

    def do(self, effect: Effect) -> Exception | None:
        failure = super().do(effect)
        return PermissionError(str(failure)) if isinstance(failure, ConnectionRefusedError) else failure


def test_permanent_failure_is_raised_at_once() -> None:
    world = Misconfigured(OPEN_A)
    world.up = set()
    with pytest.raises(PermissionError):
        world.run()
    assert dials(world) == [A]
    assert world.reach.waited == 0.0


def test_reader_avoids_a_misconfigured_replica_and_fails_if_all_are() -> None:
    """A reader takes another replica if one is misconfigured, and fails at once if all are."""
    world = Misconfigured(ALL)
    world.up = {C}
    assert world.run(replicas=True) is ALL
    assert dials(world) == [B, C]
    world = Misconfigured(ALL)
    world.up = set()
    with pytest.raises(PermissionError):
        world.run(replicas=True)
    assert dials(world) == [B, C, A]


def test_misconfigured_node_that_has_just_lost_its_mastership_is_no_error() -> None:
    world = Misconfigured(FAILING, at=C)
    world.up = {B}
    world.later(100.4, OPEN_A)
    refuse = world.do

    def do(effect: Effect) -> Exception | None:
        if effect == Dial(A, master=True):
            world.current = OPEN_B
        return refuse(effect)

    world.do = do  # type: ignore[method-assign]
    assert world.run() is OPEN_B
    assert dials(world) == [A, B]


def test_transaction_ends_if_the_master_changed() -> None:
    world = World(OPEN_B, at=A)
    world.pinned = True
    with pytest.raises(TransactionMoved):
        world.run()
    assert dials(world) == []
    assert world.at is None


def test_connection_that_its_caller_holds_ends_if_the_master_changed() -> None:
    world = World(HELD, at=A)
    world.bound = True
    world.later(101.0, OPEN_B)
    with pytest.raises(SessionMoved):
        world.run()
    assert dials(world) == []
    assert world.at is None


def test_connection_that_its_caller_holds_continues_if_the_master_is_the_same() -> None:
    world = World(HELD, at=A)
    world.bound = True
    world.later(101.0, OPEN_A)
    assert world.run() is OPEN_A


def test_transaction_continues_if_the_master_is_the_same() -> None:
    world = World(HELD, at=A)
    world.pinned = True
    world.later(101.0, OPEN_A)
    assert world.run() is OPEN_A
    assert world.pinned


def test_unknown_master_is_asked_for() -> None:
    world = World(Phase(GateState.UNKNOWN, None, 0.0))
    world.answers = [OPEN_A]
    assert world.run() is OPEN_A


def test_error_of_the_discovery_is_raised() -> None:
    world = World(Phase(GateState.UNKNOWN, None, 0.0))
    world.answers = [NoSentinelReachable({"s1": "refused"}, 1.0)]
    with pytest.raises(NoSentinelReachable):
        world.run()


def test_reader_takes_the_least_used_replica() -> None:
    world = World(ALL)
    world.load = {A: 0, B: 3, C: 1}
    assert world.run(replicas=True) is ALL
    assert dials(world) == [C]


def test_reader_takes_the_next_replica_if_one_refuses_and_the_master_if_all_do() -> None:
    world = World(ALL)
    world.up = {A, C}
    assert world.run(replicas=True) is ALL
    assert dials(world) == [B, C]
    world = World(ALL)
    world.up = {A}
    assert world.run(replicas=True) is ALL
    assert world.done[-1] == Dial(A, master=True)


def test_reader_moves_from_a_crowded_replica_but_not_for_ever() -> None:
    world = World(ALL, at=B)
    world.load = {A: 0, B: 2, C: 0}
    world.up = {B}
    assert world.run(replicas=True) is ALL
    assert dials(world) == [C, B]


def test_reader_leaves_the_master_when_there_are_replicas_again() -> None:
    world = World(ALL, at=A)
    assert world.run(replicas=True) is ALL
    assert world.at in (B, C)


def test_reader_without_any_node_waits_for_news() -> None:
    nobody = Replicas((), frozenset((A,)), A)
    world = World(nobody)
    world.up = {B}
    world.later(101.0, Replicas((), frozenset((B,)), B))
    world.run(replicas=True)
    assert world.at == B


def test_reader_that_drops_a_replica_is_provisional() -> None:
    """A plan that drops a replica is provisional, since no news may ever follow about that replica."""
    world = World(ALL)
    world.up = {A}
    world.run(replicas=True)
    assert world.at == A
    assert world.reach.provisional
    world.up = {A, B, C}
    world.run(replicas=True)
    assert world.at in (B, C)
    assert not world.reach.provisional


def test_news_after_the_wait_allows_exactly_one_more_attempt() -> None:
    world = World(OPEN_A)
    world.up, world.silence = set(), 1.0
    for moment in range(8):
        world.later(100.5 + moment, OPEN_B if moment % 2 == 0 else phase(GateState.OPEN))
    with pytest.raises(NoMasterElected):
        world.run(WaitLimits(failover_wait=2.0))
    assert dials(world) == [A, B, A]
    assert world.now == pytest.approx(103, abs=0.1)


def test_reader_among_silent_replicas_goes_to_the_master_when_its_wait_is_over() -> None:
    many = tuple(Address("127.0.0.1", 28000 + number) for number in range(20))
    world = World(Replicas(many, frozenset((*many, A)), A))
    world.load = dict.fromkeys((*many, A), 0)
    world.silence = 1.0
    world.run(WaitLimits(failover_wait=3.0), replicas=True)
    assert (world.at, world.reach.provisional) == (A, True)
    assert world.now == pytest.approx(103, abs=0.1)


def test_reader_that_waits_for_nothing_tries_every_replica() -> None:
    world = World(ALL)
    world.up, world.silence = {A}, 1.0
    world.run(WaitLimits(failover_wait=0.0), replicas=True)
    assert dials(world) == [B, C, A]


def test_reader_stops_following_news_after_its_wait() -> None:
    other = Replicas((C, B), frozenset((A, B, C)), A)
    world = World(ALL)
    world.up, world.silence = set(), 1.0
    for moment in range(12):
        world.later(100.5 + moment, other if moment % 2 == 0 else Replicas((B, C), frozenset((A, B, C)), A))
    with pytest.raises(NoMasterElected):
        world.run(WaitLimits(failover_wait=3.0), replicas=True)
    assert world.now == pytest.approx(104, abs=0.1)


def test_reader_without_a_replica_waits_for_the_end_of_the_master_s_hold() -> None:
    held, over = Replicas((), frozenset((A,)), A, held=100.0), Replicas((), frozenset((B,)), B)
    world = World(held, at=A)
    world.later(100.1, over)
    assert world.run(replicas=True) is over
    assert dials(world) == [B]
    assert world.reach.waited == pytest.approx(0.1)


@pytest.mark.parametrize("hold", [0.0, 2.0])
def test_reader_waits_for_it_no_longer_than_hold(hold: float) -> None:
    held = Replicas((), frozenset((A,)), A, held=100.0)
    world = World(held, at=A)
    assert world.run(WaitLimits(hold=hold), replicas=True) is held
    assert world.now == 100.0 + hold
    assert world.reach.ran_out is (hold > 0)


@pytest.mark.parametrize("replicas", [False, True])
def test_connection_that_was_closed_while_its_command_waited_is_dialled_again(replicas: bool) -> None:
    """Valkey's leader closes the new master's connections in a coordinated failover, those of waiting commands too."""
    held: Phase | Replicas = phase(GateState.HELD, B)
    opened: Phase | Replicas = OPEN_B
    if replicas:
        held, opened = Replicas((), frozenset((A, B)), B, held=100.0), Replicas((), frozenset((A, B)), B)
    world = World(held, at=B)
    world.later(100.5, opened)
    world.script.append((100.4, lambda: setattr(world, "ended", True)))
    assert world.run(replicas=replicas) is opened
    assert dials(world) == [B]


def test_pinned_connection_that_was_closed_while_it_waited_is_left_to_its_holder() -> None:
    world = World(phase(GateState.HELD, B), at=B)
    world.pinned = True
    world.later(100.5, OPEN_B)
    world.script.append((100.4, lambda: setattr(world, "ended", True)))
    assert world.run() is OPEN_B
    assert dials(world) == []
