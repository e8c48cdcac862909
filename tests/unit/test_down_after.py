"""How long nodes take to answer, and which down-after-milliseconds that allows; no more is claimed than measured."""

from __future__ import annotations

import json
import random

import pytest

from switchmaster.explain.down_after import A_DAY, YEAR, DownAfterAdvice, advise
from switchmaster.explain.pauses import FIRST, GROWTH, LONGEST, Pauses, added_up, bucket_of, pauses_from_line


def measured(seconds: float, pauses: tuple[float, ...] = (), usual: float = 0.0004) -> Pauses:
    """Return what was measured for some time, with some pauses among usual answers."""
    made = Pauses()
    for pause in pauses:
        made.add(pause, 1000.0, max(1.0, pause))
    made.add(usual, 2000.0, seconds - made.measured)
    return made


def test_buckets_are_logarithmic_and_bounded() -> None:
    assert [bucket_of(each) for each in (0.0, FIRST, FIRST * 1.01, FIRST * GROWTH**7, 1e9)] == [0, 0, 1, 7, 47]
    many = Pauses()
    for number in range(10_000):
        many.add(number / 7.0, float(number), 1.0)
    assert len(many.counts) <= 48
    assert len(many.longest) == LONGEST
    assert many.answers == 10_000
    assert many.longest[0].seconds == pytest.approx(9999 / 7)


def test_pauses_at_least_as_long_are_never_counted_too_low() -> None:
    rng = random.Random(7)
    values = [rng.expovariate(1 / 0.2) for _ in range(2000)]
    made = Pauses()
    for value in values:
        made.add(value, 0.0, 1.0)
    for limit in (0.001, 0.06, 0.3, 0.7, 1.0, 1.4, 5.0):
        truth = sum(value >= limit for value in values)
        assert truth <= made.at_least(limit) <= sum(value >= limit / GROWTH for value in values)
    assert made.at_least(max(values)) == 1


def test_quantiles_are_the_ends_of_buckets() -> None:
    made = measured(10.0, (0.2,) * 9)
    assert made.quantile(0.5) == pytest.approx(0.2, rel=GROWTH - 1)
    assert made.quantile(0.01) == pytest.approx(0.0004, rel=GROWTH - 1)
    assert Pauses().quantile(0.5) is None


def test_lines_give_the_same_pauses_back_and_records_add_up() -> None:
    one, two = measured(3600.0, (0.3, 0.1)), measured(7200.0, (0.9,))
    one.left_out, two.restarts = 3, 1
    again = pauses_from_line(json.loads(json.dumps(one.to_line())))
    assert again == one
    total = added_up([again, two])
    assert (total.measured, total.answers, total.left_out, total.restarts) == (10_800.0, 5, 3, 1)
    assert [pause.seconds for pause in total.longest] == [0.9, 0.3, 0.1]
    assert (total.begun, total.ended) == (two.begun, 2000.0)
    assert added_up([]) == Pauses()


def test_present_value_costs_itself_at_each_crash() -> None:
    found = advise(measured(60.0), 30.0, 1.0)
    assert found.outage == (pytest.approx(30.3), pytest.approx(30.5))


def test_a_day_without_pauses_shows_little_and_is_told_as_such() -> None:
    found = advise(measured(A_DAY), 30.0, 1.0)
    assert found.shown_per_year == pytest.approx(3.0 * 365.25, rel=0.01)
    assert (found.shown, found.extrapolated, found.advised) == (None, None, None)
    assert found.needed == pytest.approx(3.0 * YEAR, rel=0.01)


def test_without_measurements_nothing_is_claimed() -> None:
    found = advise(Pauses(), 30.0, 1.0)
    assert (found.measured, found.shown_per_year, found.advised, found.longest) == (0.0, None, None, None)


def test_many_node_years_show_a_short_value() -> None:
    found = advise(measured(4 * YEAR, (0.8, 0.4)), 30.0, 1.0)
    assert found.shown == 2.0
    assert found.outage_advised == (pytest.approx(2.3), pytest.approx(2.5))


def test_advised_value_is_at_least_twice_the_longest_pause() -> None:
    found = advise(measured(4 * YEAR, (3.5,)), 30.0, 1.0)
    assert found.longest == 3.5
    assert found.shown == 8.0


def test_tail_of_pauses_is_extrapolated_and_marked_as_such() -> None:
    pauses = tuple(0.1 * 1.3**number for number in range(10))
    found = advise(measured(30 * A_DAY, pauses), 30.0, 1.0)
    assert found.shown is None
    assert found.extrapolated is not None
    assert found.extrapolated >= 2 * max(pauses)
    rare = advise(measured(30 * A_DAY, pauses), 30.0, 100.0)
    assert rare.extrapolated is not None
    assert rare.extrapolated <= found.extrapolated
    assert advise(measured(A_DAY / 2, pauses), 30.0, 1.0).extrapolated is None


def test_pause_that_deserves_a_failover_is_no_false_alarm() -> None:
    found = advise(measured(4 * YEAR, (41.0, 0.5)), 30.0, 1.0)
    assert (found.hangs, found.longest, found.shown) == (1, 0.5, 2.0)
    longer = advise(measured(4 * YEAR, (41.0, 0.5)), 60.0, 1.0)
    assert (longer.hangs, longer.longest, longer.shown) == (0, 41.0, 90.0)


def test_value_that_is_too_short_now_gets_a_longer_one() -> None:
    found: DownAfterAdvice = advise(measured(4 * YEAR, (4.0, 3.0, 2.5)), 1.0, 1.0)
    assert found.shown_per_year is not None
    assert found.shown_per_year > 1.0
    assert found.shown == 8.0
