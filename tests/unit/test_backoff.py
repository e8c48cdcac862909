"""How long a link waits before it dials again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchmaster.link.backoff import Backoff


def test_delays_grow_to_the_cap_and_stay_there() -> None:
    backoff = Backoff(base=0.1, cap=1.0)
    longest = [backoff.next_delay(lambda: 1.0) for _ in range(6)]
    assert longest == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50))
def test_every_delay_is_within_its_bounds(chances: list[float]) -> None:
    backoff = Backoff(base=0.05, cap=2.0)
    for chance in chances:
        assert 0.025 <= backoff.next_delay(lambda chance=chance: chance) <= 2.0


def test_delays_restart_after_a_reset() -> None:
    backoff = Backoff(base=0.1, cap=1.0)
    for _ in range(5):
        backoff.next_delay(lambda: 1.0)
    backoff.reset()
    assert pytest.approx(0.1) == backoff.next_delay(lambda: 1.0)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_longest_delay_is_in_the_upper_half_at_once(chance: float) -> None:
    backoff = Backoff(base=0.05, cap=2.0)
    assert 1.0 <= backoff.longest_delay(lambda: chance) <= 2.0


@pytest.mark.parametrize(("base", "cap", "factor"), [(0, 1, 2), (2, 1, 2), (1, 2, 0.5)])
def test_backoff_refuses_senseless_bounds(base: float, cap: float, factor: float) -> None:
    with pytest.raises(ValueError, match="base"):
        Backoff(base, cap, factor)
