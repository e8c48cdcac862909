"""The rule that distinguishes a leak from noise in a soak, on series like the measured ones."""

from __future__ import annotations

import random

import pytest

from rig.growth import FEWEST, Measure, thirds

DESCRIPTORS = Measure("descriptors", 1, "since a connection may be under way")
BLOCKS = Measure("blocks", 500, "since clients reconnect at their own time", each=5)


def noise(seed: int, size: int, most: int) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(most + 1) for _ in range(size)]


@pytest.mark.parametrize("seed", range(5))
def test_level_series_with_reconnects_is_flat(seed: int) -> None:
    assert DESCRIPTORS.fault([29 + (one == 0) * 4 for one in noise(seed, 150, 9)]) == ""


@pytest.mark.parametrize("seed", range(5))
def test_one_more_at_each_failover_is_no_noise(seed: int) -> None:
    leaking = [29 + at + more for at, more in enumerate(noise(seed, FEWEST, 3))]
    assert "descriptors: rose by" in DESCRIPTORS.fault(leaking)


def test_growth_in_the_first_third_is_no_leak() -> None:
    assert BLOCKS.fault([190_000 + 100 * min(at, 50) for at in range(150)]) == ""


def test_a_record_kept_at_each_failover_is_a_leak() -> None:
    fault = BLOCKS.fault([190_000 + 60 * at for at in range(150)])
    assert fault.startswith("blocks: rose by 3000 ")
    assert "750 are allowed, since clients reconnect" in fault


def test_too_few_samples_prove_nothing() -> None:
    assert "too few" in DESCRIPTORS.fault([29] * (FEWEST - 1))


def test_thirds_leave_out_samples_that_do_not_divide_by_three() -> None:
    assert thirds([0, 0, 7, 1, 1, 2, 2]) == (0, 1, 2)
