"""Deadlines by name, beside a plain dict that is searched."""

from __future__ import annotations

import random

from switchmaster.belief.schedule import Schedule


def test_names_are_due_as_in_a_dict_that_is_searched() -> None:
    chance = random.Random(7)
    schedule, plain, now = Schedule(), dict[str, float](), 0.0

    def put(name: str, due: float | None) -> None:
        schedule.set(name, due)
        if due is None:
            plain.pop(name, None)
        else:
            plain[name] = due

    for _ in range(3_000):
        name = f"shard-{chance.randrange(20)}"
        put(name, chance.choice([None, now + chance.randrange(1, 9), now + chance.randrange(1, 9)]))
        assert schedule.first is None or not plain or schedule.first <= min(plain.values())
        if chance.random() < 0.3:
            now += chance.randrange(4)
            found = schedule.due(now)
            assert found == [name for name, due in plain.items() if due <= now]
            for name in found:
                put(name, chance.choice([None, plain[name], now + chance.randrange(5)]))
            schedule.refresh()
            assert schedule.first == min(plain.values(), default=None)


def test_deadlines_that_move_with_every_event_take_no_room() -> None:
    schedule = Schedule()
    for at in range(10_000):
        schedule.set("mymaster", 200.0 + at)
    assert len(schedule._heap) == 1
    assert schedule.due(200.0) == []
    schedule.refresh()
    assert schedule.first == 200.0 + 9_999
