"""Wishes, receipts and pauses in the journal: held by one, never taken back by an older one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rig.reactions import HOSTILE, NODES, JournalOfSwitches, switch
from switchmaster.errors import UsageError
from switchmaster.journal.reaction_rows import ReactionRow, ReactionState, RunCause, RunOutcome, Target
from switchmaster.journal.reaction_store import ReactionStore
from switchmaster.journal.reader import Reader
from switchmaster.react.choosing import next_step

NAMES = [("act", "")]
TARGET = Target("act", "", "kvdb", "m1", every=False, standing=False)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalOfSwitches]:
    journal = JournalOfSwitches(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def stores(journal: JournalOfSwitches) -> Iterator[tuple[ReactionStore, ReactionStore]]:
    """Two daemons, whose action is registered."""
    one, other = (ReactionStore(journal.url, letter * 32, letter) for letter in "ab")
    one.register(NAMES)
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def reader(journal: JournalOfSwitches) -> Iterator[Reader]:
    reader = Reader(journal.url)
    yield reader
    reader.close()


def pending(store: ReactionStore, *targets: Target) -> ReactionRow:
    store.advance(targets or [TARGET], next_step)
    [row] = store.pending(NAMES)
    return row


def outcomes(reader: Reader) -> list[tuple[int | None, str]]:
    """Epoch and outcome of all receipts, oldest first."""
    return [(line["switch"]["epoch"], line["outcome"]) for line in reader.receipts().items[::-1]]


def test_action_starts_with_the_first_switch_after_it_was_configured(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore]
) -> None:
    store, _ = stores
    journal.write(switch(1))
    assert store.register([("late", "")]) == 1
    late = replace(TARGET, action="late")
    store.advance([TARGET, late], next_step)
    assert [row.action for row in store.rows([("act", ""), ("late", "")]) if row.wish] == ["act"]
    journal.write(switch(2))
    assert store.behind([("late", "")]) == {("kvdb", "m1")}
    store.advance([late], next_step)
    [row] = store.pending([("late", "")])
    assert row.wish is not None
    assert (row.wish.epoch, row.seen) == (2, 2)
    assert store.behind([("late", "")]) == set()


def test_row_is_held_by_one_daemon_until_it_lets_go(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore], reader: Reader
) -> None:
    one, other = stores
    journal.write(switch(1))
    row = pending(one)
    receipt = one.take(row, 60.0, run=True)
    assert receipt is not None
    assert other.take(row, 60.0, run=True) is None
    assert (one.renew(row, 60.0), other.renew(row, 60.0)) == (True, False)
    assert one.failed_attempt(row, receipt, 1, "refused")
    assert reader.receipts().items[0]["output"] == "refused"
    assert one.finish(row, receipt, RunOutcome.DONE, 2, "fine")
    assert one.pending(NAMES) == []
    assert outcomes(reader) == [(1, "done")]
    [line] = reader.reactions(state="done").items
    assert (line["problem"], line["holder"], line["attempts"]) == ("", None, 2)


def test_killed_daemons_wish_is_taken_by_another_when_its_hold_ends(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore], reader: Reader
) -> None:
    one, other = stores
    journal.write(switch(1))
    first = one.take(pending(one), -1.0, run=True)
    row = pending(other)
    second = other.take(row, 60.0, run=True)
    assert first is not None
    assert second is not None
    assert outcomes(reader) == [(1, "interrupted"), (1, "running")]
    # The first was only slow: what it says of its end changes no row.
    assert not one.finish(row, first, RunOutcome.DONE, 1, "")
    assert [one.state for one in other.pending(NAMES)] == [ReactionState.PENDING]
    assert other.finish(row, second, RunOutcome.DONE, 1, "")
    assert outcomes(reader) == [(1, "interrupted"), (1, "done")]


def test_older_wish_never_ends_a_newer_one(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore], reader: Reader
) -> None:
    store, _ = stores
    journal.write(switch(1))
    old = pending(store)
    receipt = store.take(old, 60.0, run=True)
    assert receipt is not None
    journal.write(switch(2))
    new = pending(store)
    assert not store.renew(old, 60.0)
    assert store.take(old, 60.0, run=True) is None
    assert not store.finish(old, receipt, RunOutcome.DONE, 1, "")
    assert [row.wish for row in store.pending(NAMES)] == [new.wish]
    assert outcomes(reader) == [(1, "superseded")]


def test_wish_that_was_never_tried_leaves_a_receipt(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore], reader: Reader
) -> None:
    store, _ = stores
    journal.write(switch(1))
    pending(store)
    journal.write(switch(2))
    assert pending(store).attempts == 0
    assert outcomes(reader) == [(1, "superseded")]


def test_difference_is_put_right_or_reported_once(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore], reader: Reader
) -> None:
    store, _ = stores
    journal.write(switch(1))
    row = pending(store)
    receipt = store.take(row, 60.0, run=True)
    assert receipt is not None
    store.finish(row, receipt, RunOutcome.DONE, 1, "")
    for expected in (True, False):
        [row] = store.settled(NAMES)
        assert store.take(row, 60.0, run=False) == 0
        assert store.compared(row, "it shows another", correct=False) is expected
    assert outcomes(reader) == [(1, "done"), (1, "drifted")]
    [row] = store.settled(NAMES)
    assert store.take(row, 60.0, run=False) == 0
    store.compared(row, "it shows a third", correct=True)
    [row] = store.pending(NAMES)
    assert row.cause is RunCause.DRIFT


def test_person_repeats_the_newest_wish_and_no_older_one(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore]
) -> None:
    store, _ = stores
    with pytest.raises(UsageError, match="nothing of the master 'm1'"):
        store.order_run(TARGET, None)
    journal.write(switch(1), switch(2))
    row = pending(store)
    assert store.order_run(TARGET, None) == row.wish
    [row] = store.pending(NAMES)
    assert row.cause is RunCause.RUN
    with pytest.raises(UsageError, match="older than what act has carried out"):
        store.order_run(TARGET, 1)
    with pytest.raises(UsageError, match="no switch 99"):
        store.order_run(TARGET, 99)
    every = replace(TARGET, every=True)
    with pytest.raises(UsageError, match="is carrying out another switch"):
        store.order_run(every, 1)
    receipt = store.take(row, 60.0, run=True)
    assert receipt is not None
    store.finish(row, receipt, RunOutcome.DONE, 1, "")
    assert store.order_run(every, 1).epoch == 1


def test_pauses_hold_until_they_end(stores: tuple[ReactionStore, ReactionStore]) -> None:
    one, other = stores
    one.pause("act", "", "", None, "ann", HOSTILE)
    one.pause("act", "", "", None, "bob", "again")
    one.pause("", "kvdb", HOSTILE, -1.0, "ann", "over already")
    assert [(pause.by, pause.reason) for pause in other.pauses()[0]] == [("bob", "again")]
    assert not other.resume("other", "", "")
    assert other.resume("act", "", "")
    assert one.pauses()[0] == []


def test_hostile_names_come_back_as_they_were(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore], reader: Reader
) -> None:
    store, _ = stores
    journal.write(switch(1, HOSTILE))
    row = pending(store, replace(TARGET, master=HOSTILE))
    receipt = store.take(row, 60.0, run=True)
    assert receipt is not None
    store.finish(row, receipt, RunOutcome.GAVE_UP, 1, f"no such host: {HOSTILE}" + "x" * 10_000)
    [line] = reader.receipts(master=HOSTILE).items
    assert line["master"] == line["switch"]["master"] == HOSTILE
    assert line["output"].startswith(f"no such host: {HOSTILE}")
    assert len(line["output"]) == 4_000


def test_place_of_a_master_is_wished_for_without_a_switch(
    journal: JournalOfSwitches, stores: tuple[ReactionStore, ReactionStore]
) -> None:
    store, _ = stores
    standing = replace(TARGET, standing=True)
    store.advance([standing], next_step)
    assert store.pending(NAMES) == []
    journal.sight("m1", NODES[0])
    assert store.masters() == [("kvdb", "m1")]
    row = pending(store, standing)
    assert row.wish is not None
    assert (row.wish.new, row.wish.old, row.cause) == (NODES[0], None, RunCause.STANDING)
