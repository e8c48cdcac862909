"""A schedule depends on its seed alone, is healed at its end, and never lets certain faults overlap."""

from __future__ import annotations

from itertools import combinations

import pytest

from chaos.schedule import FIRST, IMPAIRED, MASTERS, SENTINELS, TRAITS, Fault, Kind, apart, draw, impairs

SECONDS = 120.0
SEEDS = range(30)


def overlap(one: Fault, other: Fault) -> bool:
    return one.at < other.until and other.at < one.until


def test_one_seed_draws_one_schedule() -> None:
    assert draw(7, SECONDS) == draw(7, SECONDS) != draw(8, SECONDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_begins_after_the_start_and_heals_before_the_end(seed: int) -> None:
    drawn = draw(seed, SECONDS)
    assert all(FIRST <= each.at and each.until <= SECONDS for each in drawn)
    assert [each.at for each in drawn] == sorted(each.at for each in drawn)
    for each in drawn:
        low, high = TRAITS[each.kind].length
        assert low <= each.length <= high
        assert each.heal > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_that_exclude_each_other_never_overlap(seed: int) -> None:
    drawn = draw(seed, SECONDS)
    met = [pair for pair in combinations(drawn, 2) if overlap(*pair)]
    assert met
    assert [pair for pair in met if apart(*pair)] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_majority_of_the_sentinels_is_always_healthy(seed: int) -> None:
    drawn = [each for each in draw(seed, SECONDS) if impairs(each.kind)]
    for one in drawn:
        assert sum(overlap(one, other) and other.at <= one.at for other in drawn) <= IMPAIRED < SENTINELS / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_two_minutes_contain_failovers_of_all_kinds(seed: int) -> None:
    kinds = {each.kind for each in draw(seed, SECONDS)}
    assert {Kind.CRASH, Kind.HANG, Kind.PLANNED, Kind.COORDINATED} <= kinds
    assert len(kinds) >= 10


def test_every_fault_hits_every_target_in_some_schedule() -> None:
    drawn = [each for seed in SEEDS for each in draw(seed, SECONDS)]
    assert {each.kind for each in drawn} == set(Kind)
    assert {each.master for each in drawn} == {None, *MASTERS}
    assert {each.sentinel for each in drawn} == {None, *range(SENTINELS)}


def test_faults_that_a_server_lacks_are_not_drawn() -> None:
    kinds = [Kind.CRASH, Kind.LINK_CUT]
    assert {each.kind for each in draw(1, SECONDS, kinds)} == set(kinds)


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ((Kind.CRASH, "first", None), (Kind.PLANNED, "first", 0), True),
        ((Kind.CRASH, "first", None), (Kind.PLANNED, "second", 0), False),
        ((Kind.LINK_CUT, None, 0), (Kind.PLANNED, "second", 0), True),
        ((Kind.LINK_CUT, None, 1), (Kind.PLANNED, "second", 0), False),
        ((Kind.DEAF, None, None), (Kind.COORDINATED, "second", 0), True),
        ((Kind.DEAF, None, None), (Kind.CRASH, "second", None), False),
        ((Kind.CUT_OFF, "first", None), (Kind.SENTINEL_REINSTALLED, None, 1), True),
        ((Kind.SENTINEL_CUT_OFF, None, 0), (Kind.SENTINEL_FORGETS, None, 1), True),
        ((Kind.CUT_OFF, "first", None), (Kind.SENTINEL_KILLED, None, 1), False),
    ],
)
def test_pairs_of_faults_that_are_kept_apart(
    one: tuple[Kind, str | None, int | None], other: tuple[Kind, str | None, int | None], are: bool
) -> None:
    faults = [Fault(0.0, kind, 1.0, 1.0, master, sentinel) for kind, master, sentinel in (one, other)]
    assert apart(*faults) is apart(*faults[::-1]) is are
