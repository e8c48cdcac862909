"""Entries to rows: which observations are of one failover, what was missed, incarnations, and retention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from recorded.journals import RecordedJournal
from switchmaster.account.record import Observation, StageRecord, SwitchRecord
from switchmaster.journal.engine import connect
from switchmaster.journal.entries import Alive, Entry, Seen, Sighting, SwitchSeen, WatchStarted
from switchmaster.journal.merge import merged, same_failover
from switchmaster.journal.reader import FailoverFilter
from switchmaster.journal.retention import Retention, prune, size
from switchmaster.journal.store import Store
from switchmaster.model import Address, Stage
from switchmaster.render import Line, iso

A, B, C = (Address("10.0.0.1", port) for port in (1, 2, 3))
T = 1_700_000_000.0


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[RecordedJournal]:
    journal = RecordedJournal(tmp_path)
    yield journal
    journal.close()


def account(
    number: int = 1,
    epoch: int | None = None,
    old: Address | None = A,
    new: Address | None = None,
    at: float = 0.0,
    until: float | None = None,
    outcome: str = "in-progress",
    closed: bool = False,
    incarnation: int = 0,
    stages: tuple[str, ...] = ("electing",),
) -> Observation:
    return Observation(
        deployment="d",
        master="m",
        number=number,
        incarnation=incarnation,
        old=old,
        new=new,
        epoch=epoch,
        kind=None,
        outcome=outcome,
        attempted=True,
        closed=closed,
        missed=False,
        started=T + at,
        heard=T + (at if until is None else until),
        stages=tuple(stage(name, at) for name in stages),
    )


def stage(name: str, at: float, elapsed: float = 0.0) -> StageRecord:
    return StageRecord(Stage(name), T + at, "s1", name, elapsed=elapsed)


def sighting(at: float, address: Address, epoch: int | None, incarnation: int = 0, agreed: bool = True) -> Sighting:
    return Sighting(T + at, "d", "m", address, epoch, incarnation, agreed)


def switch(
    at: float, new: Address, epoch: int | None, incarnation: int = 0, witnesses: tuple[str, ...] = ()
) -> SwitchSeen:
    record = SwitchRecord(
        T + at, "d", "m", None, new, epoch, "promoted", "failover", witnesses, "x", "role", incarnation
    )
    return SwitchSeen(T + at, record)


def write(kept: RecordedJournal, run: str, *entries: Entry, store: Store | None = None) -> Store:
    store = store or Store(run, run)
    kept.write(store, entries)
    return store


def found(kept: RecordedJournal) -> list[Line]:
    return kept.reader.failovers(FailoverFilter(suspicions=True), limit=1000).items[::-1]


def epochs(kept: RecordedJournal) -> list[int | None]:
    return [line["epoch"] for line in found(kept)]


# -- which observations are one ------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [False, True])
def test_what_another_writes_between_two_transactions_is_not_overwritten(
    kept: RecordedJournal, tmp_path: Path, apart: bool
) -> None:
    other = RecordedJournal(tmp_path) if apart else kept
    store = write(kept, "a", account(epoch=5))
    write(kept, "a", account(epoch=5, stages=("electing", "elected")), store=store)
    write(other, "b", account(epoch=5, until=1))
    write(kept, "a", account(epoch=5, new=B, outcome="completed", closed=True), store=store)
    if apart:
        other.close()
    [line] = found(kept)
    assert (line["outcome"], sorted(line["observers"])) == ("completed", ["a", "b"])


def test_rows_are_read_once_while_nobody_else_writes(kept: RecordedJournal) -> None:
    store, asked = write(kept, "a", account()), list[str]()
    event.listen(kept.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    write(kept, "a", account(epoch=5), account(2, epoch=6), store=store)
    write(kept, "a", account(epoch=5, new=B), store=store)
    assert sum("FROM observations" in statement for statement in asked) == 1  # of the second failover, which is new


def test_one_attempt_is_one_row_however_it_grows(kept: RecordedJournal) -> None:
    store = write(kept, "a", account())
    write(kept, "a", account(epoch=5), store=store)
    write(kept, "a", account(epoch=5, new=B, outcome="completed", closed=True), store=store)
    [line] = found(kept)
    assert (line["epoch"], line["outcome"], line["observers"]) == (5, "completed", ["a"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (account(epoch=5), account(epoch=5, at=9_999), True),
        (account(epoch=5), account(epoch=6), False),
        (account(epoch=5, new=B), account(epoch=5, new=C), False),
        (account(epoch=5, incarnation=1), account(epoch=5), False),
        (account(), account(epoch=5, at=100), True),
        (account(), account(epoch=5, at=1_000), False),
        (account(closed=True, until=2), account(epoch=5, at=8), False),
        (account(closed=True, until=2), account(epoch=5, at=6), True),
        (account(old=A), account(old=B), False),
        (account(new=B), account(epoch=5, new=C), False),
    ],
)
def test_observations_are_one_by_epoch_or_else_by_time(one: Observation, other: Observation, same: bool) -> None:
    assert same_failover(one, other) == same_failover(other, one) == same


@pytest.mark.parametrize(
    ("chosen", "chosen_at", "choosing", "at", "same"),
    [
        ("promoted", 0, "electing", 4, True),
        ("promoted", 0, "electing", 6, False),
        ("switched", 0, "elected", 6, False),
        ("promoted", 0, "suspected", 6, True),
        ("promoted", 0, "settled", 60, True),
        ("promoted", 60, "selected", 0, True),
    ],
)
def test_attempt_that_selects_long_after_a_promotion_is_another(
    chosen: str, chosen_at: float, choosing: str, at: float, same: bool
) -> None:
    one, other = account(epoch=5, at=chosen_at, stages=(chosen,)), account(at=at, stages=(choosing,))
    assert same_failover(one, other) == same_failover(other, one) == same


def test_restarted_daemon_continues_the_row_that_it_left_open(kept: RecordedJournal) -> None:
    write(kept, "before", account(epoch=5, stages=("suspected", "electing")))
    later = account(at=3, new=B, outcome="completed", closed=True, stages=("switched", "settled"))
    write(kept, "after", later)
    [line] = found(kept)
    assert (line["epoch"], line["outcome"], line["closed"]) == (5, "completed", True)
    assert [stage["stage"] for stage in line["stages"]] == ["suspected", "electing", "switched", "settled"]


def test_observation_of_another_attempt_after_all_leaves_the_row(kept: RecordedJournal) -> None:
    write(kept, "a", account(epoch=5))
    other = write(kept, "b", account())
    assert len(found(kept)) == 1
    write(kept, "b", account(epoch=6), store=other)
    assert sorted((line["epoch"], line["observers"]) for line in found(kept)) == [(5, ["a"]), (6, ["b"])]


def test_observation_of_the_same_attempt_after_all_joins_the_row(kept: RecordedJournal) -> None:
    write(kept, "a", account(epoch=5, at=0, closed=True, outcome="aborted"))
    other = write(kept, "b", account(at=50))
    assert len(found(kept)) == 2
    kept.reader.comment(found(kept)[1]["id"], "ann", "hello")
    write(kept, "b", account(epoch=5, at=50), store=other)
    [line] = found(kept)
    shown = kept.reader.failover(line["id"])
    assert shown is not None
    assert [comment["text"] for comment in shown["comments"]] == ["hello"]


def test_observation_joins_the_row_of_its_address_before_one_that_has_none(kept: RecordedJournal) -> None:
    store = write(kept, "a", account(2, epoch=6, new=B, at=2))
    write(kept, "b", account(1, epoch=6, new=C, at=3))
    write(kept, "a", account(2, epoch=6, new=None, at=2), store=store)
    write(kept, "c", account(1, epoch=6, new=C, at=4))
    assert [(line["new"] and line["new"]["port"], line["observers"]) for line in found(kept)] == [
        (None, ["a"]),
        (3, ["b", "c"]),
    ]


def test_two_attempts_of_one_observer_are_never_one_row(kept: RecordedJournal) -> None:
    write(kept, "a", account(1, closed=True, outcome="aborted"), account(2, at=1))
    assert len(found(kept)) == 2


def test_observer_that_saw_the_switch_is_believed_over_one_that_gave_up(kept: RecordedJournal) -> None:
    write(kept, "a", account(epoch=5, outcome="aborted", closed=True, stages=("electing", "aborted")))
    write(kept, "b", account(epoch=5, new=B, outcome="completed", closed=True, stages=("switched",)))
    [line] = found(kept)
    assert (line["outcome"], line["reason"]) == ("completed", None)
    assert [stage["stage"] for stage in line["stages"]] == ["electing", "switched"]


@pytest.mark.parametrize(("stages", "outcome"), [(("promoted",), "aborted"), (("promoted", "switched"), "completed")])
def test_promotion_that_one_daemon_saw_given_up_was_given_up(
    kept: RecordedJournal, stages: tuple[str, ...], outcome: str
) -> None:
    """A promotion that one daemon saw given up was given up, unless a Sentinel announced it."""
    write(kept, "killed", account(epoch=5, new=B, outcome="completed", stages=stages))
    write(kept, "there", account(epoch=5, new=B, outcome="aborted", closed=True, stages=("promoted",)))
    [line] = found(kept)
    assert (line["outcome"], line["observers"]) == (outcome, ["killed", "there"])


def test_merging_does_not_depend_on_the_order() -> None:
    one = account(epoch=5, stages=("suspected", "electing"))
    other = account(at=1, new=B, outcome="completed", closed=True, stages=("electing", "switched"))
    assert merged([("a", one), ("b", other)]) == merged([("b", other), ("a", one)])


def test_failover_that_no_observer_saw_whole_is_timed_by_wall_clocks() -> None:
    def part(at: float, *stages: tuple[str, float]) -> Observation:
        said = tuple(stage(name, time, time - at) for name, time in stages)
        return replace(account(epoch=5, at=at), stages=said, durations={"total": stages[-1][1] - at})

    first, second = part(0, ("suspected", 0), ("electing", 1)), part(2, ("switched", 2), ("settled", 5))
    whole = merged([("a", first), ("b", second)])
    assert (whole.durations["total"], whole.estimated) == (5, ("total",))
    everything = part(0.5, ("suspected", 0.5), ("settled", 4))
    whole = merged([("a", first), ("b", second), ("c", everything)])
    assert (whole.durations["total"], whole.estimated) == (3.5, ())


# -- missed failovers --------------------------------------------------------------------------------


def test_higher_epoch_at_the_start_is_a_missed_failover(kept: RecordedJournal) -> None:
    write(kept, "before", sighting(0, A, 5), Alive(T + 50, ("d",)))
    write(kept, "after", sighting(100, B, 9))
    [line] = found(kept)
    assert (line["missed"], line["epoch"], line["away"]["epochs"]) == (True, 9, [5, 9])
    assert (line["away"]["after"], line["away"]["before"]) == (iso(T + 50), iso(T + 100))
    assert (line["old"]["port"], line["new"]["port"]) == (1, 2)
    [switched] = kept.reader.switches().items
    assert (switched["epoch"], switched["via"]) == (9, "missed")


def test_missed_switch_there_and_back_is_a_failover_without_a_switch(kept: RecordedJournal) -> None:
    write(kept, "before", sighting(0, A, 5))
    write(kept, "after", sighting(100, A, 7))
    [line] = found(kept)
    assert (line["missed"], line["old"]["port"], line["new"]["port"]) == (True, 1, 1)
    assert kept.reader.switches().items == []


def test_missed_end_completes_the_row_that_a_killed_daemon_left(kept: RecordedJournal) -> None:
    write(kept, "before", sighting(0, A, 5), account(at=10), Alive(T + 10, ("d",)))
    write(kept, "after", sighting(20, B, 6))
    [line] = found(kept)
    assert (line["missed"], line["outcome"], line["epoch"], line["closed"]) == (False, "completed", 6, True)
    assert [stage["stage"] for stage in line["stages"]] == ["electing"]


@pytest.mark.parametrize("first", ["missed", "heard"])
def test_end_of_a_missed_failover_belongs_to_its_record(kept: RecordedJournal, first: str) -> None:
    # The leader names the old master until its own +switch-master, and does not say which node it promoted.
    heard = account(at=101, outcome="completed", stages=("reconfiguring",))
    news = [sighting(100, B, 9), heard] if first == "missed" else [heard, sighting(102, B, 9)]
    write(kept, "before", sighting(0, A, 5), Alive(T + 50, ("d",)))
    write(kept, "after", *news)
    [line] = found(kept)
    assert (line["missed"], line["epoch"], line["new"]["port"]) == (False, 9, 2)
    assert [stage["stage"] for stage in line["stages"]] == ["reconfiguring"]


def test_next_failover_of_a_run_is_not_the_one_that_it_missed(kept: RecordedJournal) -> None:
    write(kept, "before", sighting(0, A, 5), Alive(T + 50, ("d",)))
    store = write(kept, "after", sighting(100, B, 9), account(at=101, old=B))
    write(kept, "after", account(at=101, old=B, new=A, epoch=10, outcome="completed"), store=store)
    assert epochs(kept) == [9, 10]


def test_switch_recorded_by_another_daemon_is_not_missed(kept: RecordedJournal) -> None:
    write(kept, "a", sighting(0, A, 5), account(epoch=6, new=B, outcome="completed", closed=True), switch(1, B, 6))
    write(kept, "b", sighting(100, B, 6))
    [line] = found(kept)
    assert (line["missed"], line["observers"]) == (False, ["a"])


def test_switch_without_an_epoch_gets_it_and_nothing_is_missed(kept: RecordedJournal) -> None:
    completed = account(at=10, new=B, outcome="completed", stages=("promoted",))
    write(kept, "a", sighting(0, A, 5), completed, switch(10, B, None))
    write(kept, "b", sighting(12, B, 6))
    [line] = found(kept)
    assert (line["missed"], line["epoch"]) == (False, 6)
    assert [one["epoch"] for one in kept.reader.switches().items] == [6]


def test_switch_back_to_an_address_is_another_though_it_has_no_epoch(kept: RecordedJournal) -> None:
    write(kept, "a", switch(1, B, 6), switch(10, A, 7), switch(20, B, None), switch(21, B, None))
    assert [one["epoch"] for one in kept.reader.switches().items] == [None, 7, 6]
    write(kept, "b", switch(22, B, 8))
    assert [one["epoch"] for one in kept.reader.switches().items] == [8, 7, 6]


def test_later_switch_to_an_address_is_a_row_too_though_neither_has_an_epoch(kept: RecordedJournal) -> None:
    write(kept, "a", switch(1, B, None), switch(100, A, None), switch(200, B, None), switch(300, A, None))
    rows = [(one["new"]["port"], one["time"]) for one in kept.reader.switches().items]
    assert rows == [(1, iso(T + 300)), (2, iso(T + 200)), (1, iso(T + 100)), (2, iso(T + 1))]
    write(kept, "a", switch(300, A, 9))
    assert [one["epoch"] for one in kept.reader.switches().items] == [9, None, None, None]


def test_switch_keeps_its_row_when_its_epoch_comes_after_the_next_switch(kept: RecordedJournal) -> None:
    store = write(kept, "a", switch(1, B, None))
    write(kept, "b", switch(3, C, 7))
    write(kept, "a", switch(1, B, 6), store=store)
    assert [one["epoch"] for one in kept.reader.switches().items] == [7, 6]


def test_switch_that_another_daemon_has_with_its_epoch_is_folded_into_that_row(kept: RecordedJournal) -> None:
    store = write(kept, "a", switch(1, C, 5), switch(8, B, None, witnesses=("s1",)))
    write(kept, "b", switch(1, B, 6, witnesses=("s2",)))
    assert [one["epoch"] for one in kept.reader.switches().items] == [None, 6, 5]
    write(kept, "a", switch(8, B, 6, witnesses=("s1", "s3")), store=store)
    [same, other] = sorted(kept.reader.switches().items, key=lambda one: -one["epoch"])
    assert (same["epoch"], other["epoch"]) == (6, 5)
    assert (same["witnesses"], same["observers"]) == (["s2", "s1", "s3"], ["b", "a"])


def test_missed_switch_does_not_name_an_epoch_that_is_not_known(kept: RecordedJournal) -> None:
    write(kept, "a", sighting(0, A, None), sighting(100, B, 6), sighting(200, C, 8))
    whys = [one["why"] for one in kept.reader.switches().items[::-1]]
    assert whys == [
        "its address changed while no daemon was connected, and is at epoch 6",
        "its epoch rose from 6 to 8 while no daemon was connected",
    ]


def test_sighting_without_an_epoch_hides_nothing(kept: RecordedJournal) -> None:
    write(kept, "a", sighting(0, A, 5))
    write(kept, "b", sighting(10, B, None), sighting(11, B, 6))
    assert epochs(kept) == [6]


def test_switch_is_one_row_with_the_witnesses_of_all_daemons(kept: RecordedJournal) -> None:
    write(kept, "a", switch(1, B, 6, witnesses=("s1",)))
    write(kept, "b", switch(2, B, 6, witnesses=("s2", "s1")))
    [line] = kept.reader.switches().items
    assert (line["witnesses"], line["observers"], line["time"]) == (["s1", "s2"], ["a", "b"], iso(T + 1))
    assert [one["type"] for _, one in kept.reader.entries()] == ["switch", "witness"]


# -- incarnations ----------------------------------------------------------------------------------


def test_lower_epoch_begins_an_incarnation_if_a_majority_agrees(kept: RecordedJournal) -> None:
    store = write(kept, "a", sighting(0, A, 50))
    write(kept, "a", sighting(10, B, 1), store=store)
    assert store.doubted() == {("d", "m")}
    write(kept, "a", sighting(100, B, 1, agreed=False), store=store)
    assert store.doubted() == {("d", "m")}
    assert kept.reader.masters()[0]["epoch"] == 50
    write(kept, "a", sighting(100, B, 1), account(epoch=2, old=B, new=C, outcome="completed"), store=store)
    [head] = kept.reader.masters()
    assert (head["epoch"], head["incarnation"]) == (1, 1)
    assert [line["incarnation"] for line in found(kept)] == [1]


def test_another_address_at_the_same_epoch_is_not_a_missed_failover(kept: RecordedJournal) -> None:
    store = write(kept, "a", sighting(0, A, 5), sighting(100, B, 5, agreed=False))
    assert store.doubted() == {("d", "m")}
    assert kept.reader.masters()[0]["address"]["port"] == 1
    write(kept, "a", sighting(101, B, 5), store=store)
    [head] = kept.reader.masters()
    assert (head["address"]["port"], head["incarnation"]) == (2, 1)
    assert found(kept) == []


def test_observers_that_count_from_zero_meet_in_one_incarnation(kept: RecordedJournal) -> None:
    write(kept, "a", sighting(0, A, 1), sighting(1, A, 1, incarnation=1), switch(2, B, 2, incarnation=1))
    write(kept, "b", sighting(50, B, 2), switch(60, C, 3))
    assert [line["incarnation"] for line in kept.reader.switches().items] == [1, 1]


def test_deployment_that_is_watched_again_counts_its_incarnations_from_zero(kept: RecordedJournal) -> None:
    store = write(kept, "a", sighting(0, A, 1), sighting(1, A, 1, incarnation=1), switch(2, B, 2, incarnation=1))
    write(kept, "a", WatchStarted("d"), sighting(3, B, 2), switch(4, C, 3), store=store)
    assert [line["incarnation"] for line in kept.reader.switches().items] == [1, 1]
    write(kept, "a", switch(5, A, 4), store=store)
    assert [line["incarnation"] for line in kept.reader.switches().items] == [1, 1, 1]


# -- retention -------------------------------------------------------------------------------------


def test_attempt_without_news_is_closed(kept: RecordedJournal) -> None:
    store = write(kept, "a", account(1), account(2, epoch=9, new=B, outcome="completed", at=500))
    with connect(kept.engine, kept.url) as connection:
        assert len(store.close_unseen(connection, T + 300)) == 1
        assert len(store.close_unseen(connection, T + 900)) == 1
        assert store.close_unseen(connection, T + 900) == []
    first, second = found(kept)
    assert (first["outcome"], first["closed"], first["reason"]) == (
        "aborted",
        True,
        "its end was not seen: no daemon was connected to a Sentinel",
    )
    assert (second["outcome"], second["closed"]) == ("completed", True)


def test_old_rows_are_removed_by_age_and_events_by_size(kept: RecordedJournal) -> None:
    events = [Seen(T + n, {"type": "event", "number": n, "text": "x" * 200}) for n in range(2_000)]
    write(kept, "a", *events, account(epoch=1), account(2, epoch=2, at=5_000), switch(0, B, 1), switch(5_000, C, 2))
    with connect(kept.engine, kept.url) as connection:
        before = size(connection)
        assert prune(connection, Retention(), T + 5_000) == 0
        prune(connection, Retention(events_seconds=4_000), T + 5_000)
    numbers = [line["number"] for _, line in kept.reader.entries(types=("event",), limit=1000)]
    assert numbers == list(range(1_000, 2_000))
    with connect(kept.engine, kept.url) as connection:
        prune(connection, Retention(seconds=1_000), T + 5_500)
        assert size(connection) < before
    assert epochs(kept) == [2]
    assert [line["epoch"] for line in kept.reader.switches().items] == [2]
    with connect(kept.engine, kept.url) as connection:
        prune(connection, Retention(bytes=1), T + 5_500)
    assert {line["type"] for _, line in kept.reader.entries(limit=1000)} <= {"failover", "switch"}
