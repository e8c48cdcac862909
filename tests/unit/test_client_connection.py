"""When a connection may stay where it is, and how it reads answers."""

from __future__ import annotations

from typing import Any

import pytest

from switchmaster.client import aio, sync
from switchmaster.client import connection as module
from switchmaster.client.connection import FollowingConnection
from switchmaster.client.library import bind
from switchmaster.client.observable import Observable
from switchmaster.errors import StaleMaster
from switchmaster.follow.gate import GateState, Phase, Replicas
from switchmaster.follow.session import DECIDING, GREETING, IDLE, LISTENING, LOOK_AGAIN, PINNED, READY, Use
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
