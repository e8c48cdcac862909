"""The engine: newest wish last, one after the other, again until it succeeds, whoever is killed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig.conditions import eventually
from rig.reactions import NODES, Believed, JournalOfSwitches, Listed, Shown, configured, switch
from switchmaster.account.record import SwitchRecord
from switchmaster.journal.reaction_store import ReactionStore
from switchmaster.journal.reader import Reader
from switchmaster.journal.wishes import Wish
from switchmaster.model import Grade
from switchmaster.react.action_kinds import AttemptFailed, ConfiguredAction, GiveUp, Run
from switchmaster.react.carrying import Finished
from switchmaster.react.reactor import Reactor

LIMIT = 60.0


class Rig:
    """A journal, and engines on it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.journal = JournalOfSwitches(folder)
        self.beliefs = Believed()
        self.finished: list[Finished] = []
        self._stack = stack
        self._engines: list[Reactor] = []
        stack.callback(self.journal.close)
        self.reader = Reader(self.journal.url)
        stack.callback(self.reader.close)

    def engine(self, *actions: ConfiguredAction) -> Reactor:
        number = len(self._engines) + 1
        store = ReactionStore(self.journal.url, f"{number:032x}", f"daemon-{number}")
        reactor = Reactor(store, self.beliefs, actions, self.finished.append)
        reactor.start()
        self._engines.append(reactor)
        self._stack.callback(reactor.close)
        # Its actions count from here on.
        eventually(lambda: reactor._last_switch is not None, LIMIT, what="the actions to be registered")
        return reactor

    def write(self, *switches: SwitchRecord) -> None:
        """Commit switches; as their daemon's writer does, wake the engines."""
        self.journal.write(*switches)
        for one in self._engines:
            one.wake()

    def outcomes(self, action: str = "act") -> list[tuple[int | None, str]]:
        """Epoch and outcome of an action's receipts, oldest first."""
        found = self.reader.receipts(action=action).items[::-1]
        return [(line["switch"]["epoch"], line["outcome"]) for line in found]

    def wait_for(self, outcomes: Sequence[tuple[int | None, str]], action: str = "act") -> None:
        eventually(lambda: self.outcomes(action) == list(outcomes), LIMIT, what=f"{outcomes}")

    def told(self, many: int) -> list[Finished]:
        """Return how runs ended, once so many were reported: the journal has each a moment earlier."""
        eventually(lambda: len(self.finished) >= many, LIMIT, what=f"{many} runs to be reported")
        return self.finished


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(tmp_path, stack)


def blocking(gate: threading.Event, epoch: int) -> Callable[[Wish, Run], object]:
    """Return what makes the attempts for one epoch wait for a gate."""

    async def wait() -> None:
        while not gate.is_set():
            await asyncio.sleep(0.01)

    return lambda wish, _: wait() if wish.epoch == epoch else None


def test_switch_is_carried_out_once_it_is_committed(rig: Rig) -> None:
    action = Listed()
    rig.engine(configured(action))
    rig.write(switch(1))
    rig.wait_for([(1, "done")])
    [run] = rig.told(1)
    assert (run.outcome, run.attempts, run.output) == ("done", 1, "listed")
    rig.journal.write(switch(2))  # nobody wakes it: another daemon's commit
    rig.wait_for([(1, "done"), (2, "done")])
    assert action.ended == [1, 2]


def test_switch_that_no_daemon_watched_is_carried_out_by_the_next_that_does(rig: Rig) -> None:
    rig.beliefs.watched = ("other",)
    reactor = rig.engine(configured(Listed()))
    rig.write(switch(1))
    eventually(lambda: ("kvdb", "m1") in reactor._known, LIMIT, what="the switch to be considered")
    rig.beliefs.watched = ("other", "kvdb")
    rig.wait_for([(1, "done")])


@pytest.mark.parametrize("kind", [Listed, Shown])
def test_newest_switch_comes_last_although_the_first_was_slow(rig: Rig, kind: type[Listed]) -> None:
    gate = threading.Event()
    action = kind(before=blocking(gate, 1))
    rig.engine(configured(action))
    rig.write(switch(1))
    eventually(lambda: action.applied, LIMIT, what="the first attempt")
    rig.write(switch(2), switch(3))
    rig.wait_for([(1, "superseded"), (3, "done")])
    gate.set()
    assert action.ended == [3]
    assert action.shown == {"m1": NODES[3]}


def test_every_switch_is_carried_out_in_order_although_the_first_was_slow(rig: Rig) -> None:
    gate = threading.Event()
    action = Listed(before=blocking(gate, 1))
    rig.engine(configured(action, every=True))
    rig.write(switch(1))
    eventually(lambda: action.applied, LIMIT, what="the first attempt")
    rig.write(switch(2), switch(3))
    gate.set()
    rig.wait_for([(1, "done"), (2, "done"), (3, "done")])
    assert action.ended == [1, 2, 3]


def test_attempts_go_on_until_one_succeeds_and_each_has_the_same_delivery(rig: Rig) -> None:
    def fail(wish: Wish, run: Run) -> None:
        if run.attempt < 3:
            raise AttemptFailed(f"attempt {run.attempt}", after=0.01)

    action = Listed(before=fail)
    reactor = rig.engine(configured(action))
    rig.write(switch(1))
    rig.wait_for([(1, "done")])
    assert len({wish.delivery for wish in action.applied}) == 1
    [line] = rig.reader.receipts().items
    assert (line["attempts"], line["output"], len(action.applied)) == (3, "listed", 3)
    of = ("act", "kvdb", "m1")
    eventually(lambda: reactor.counters.outcomes == {(of, "done"): 1} and not reactor.counters.ages, LIMIT)
    assert reactor.counters.attempts == {of: 3}


def test_action_that_can_not_succeed_is_given_up_and_the_next_switch_tried(rig: Rig) -> None:
    def refuse(wish: Wish, run: Run) -> None:
        if wish.epoch == 1:
            raise GiveUp("never")
        if wish.epoch == 2:
            raise AttemptFailed("not yet")

    rig.engine(configured(Listed(before=refuse), give_up=0.5))
    for number, outcome in ((1, "gave-up"), (2, "gave-up"), (3, "done")):
        rig.write(switch(number))
        eventually(lambda n=number, o=outcome: (n, o) in rig.outcomes(), LIMIT, what=outcome)


def test_attempt_that_takes_too_long_is_cut_off(rig: Rig) -> None:
    gate = threading.Event()
    action = Listed(before=blocking(gate, 1))
    rig.engine(configured(action, timeout=0.05))
    rig.write(switch(1))
    eventually(lambda: len(action.applied) > 1, LIMIT, what="a second attempt")
    assert "no end within 0.05 s" in rig.reader.receipts().items[0]["output"]
    gate.set()
    rig.wait_for([(1, "done")])


def test_engine_that_ends_leaves_its_wish_to_the_next(rig: Rig) -> None:
    gate = threading.Event()
    first, second = Listed(before=blocking(gate, 1)), Listed()
    reactor = rig.engine(configured(first))
    rig.write(switch(1))
    eventually(lambda: first.applied, LIMIT, what="the first attempt")
    reactor.close()
    rig.write(switch(2, "m2"))
    rig.engine(configured(second))
    eventually(lambda: set(second.shown) == {"m1", "m2"}, LIMIT, what="both masters")
    assert first.ended == []
    eventually(lambda: rig.outcomes().count((1, "done")) == 1, LIMIT)
    assert (1, "interrupted") in rig.outcomes()


def test_no_two_daemons_carry_out_one_wish(rig: Rig) -> None:
    actions = [Listed(), Listed()]
    for action in actions:
        rig.engine(configured(action, every=True))
    rig.write(*(switch(number) for number in range(1, 9)))
    eventually(lambda: len(rig.outcomes()) == 8 and {one for _, one in rig.outcomes()} == {"done"}, LIMIT)
    assert sorted(epoch or 0 for action in actions for epoch in action.ended) == list(range(1, 9))


def test_local_action_is_carried_out_by_each_daemon(rig: Rig) -> None:
    actions = {place: Shown() for place in ("here", "there")}
    for place, action in actions.items():
        rig.engine(configured(action, place=place))
    rig.write(switch(1))
    eventually(lambda: all(action.shown for action in actions.values()), LIMIT, what="both")


def test_target_that_shows_something_else_is_put_right(rig: Rig) -> None:
    action = Shown()
    reactor = rig.engine(configured(action))
    rig.journal.sight("m1", NODES[0])
    eventually(lambda: action.shown == {"m1": NODES[0]}, LIMIT, what="the master's place")
    action.shown["m1"] = NODES[5]
    eventually(lambda: action.shown == {"m1": NODES[0]}, LIMIT, what="the difference to be put right")
    eventually(lambda: [line["cause"] for line in rig.reader.receipts().items] == ["drift", "standing"], LIMIT)
    assert reactor.counters.drifts == {("act", "kvdb", "m1"): 1}


def test_target_that_shows_something_else_is_only_reported_if_so_configured(rig: Rig) -> None:
    action = Shown()
    rig.engine(configured(action, correct=False))
    rig.write(switch(1))
    rig.wait_for([(1, "done")])
    action.shown["m1"] = NODES[5]
    rig.wait_for([(1, "done"), (1, "drifted")])
    assert action.shown == {"m1": NODES[5]}
    assert rig.told(2)[-1].output == f"it shows {NODES[5]}"


def test_groups_come_in_order_and_one_that_fails_holds_nobody_up(rig: Rig) -> None:
    order: list[str] = []

    def named(name: str, fails: bool = False) -> Callable[[Wish, Run], None]:
        def note(wish: Wish, run: Run) -> None:
            order.append(name)
            if fails:
                raise AttemptFailed("away", after=60.0)

        return note

    rig.engine(
        configured(Listed(before=named("notify")), "last", group="notify"),
        configured(Listed(before=named("point")), "middle", group="point"),
        configured(Listed(before=named("cut", fails=True)), "first", group="cut"),
    )
    rig.write(switch(1))
    rig.wait_for([(1, "done")], "last")
    assert order == ["cut", "point", "notify"]


def test_action_that_wants_a_majority_waits_for_it(rig: Rig) -> None:
    action = Listed()
    reactor = rig.engine(configured(action, grade=Grade.AGREED), configured(Listed(), "other"))
    rig.write(switch(1))
    rig.wait_for([(1, "done")], "other")
    assert action.applied == []
    rig.beliefs.places["m1"] = (NODES[1], Grade.AGREED)
    reactor.wake()
    rig.wait_for([(1, "done")])


def test_paused_action_is_recorded_and_carried_out_when_it_is_resumed(rig: Rig) -> None:
    action = Listed()
    reactor = rig.engine(configured(action), configured(Listed(), "other"))
    reactor.store.pause("act", "", "", None, "ann", "maintenance")
    rig.write(switch(1))
    rig.wait_for([(1, "done")], "other")
    rig.write(switch(2))
    rig.wait_for([(1, "done"), (2, "done")], "other")
    assert action.applied == []
    eventually(lambda: list(reactor.counters.ages) == [("act", "kvdb", "m1")], LIMIT, what="the age of the wish")
    assert reactor.store.resume("act", "", "")
    reactor.wake()
    rig.wait_for([(1, "superseded"), (2, "done")])


def test_dry_run_records_what_it_would_do(rig: Rig) -> None:
    action = Listed()
    rig.engine(configured(action, dry_run=True))
    rig.write(switch(1))
    rig.wait_for([(1, "dry-run")])
    assert action.applied == []
    assert rig.told(1)[0].output == f"would list {NODES[1]}"


def test_switch_that_is_too_old_is_not_told_any_more(rig: Rig) -> None:
    action = Listed()
    rig.engine(configured(action, max_age=60.0, every=True))
    rig.write(switch(1, time=1_700_000_000.0))
    rig.wait_for([(1, "expired")])
    assert action.applied == []


def test_masters_and_deployments_that_an_action_does_not_name_are_left_alone(rig: Rig) -> None:
    some, foreign = Listed(), Listed()
    rig.engine(
        configured(some, "some", masters=("cache-*",)),
        configured(foreign, "foreign", deployments=("another",)),
        configured(Listed()),
    )
    rig.write(switch(1), switch(1, "cache-eu"))
    eventually(lambda: len(rig.outcomes()) == 2, LIMIT)
    rig.wait_for([(1, "done")], "some")
    assert [wish.master for wish in some.applied] == ["cache-eu"]
    assert foreign.applied == []


def test_reload_interrupts_what_changed_and_begins_it_again(rig: Rig) -> None:
    gate = threading.Event()
    slow = configured(Listed(before=blocking(gate, 1)))
    reactor = rig.engine(slow)
    rig.write(switch(1))
    eventually(lambda: slow.action.applied, LIMIT, what="the first attempt")  # type: ignore[attr-defined]
    quick = Listed()
    reactor.apply([configured(quick)])
    rig.wait_for([(1, "interrupted"), (1, "done")])
    assert quick.ended == [1]
    with pytest.raises(Exception, match="no action is named 'none'"):
        reactor.action("none")


def test_mistake_in_an_action_harms_no_other(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def stumble(wish: Wish, run: Run) -> None:
        if run.attempt == 1:
            raise ZeroDivisionError

    rig.engine(configured(Listed(before=stumble)), configured(Listed(), "other"))
    rig.write(switch(1))
    rig.wait_for([(1, "done")], "other")
    rig.wait_for([(1, "done")])
    assert "ZeroDivisionError" in caplog.text


def test_target_is_tested_without_a_change(rig: Rig) -> None:
    action = Listed()
    reactor = rig.engine(configured(action))
    assert asyncio.run(reactor.test("act")) == "the list is here"
    assert action.applied == []
