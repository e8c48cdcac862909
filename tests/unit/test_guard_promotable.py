"""Which replica Sentinel would promote: each rule of sentinelSelectSlave()."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recorded.answers import MASTER
from rig.guard_cases import B, C, D, seen
from switchmaster.guard.promotable import PromotionRule, chosen, judged, promotable

DEAD = replace(MASTER, down_after_ms=1000)


@pytest.mark.parametrize(
    "unfit",
    [
        {"flags": frozenset({"slave", "s_down"})},
        {"flags": frozenset({"slave", "o_down"})},
        {"flags": frozenset({"slave", "disconnected"})},
        {"priority": 0},
        {"master_link_down_ms": 10_001},
        {"last_ok_ping_ms": 5_001},
        {"info_age_ms": 30_001},
        {"info_age_ms": 0, "run_id": ""},
    ],
    ids=lambda unfit: "-".join(unfit),
)
def test_unfit_replica_is_never_promoted(unfit: dict[str, object]) -> None:
    assert chosen(DEAD, [seen(B, **unfit)]) is None
    assert chosen(DEAD, [seen(B, offset=99, **unfit), seen(C)]) == C


def test_replica_that_lost_the_master_lately_may_be_promoted() -> None:
    assert chosen(DEAD, [seen(B, master_link_down_ms=10_000)]) == B


def test_lowest_priority_wins_then_highest_offset_then_smallest_run_id() -> None:
    by_priority = [seen(B, priority=100, offset=99), seen(C, priority=10, offset=1)]
    by_offset = [seen(B, offset=1, run_id="a" * 40), seen(C, offset=2, run_id="f" * 40)]
    by_run_id = [seen(B, run_id="b" * 40), seen(C, run_id="A" * 40), seen(D, run_id="", info_age_ms=5)]
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


def test_info_must_be_newer_once_the_master_is_suspected() -> None:
    suspected = replace(DEAD, flags=frozenset({"master", "s_down"}), s_down_ms=400)
    assert chosen(DEAD, [seen(B, info_age_ms=5_001)]) == B
    assert chosen(suspected, [seen(B, info_age_ms=5_001)]) is None
    assert chosen(suspected, [seen(B, info_age_ms=5_000)]) == B


def test_time_since_the_suspicion_is_allowed_on_top_of_the_links_age() -> None:
    suspected = replace(DEAD, flags=frozenset({"master", "s_down"}), s_down_ms=400)
    assert chosen(suspected, [seen(B, master_link_down_ms=10_400)]) == B
    assert chosen(suspected, [seen(B, master_link_down_ms=10_401)]) is None


def test_link_that_is_down_is_down_for_longer_when_the_master_is_suspected() -> None:
    rows = [seen(B, master_link_down_ms=9_500), seen(C)]
    assert [each.fits for each in judged(DEAD, rows)] == [True, True]
    first, second = judged(DEAD, rows, dies_now=True)
    assert (first.replica.address, second.replica.address) == (C, B)
    assert [check.rule for check in second.failed] == [PromotionRule.LINK]
    assert (second.failed[0].value, second.failed[0].limit) == (10_500, 10_000)


def test_each_candidate_has_every_rule_with_its_value_and_the_fit_ones_come_first() -> None:
    unfit, fit = seen(B, priority=0, offset=99), seen(C, offset=1)
    first, second = judged(DEAD, [unfit, fit])
    assert (first.replica, second.replica) == (fit, unfit)
    assert [check.rule for check in first.checks] == list(PromotionRule)
    assert [(check.rule, check.value) for check in second.failed] == [(PromotionRule.PRIORITY, 0)]
