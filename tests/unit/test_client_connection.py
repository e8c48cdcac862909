"""When a connection may stay where it is, and how it reads answers."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from switchmaster.client import aio, sync
from switchmaster.client import connection as module
from switchmaster.client.connection import FollowingConnection
from switchmaster.client.library import bind
from switchmaster.client.observable import Observable
from switchmaster.errors import NoMasterElected, StaleMaster
from switchmaster.follow.gate import GateState, Phase, Replicas, WaitLimits
from switchmaster.follow.reach import HangUp
from switchmaster.follow.session import (
    DECIDING,
    DIALLING,
    FIRST_ATTEMPT,
    GREETING,
    IDLE,
    LISTENING,
    LOOK_AGAIN,
    LOST,
    PINNED,
    READY,
    RESTORING,
    Use,
)
from switchmaster.model import Address

MASTER, REPLICA = Address("127.0.0.1", 27001), Address("127.0.0.1", 27002)


class Route:
    """A route that admits every address."""

    to_master = False

    def __init__(self) -> None:
        self.view: Observable[Any] = Observable(replicas())

    def admits(self, address: Address | None) -> bool:
        return address is not None

    def serves(self, address: Address | None) -> bool:
        return address == MASTER

    def flush_cache(self) -> None:
        """Return nothing."""

    def goes_ahead(self, phase: Phase) -> bool:
        return True


class Connection(FollowingConnection):
    def _is_up(self) -> bool:
        return True


def replicas() -> Replicas:
    return Replicas((REPLICA,), frozenset((MASTER, REPLICA)), MASTER)


def reader() -> Connection:
    connection = Connection()
    connection._follow(Route())  # type: ignore[arg-type]
    connection.target = MASTER
    connection._session.stage, connection._session.seen = READY, connection._view.current
    return connection


def writer() -> Connection:
    connection = reader()
    connection._connect_callbacks = []
    return connection


def test_reader_chooses_again_after_news_even_if_it_is_admitted_where_it_is() -> None:
    connection = reader()
    assert connection._stays()
    connection._view.set(replicas())
    assert not connection._stays()


def test_listener_stays_where_it_is_admitted() -> None:
    connection = reader()
    connection._session.use = LISTENING
    connection._view.set(replicas())
    assert connection._stays()


def test_reader_that_did_without_a_replica_looks_again_without_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, now = reader(), 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    connection._session.look_again_at = now + LOOK_AGAIN
    assert connection._stays()
    now += LOOK_AGAIN
    assert not connection._stays()


def test_connection_that_went_ahead_is_greeted_but_not_ready_for_commands() -> None:
    connection = reader()
    for target, ready in ((MASTER, True), (REPLICA, False)):
        connection.target = target
        connection._session.stage, connection._session.seen = GREETING, None
        connection._welcome()
        assert (connection._session.seen is connection._view.current) is ready


def test_connection_with_state_at_its_server_does_not_go_ahead() -> None:
    phase = Phase(GateState.HELD, MASTER, 0.0, next=REPLICA)
    assert writer().goes_ahead(phase)
    for use in (PINNED, LISTENING):
        connection = writer()
        connection._session.use = use
        assert not connection.goes_ahead(phase)
    connection = writer()
    connection.redis_connect_func = print
    assert not connection.goes_ahead(phase)
    connection = writer()
    connection._connect_callbacks.append(print)
    assert not connection.goes_ahead(phase)


@pytest.mark.parametrize("answer", [[b"\x1b[2J" + b"x" * 5000, b"", 0], [], b"slave", None, [[b"master"]]])
def test_hostile_answer_to_role_becomes_a_harmless_error(answer: object) -> None:
    connection = reader()
    connection._route.shared = connection._route.tally = Anything()  # type: ignore[assignment]
    connection._route.master = "mymaster"
    connection._session.needs_master = True
    with pytest.raises(StaleMaster) as failure:
        connection._judge(answer)
    assert str(failure.value).isprintable()
    assert len(str(failure.value)) < 500


class Anything:
    """Accepts any call."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_connection_that_is_given_back_leaves_no_transaction_in_doubt() -> None:
    class Base:
        def release(self, connection: object) -> None:
            """Accept it."""

    class LoopPool(aio.Pool, Base):  # type: ignore[misc]
        """The same for a loop."""

    connection, pool = writer(), object.__new__(sync.Pool)
    connection.pid = pool.pid = 1
    for give_back in (pool.owns_connection, object.__new__(LoopPool).release):
        connection._session.use = DECIDING
        give_back(connection)
        assert connection._session.use is IDLE


@pytest.mark.parametrize("to_master", [True, False])
def test_failed_read_is_raised_unchanged_unless_more_is_known(to_master: bool) -> None:
    library = bind("redis")
    errors = library.exceptions

    def failed(error: Exception, use: Use = IDLE) -> tuple[Exception, FollowingConnection]:
        connection = writer()
        route: Any = connection._route
        route.library, route.to_master, route.shared, route.tally = library, to_master, Anything(), Anything()
        route.master, route.follower = "mymaster", Anything()
        connection._session.use, connection._session.unanswered = use, 1
        connection._retry = library.no_retry
        return connection._failed_read(error), connection

    for answer in (errors.ResponseError("ERR"), errors.ReadOnlyError("READONLY")):
        raised, connection = failed(answer)
        assert connection._session.unanswered == 0, "an error is an answer"
        demoted = to_master and isinstance(answer, errors.ReadOnlyError)
        assert (raised is not answer, isinstance(raised, errors.ConnectionError)) == (demoted, demoted)
    for loss in (errors.ConnectionError("lost"), errors.TimeoutError("late")):
        for use in (IDLE, DECIDING):
            raised, connection = failed(loss, use)
            assert raised is loss
            assert connection._session.unanswered == 1
            assert type(connection._session.doubt) is (type(loss) if use is DECIDING else type(None))


class Dialling(Connection):
    """One attempt to connect; `outcomes` says how each effect ends, an error or nothing."""

    _connect_callbacks = ()

    def __init__(self, *outcomes: BaseException | None) -> None:
        self.up = False
        self._follow(DiallingRoute())  # type: ignore[arg-type]
        self._retry, self.outcomes, self.done = "the user's", list(outcomes), list[object]()
        self.greeted = 0

    def _is_up(self) -> bool:
        return self.up

    def _me(self) -> object:
        return "me"

    def greet(self) -> None:
        self.greeted += 1

    def dial(self) -> Exception | None:
        return sync.carry_out(self._dialling(MASTER, True, self.greet, "once", None), self.do)

    def do(self, effect: object) -> None:
        if isinstance(effect, module.ConnectWithin):
            assert (self._session.stage, self._dials(), self._retry) == (DIALLING, True, "once")
        self.done.append(effect)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome


class DiallingRoute(Route):
    """A route to one master, which is dialled as it is announced."""

    to_master = True
    limits = WaitLimits()
    library = bind("redis")
    admitted = True
    master = "mymaster"

    def __init__(self) -> None:
        super().__init__()
        self.tally = self.lease = self.shared = Anything()

    def admits(self, address: Address | None) -> bool:
        return self.admitted

    def dialled(self, address: Address, master: bool) -> Address:
        return address

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


CONNECT = module.ConnectWithin(*MASTER, FIRST_ATTEMPT)


def test_attempt_to_connect_hangs_up_and_connects() -> None:
    connection = Dialling()
    assert connection.dial() is None
    assert connection.done == [HangUp(), CONNECT]
    assert (connection.target, connection._session.stage) == (MASTER, READY)
    assert (connection._session.dialler, connection._retry) == (None, "the user's")


def test_connection_that_another_caller_connected_meanwhile_is_left_alone() -> None:
    connection = Dialling()
    connection.up, connection.target, connection._session.stage = True, MASTER, READY
    assert connection.dial() is None
    assert connection.done == []


def test_node_that_the_news_no_longer_names_is_not_connected_to() -> None:
    connection = Dialling()
    connection._route.admitted = False  # type: ignore[attr-defined]
    assert connection.dial() is None
    assert connection.done == [HangUp()]
    assert connection._session.stage is LOST


@pytest.mark.parametrize("error", [DiallingRoute.library.exceptions.ConnectionError("refused"), OSError("unreachable")])
def test_attempt_that_fails_hangs_up_and_returns_the_error(error: Exception) -> None:
    connection = Dialling(None, error)
    assert connection.dial() is error
    assert connection.done == [HangUp(), CONNECT, HangUp()]
    assert (connection._session.stage, connection._session.dialler) == (LOST, None)


@pytest.mark.parametrize("error", [ValueError("from a user's function"), KeyboardInterrupt()])
def test_attempt_that_is_interrupted_leaves_a_connection_that_is_not_used(error: BaseException) -> None:
    connection = Dialling(None, error)
    with pytest.raises(type(error)):
        connection.dial()
    assert connection.done == [HangUp(), CONNECT]
    assert (connection._session.stage, connection._session.dialler, connection._retry) == (LOST, None, "the user's")


def test_connection_that_is_ended_while_it_connects_is_not_used() -> None:
    connection = Dialling()
    plan = connection._dialling(MASTER, True, connection.greet, "once", None)
    assert [next(plan), next(plan)] == [HangUp(), CONNECT]
    connection._session.lose()
    with pytest.raises(StopIteration):
        next(plan)
    assert connection._session.stage is LOST


def test_greeting_counts_once_the_node_has_proved_its_role() -> None:
    connection = Dialling()
    plan = connection._dialling(MASTER, True, connection.greet, "once", None)
    assert [next(plan), next(plan)] == [HangUp(), CONNECT]
    assert connection._greets()
    with pytest.raises(StaleMaster), connection._greeting():
        connection._judge([b"slave"])
    assert (connection._session.stage, connection.greeted) == (DIALLING, 0)
    with connection._greeting():
        assert not connection._greets(), "the library may call the same again inside of it"
        connection._judge([b"master"])
    assert (connection._session.stage, connection.greeted, connection._dials()) == (RESTORING, 1, False)


def test_node_may_refuse_role_but_nothing_else_is_forgiven() -> None:
    connection = Dialling()
    with connection._role_may_be_refused():
        raise DiallingRoute.library.exceptions.NoPermissionError("no")
    with pytest.raises(StaleMaster), connection._role_may_be_refused():
        raise StaleMaster("mymaster", str(MASTER), "slave")


def test_command_that_waits_in_vain_gets_the_librarys_error() -> None:
    connection = Dialling()
    connection._view.set(Phase(GateState.OPEN, MASTER, 0.0))
    library = connection._route.library
    refused = library.exceptions.ConnectionError("refused")
    with pytest.raises(library.raised[NoMasterElected]) as raised:
        sync.carry_out(connection._reaching(WaitLimits(hold=0.0, failover_wait=1e-9)), lambda _: refused)
    assert raised.value.__cause__ is refused
    assert connection._session.gave_up is connection._view.current
    assert connection._session.seen is not connection._view.current


def test_plan_gets_outcomes_and_errors_and_ends_with_its_driver() -> None:
    seen: list[object] = []

    def plan() -> Generator[str, Any, str]:
        try:
            seen.append((yield "works"))
            try:
                yield "fails"
            except ValueError as error:
                seen.append(error)
            yield "breaks"
        finally:
            seen.append("ended")
        return "done"

    failure, broken = ValueError("fails"), KeyError("breaks")

    def do(effect: str) -> str:
        if effect == "works":
            return "worked"
        raise failure if effect == "fails" else broken

    async def do_in_loop(effect: str) -> str:
        return do(effect)

    for carry_out in (
        lambda: sync.carry_out(plan(), do),
        lambda: asyncio.run(aio.carry_out(plan(), do_in_loop)),
    ):
        with pytest.raises(KeyError) as raised:
            carry_out()
        assert raised.value is broken
        assert seen == ["worked", failure, "ended"]
        seen.clear()
