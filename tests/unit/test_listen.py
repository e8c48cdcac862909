"""How a listener reads on and is pinged when its connection is lost, carried out without sockets or clocks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from switchmaster.follow.gate import WaitLimits
from switchmaster.follow.listen import CALL, ComeBack, ListenEffect, listen, ping
from switchmaster.follow.reach import HangUp
from switchmaster.follow.session import COMEBACKS, LISTENING, LOST, READY, Session
from switchmaster.model import Address

NODE = Address("127.0.0.1", 27001)
LIMITS = WaitLimits(hold=2.0, failover_wait=10.0)
NO_WAIT = WaitLimits(hold=0.0, failover_wait=0.0)
LOSS, LATE, BROKEN = ConnectionError("lost"), TimeoutError("late"), ValueError("half a message")
READ, AGAIN, GONE = "read", "come back", "hang up"
MESSAGE = [b"message"]


class Interrupted(BaseException):
    """What a signal raises."""


class World:
    """A listener; `outcomes` says how each read, PING or attempt to come back ends."""

    def __init__(self, *outcomes: object, up: bool = True, limits: WaitLimits = LIMITS) -> None:
        self.session = Session(stage=READY if up else LOST, use=LISTENING)
        self.at = NODE if up else None
        self.restores, self.limits, self.now = True, limits, 100.0
        self.outcomes, self.done = list(outcomes), list[str]()
        self.waits: list[WaitLimits] = []

    def may_pass(self, failure: Exception) -> bool:
        return not isinstance(failure, PermissionError)

    def is_whole_after(self, error: BaseException) -> bool:
        return isinstance(error, TimeoutError)

    def is_lost_by(self, error: BaseException) -> bool:
        return isinstance(error, ConnectionError | PermissionError)

    def explain(self, error: Exception) -> Exception:
        return RuntimeError(f"why: {error}")

    def read(self, timeout: Any = None) -> Any:
        return self.run(listen(self, self.session, self.limits, timeout, lambda: self.now))

    def ping(self) -> Any:
        return self.run(ping(self, self.session, self.limits))

    def run(self, plan: Generator[ListenEffect, Any, Any]) -> Any:
        try:
            effect = next(plan)
            while True:
                try:
                    outcome = self.do(effect)
                except BaseException as error:
                    effect = plan.throw(error)
                else:
                    effect = plan.send(outcome)
        except StopIteration as done:
            return done.value

    def do(self, effect: ListenEffect) -> Any:
        match effect:
            case HangUp():
                self.done.append(GONE)
                listens, lost_at = self.session.listens, self.session.lost_at
                self.session.lose()
                self.at = None
                if listens:
                    self.session.use, self.session.lost_at = LISTENING, lost_at
                return None
            case ComeBack(limits):
                self.done.append(AGAIN)
                self.waits.append(limits)
            case _:
                assert effect is CALL
                self.done.append(READ)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            if outcome is LOSS and effect is CALL:
                self.session.lose()  # the library disconnects before it raises
            raise outcome
        if effect is not CALL:
            self.session.stage, self.at = READY, NODE
        return outcome


def test_message_is_read_and_nothing_else_is_done() -> None:
    world = World(MESSAGE)
    assert world.read() is MESSAGE
    assert world.done == [READ]
    assert world.session.stage is READY


def test_listener_that_loses_its_connection_comes_back_and_reads_on() -> None:
    world = World(LOSS, None, MESSAGE)
    assert world.read() is MESSAGE
    assert world.done == [READ, GONE, AGAIN, READ]
    assert world.waits == [LIMITS]
    assert (world.session.stage, world.session.use, world.session.lost_at) == (READY, LISTENING, None)


def test_listener_without_a_connection_comes_back_first() -> None:
    world = World(None, MESSAGE, up=False)
    assert world.read() is MESSAGE
    assert world.done == [GONE, AGAIN, READ]


def test_connection_whose_last_read_was_interrupted_is_not_read_again() -> None:
    world = World(None, MESSAGE)
    world.session.stage = LOST
    assert world.read() is MESSAGE
    assert world.done == [GONE, AGAIN, READ]


def test_connection_that_is_lost_again_and_again_ends_with_the_error() -> None:
    world = World(*[LOSS, None] * COMEBACKS)
    with pytest.raises(RuntimeError, match="why: lost") as raised:
        world.read()
    assert raised.value.__cause__ is LOSS
    assert world.done == [READ, GONE, AGAIN] * (COMEBACKS - 1) + [READ]
    assert world.session.stage is LOST


@pytest.mark.parametrize("error", [LATE, BROKEN, Interrupted(), GeneratorExit()])
def test_other_errors_are_raised_and_end_the_connection_if_half_is_read(error: BaseException) -> None:
    world = World(error)
    with pytest.raises(type(error)) as raised:
        world.read()
    assert raised.value is error
    assert world.done == [READ]
    assert world.session.stage is (READY if error is LATE else LOST)


@pytest.mark.parametrize("error", [LATE, BROKEN, Interrupted()])
def test_error_of_a_first_read_is_raised_as_if_the_plan_had_read(error: BaseException) -> None:
    world = World()
    with pytest.raises(type(error)) as raised:
        world.run(listen(world, world.session, LIMITS, None, lambda: 0.0, error))
    assert raised.value is error
    assert world.done == []
    assert world.session.stage is (READY if error is LATE else LOST)


def test_listener_that_loses_its_connection_in_a_first_read_comes_back() -> None:
    world = World(None, MESSAGE)
    world.session.lose()
    world.at = None
    assert world.run(listen(world, world.session, LIMITS, None, lambda: 0.0, LOSS)) is MESSAGE
    assert world.done == [GONE, AGAIN, READ]
    assert (world.session.stage, world.session.use) == (READY, LISTENING)


def test_plan_that_is_given_up_in_the_midst_of_a_read_ends_the_connection() -> None:
    world = World()
    plan = listen(world, world.session, LIMITS, None, lambda: 0.0)
    assert next(plan) is CALL
    plan.close()
    assert world.session.stage is LOST


def wrong_password(world: World) -> None:
    world.outcomes[0] = PermissionError("wrong password")


def unrestorable(world: World) -> None:
    world.restores = False


def without_wait(world: World) -> None:
    world.limits = NO_WAIT


each_reason_to_end = pytest.mark.parametrize("change", [wrong_password, unrestorable, without_wait])


@each_reason_to_end
def test_listener_that_can_not_come_back_ends_with_the_error(change: Any) -> None:
    world = World(LOSS)
    change(world)
    with pytest.raises(RuntimeError, match="why: "):
        world.read()
    assert world.done == [READ]
    assert world.session.stage is LOST


def test_listener_that_nothing_restores_is_read_as_it_is() -> None:
    world = World(BROKEN, up=False)
    world.restores = False
    with pytest.raises(ValueError, match="half a message"):
        world.read()
    assert world.done == [GONE, READ]


def test_listener_that_is_not_back_yet_reads_nothing_until_its_time_is_over() -> None:
    world = World(LOSS, LOSS, LOSS, LOSS)
    assert world.read(timeout=0.5) is None
    assert world.done == [READ, GONE, AGAIN]
    assert world.waits[-1] == WaitLimits(hold=0.5, failover_wait=0.5)
    assert (world.session.use, world.session.lost_at) == (LISTENING, 100.0)
    world.now += 9.0
    assert world.read() is None
    assert world.waits[-1] == WaitLimits(hold=1.0, failover_wait=1.0)
    world.now += 1.0
    with pytest.raises(ConnectionError):
        world.read()


def test_wrong_configuration_ends_coming_back_at_once() -> None:
    refused = PermissionError("wrong password")
    world = World(LOSS, refused)
    with pytest.raises(PermissionError) as raised:
        world.read()
    assert raised.value is refused


def test_interrupt_while_it_comes_back_is_raised() -> None:
    world = World(LOSS, Interrupted())
    with pytest.raises(Interrupted):
        world.read()


def test_ping_is_sent_if_it_is_connected() -> None:
    world = World(None)
    world.ping()
    assert world.done == [READ]
    world = World(up=False)
    world.ping()
    assert world.done == []


def test_ping_that_finds_the_connection_lost_leaves_the_rest_to_the_next_read() -> None:
    world = World(LOSS)
    world.ping()
    assert world.session.use is LISTENING


@each_reason_to_end
def test_ping_fails_if_the_listener_can_not_come_back(change: Any) -> None:
    world = World(LOSS)
    change(world)
    with pytest.raises((ConnectionError, PermissionError)):
        world.ping()
    world = World(LATE)
    with pytest.raises(TimeoutError):
        world.ping()
