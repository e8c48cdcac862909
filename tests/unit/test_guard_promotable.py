"""Which replica Sentinel would promote: each rule of sentinelSelectSlave()."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recorded.answers import MASTER
from rig.guard_cases import B, C, D, seen
from switchmaster.guard.promotable import chosen, promotable

DEAD = replace(MASTER, down_after_ms=1000)


@pytest.mark.parametrize(
    "unfit",
    [
        {"flags": frozenset({"slave", "s_down"})},
        {"flags": frozenset({"slave", "o_down"})},
        {"flags": frozenset({"slave", "disconnected"})},
        {"priority": 0},
        {"master_link_down_ms": 10_001},
    ],
    ids=lambda unfit: str(*unfit),
)
def test_unfit_replica_is_never_promoted(unfit: dict[str, object]) -> None:
    assert chosen(DEAD, [seen(B, **unfit)]) is None
    assert chosen(DEAD, [seen(B, offset=99, **unfit), seen(C)]) == C


def test_replica_that_lost_the_master_lately_may_be_promoted() -> None:
    assert chosen(DEAD, [seen(B, master_link_down_ms=10_000)]) == B


def test_lowest_priority_wins_then_highest_offset_then_smallest_run_id() -> None:
    by_priority = [seen(B, priority=100, offset=99), seen(C, priority=10, offset=1)]
    by_offset = [seen(B, offset=1, run_id="a" * 40), seen(C, offset=2, run_id="f" * 40)]
    by_run_id = [seen(B, run_id="b" * 40), seen(C, run_id="A" * 40), seen(D, run_id="")]
    assert [chosen(DEAD, rows) for rows in (by_priority, by_offset, by_run_id)] == [C, C, C]
    assert [each.address for each in promotable(DEAD, by_run_id)] == [C, B, D]


def test_without_replicas_there_is_none_to_promote() -> None:
    assert chosen(DEAD, []) is None
    assert promotable(DEAD, []) == []


def test_hostile_numbers_never_raise() -> None:
    huge = 2**64
    rows = [seen(B, offset=huge, priority=-huge), seen(C, offset=-huge, master_link_down_ms=huge)]
    assert chosen(replace(DEAD, down_after_ms=-huge), rows) is None
    assert chosen(replace(DEAD, down_after_ms=huge), rows) == C
