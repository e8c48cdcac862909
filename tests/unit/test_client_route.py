"""A question to the Sentinels as a plan: what is asked, of which, and what each outcome leads to."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from switchmaster.client.library import bind
from switchmaster.client.route import AskRole, Route
from switchmaster.client.sentinel import FollowingSentinel
from switchmaster.client.shared import AwaitTurn
from switchmaster.errors import AccessRefused, NoSentinelReachable, StaleMaster, SwitchmasterError
from switchmaster.model import Address
from switchmaster.wire.facts import Probe

MASTER, REPLICA = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
FAILURE = NoSentinelReachable({}, 1.0)
LIBRARY = bind("redis")
TURN = AwaitTurn("seen", 1.0)


class LibrarySentinel:
    """A Sentinel of the library's; ours is mixed in before it."""

    def discover_master(self, service_name: str) -> str:
        return f"the library's master {service_name}"

    def discover_slaves(self, service_name: str) -> str:
        return f"the library's replicas of {service_name}"


class OurSentinel(FollowingSentinel[Any], LibrarySentinel):
    """One of ours, without anything else of it."""

    def __init__(self) -> None:
        """Need nothing."""

    def discover_master(self, service_name: str) -> str:
        raise AssertionError("it would ask itself")


class Pool:
    def __init__(self, sentinel: object) -> None:
        self.sentinel_manager = sentinel


class Asking(Route):
    """A route whose questions to the Watcher fail, or are answered, as a test says."""

    def __init__(
        self, failure: SwitchmasterError | None = FAILURE, refused: bool = True, to_master: bool = True
    ) -> None:
        self.failure, self.refused, self.to_master, self.library = failure, refused, to_master, LIBRARY
        self.master, self.pool, self.taken = "mymaster", Pool(OurSentinel()), list[object]()
        route: Any = self
        route.shared = route.lease = route
        route._pool = lambda: self.pool

    def open(self) -> None:
        """Need no Watcher."""

    def refuses(self, failure: SwitchmasterError) -> bool:
        return self.refused

    def inquire(self, until: float) -> Generator[AwaitTurn, None, SwitchmasterError | None]:
        yield TURN
        return self.failure

    def note_refusals(self) -> None:
        self.taken.append("noted")

    def take(self, master: Any, replicas: Any) -> None:
        self.taken.append((master, replicas))


def run(plan: Generator[Any, Any, Any], *outcomes: object) -> tuple[list[Any], Any]:
    """Carry out a plan; return its effects, and what it returned."""
    effects, left = [], list(outcomes)
    try:
        effects.append(next(plan))
        while True:
            outcome = None if effects[-1] == TURN else left.pop(0)
            effects.append(plan.throw(outcome) if isinstance(outcome, Exception) else plan.send(outcome))
    except StopIteration as done:
        return effects, done.value


@pytest.mark.parametrize("failure", [None, FAILURE])
def test_question_that_is_not_refused_is_answered_by_the_watcher_alone(failure: SwitchmasterError | None) -> None:
    route = Asking(failure, refused=False)
    assert run(route.ask(1.0)) == ([TURN], failure)
    assert route.taken == ["noted"]


@pytest.mark.parametrize("sentinel", [LibrarySentinel(), OurSentinel()])
def test_refused_question_is_asked_by_the_librarys_own_verbs(sentinel: object) -> None:
    for to_master, outcomes in ((True, [MASTER]), (False, [MASTER, [REPLICA]])):
        route = Asking(AccessRefused({}, 1.0, []), to_master=to_master)
        route.pool.sentinel_manager = sentinel
        effects, failure = run(route.ask(1.0), *outcomes)
        assert failure is None
        assert route.taken == [(MASTER, None if to_master else [REPLICA])]
        said = [effect.verb(effect.master) for effect in effects[1:]]
        assert said == ["the library's master mymaster", "the library's replicas of mymaster"][: len(outcomes)]


@pytest.mark.parametrize("error", [OSError(), LIBRARY.exceptions.ConnectionError(), LIBRARY.exceptions.TimeoutError()])
def test_library_that_reaches_no_sentinel_either_leaves_the_first_failure(error: Exception) -> None:
    route = Asking(to_master=False)
    assert run(route.ask(1.0), error)[1] is FAILURE
    assert run(route.ask(1.0), MASTER, error)[1] is FAILURE
    assert route.taken == []


class Discovering(Asking):
    """A route that knows no master until it has asked."""

    answers = False
    question_until = 1e9
    unproved = Address(*MASTER)
    refutes = True

    def judge(self, probe: Probe) -> StaleMaster | None:
        return StaleMaster("mymaster", str(probe.node), "slave") if probe.role == "slave" else None

    def refute(self) -> bool:
        return self.refutes

    def found(self) -> tuple[str, int]:
        return self.unproved


def test_master_that_the_sentinels_name_is_asked_for_its_role() -> None:
    effects, found = run(Discovering(None).discover(), Probe(Address(*MASTER), "master", ""))
    assert found == MASTER
    assert [type(effect) for effect in effects] == [AwaitTurn, AskRole]
    assert effects[-1].node == MASTER


def test_node_that_is_no_master_has_the_sentinels_asked_again() -> None:
    wrong, right = Probe(Address(*MASTER), "slave", ""), Probe(Address(*MASTER), "master", "")
    assert run(Discovering(None).discover(), wrong, right)[1] == MASTER
    route = Discovering(None)
    route.refutes = False
    with pytest.raises(LIBRARY.raised[StaleMaster]):
        run(route.discover(), wrong)


def test_master_that_is_not_known_in_time_is_the_librarys_error() -> None:
    with pytest.raises(LIBRARY.raised[NoSentinelReachable]):
        run(Discovering(FAILURE, refused=False).discover())
