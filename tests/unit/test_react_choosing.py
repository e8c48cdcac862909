"""Which wish an action takes next, when it may be carried out, and what it waits for."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from rig.reactions import NODES, wish
from switchmaster.journal.reaction_rows import ActionPause, ReactionRow, ReactionState, RunCause, Target, WishStep
from switchmaster.journal.wishes import Wish, is_newer, newest
from switchmaster.model import Grade
from switchmaster.react.choosing import GROUP_SECONDS, awaits, is_expired, is_ripe, next_step

NEWEST = Target("act", "", "kvdb", "m1", every=False, standing=True)
EVERY = replace(NEWEST, every=True, standing=False)


def row(
    of: Wish | None = None, state: ReactionState = ReactionState.DONE, seen: int = 0, **more: object
) -> ReactionRow:
    made = ReactionRow(
        id=1,
        action="act",
        place="",
        deployment="kvdb",
        master="m1",
        seen=seen,
        wish=of,
        state=state if of is not None else ReactionState.IDLE,
        cause=RunCause.SWITCH,
        wished=100.0,
        attempts=0,
        checked=0.0,
        problem="",
        holder=None,
        held_until=0.0,
    )
    return replace(made, **more)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))), ids=str)
def test_newest_switch_wins_in_whatever_order_daemons_wrote(order: tuple[int, ...]) -> None:
    unseen = [wish(number, id=place) for place, number in enumerate(order, 1)]
    step = next_step(NEWEST, row(), unseen, None)
    assert step is not None
    assert (step.seen, step.wish.epoch if step.wish else None) == (3, 3)
    assert next_step(NEWEST, row(wish(3), seen=3), unseen, None) == WishStep(3)


def test_incarnation_comes_before_epoch_and_time_only_where_no_epoch_tells() -> None:
    assert is_newer(wish(1, incarnation=1), wish(9))
    assert is_newer(wish(2, time=1.0), wish(1, time=2.0))
    assert is_newer(wish(1, epoch=None, time=3.0), wish(9, time=2.0))
    assert not is_newer(wish(9, epoch=None, time=1.0), wish(1, time=2.0))
    assert newest([]) is None


def test_action_for_every_switch_takes_them_one_after_the_other() -> None:
    unseen = [wish(1), wish(2)]
    assert next_step(EVERY, row(), unseen, None) == WishStep(1, wish(1))
    assert next_step(EVERY, row(wish(1), ReactionState.PENDING, 1), unseen[1:], None) is None
    assert next_step(EVERY, row(wish(1), ReactionState.FAILED, 1), unseen[1:], None) == WishStep(2, wish(2))
    assert next_step(EVERY, row(wish(2), seen=2), [], None) is None


def test_switch_that_was_written_late_is_passed_over() -> None:
    late = wish(1, id=7)
    assert next_step(EVERY, row(wish(2), seen=6), [late], None) == WishStep(7)
    assert next_step(EVERY, row(wish(2), seen=6), [late, wish(3, id=8)], None) == WishStep(8, wish(3, id=8))


def test_place_of_a_master_is_a_wish_only_where_no_switch_led_to_it() -> None:
    place = wish(0, id=0, old=None, via="standing")
    assert next_step(NEWEST, row(), [], place) == WishStep(0, place, RunCause.STANDING)
    assert next_step(NEWEST, row(), [wish(1)], place) == WishStep(1, wish(1))
    assert next_step(NEWEST, row(wish(1), seen=1), [], wish(1, id=0)) is None
    assert next_step(NEWEST, row(wish(1), seen=1), [], wish(0, id=0)) is None
    moved = wish(2, id=0)
    assert next_step(NEWEST, row(wish(1), seen=1), [], moved) == WishStep(1, moved, RunCause.STANDING)


def test_grade_comes_from_the_switch_or_from_what_is_believed_since() -> None:
    assert is_ripe(wish(1), Grade.PROMOTED, None, None)
    assert not is_ripe(wish(1), Grade.AGREED, None, None)
    assert not is_ripe(wish(1), Grade.AGREED, NODES[1], Grade.PROMOTED)
    assert is_ripe(wish(1), Grade.AGREED, NODES[1], Grade.AGREED)
    assert not is_ripe(wish(1), Grade.AGREED, NODES[2], Grade.AGREED)


def test_old_switch_expires_but_the_place_of_a_master_does_not() -> None:
    assert is_expired(wish(1, time=10.0), 60.0, 71.0)
    assert not is_expired(wish(1, time=10.0), 60.0, 69.0)
    assert not is_expired(wish(1, time=10.0), None, 1e9)
    assert not is_expired(replace(wish(1, time=10.0), switch=0), 60.0, 1e9)


def test_group_waits_for_one_attempt_of_each_action_before_it() -> None:
    groups = {("act", ""): "notify", ("cut", ""): "cut", ("other", ""): "notify"}
    own = row(wish(1), ReactionState.PENDING)
    before = replace(own, id=2, action="cut")
    assert awaits(own, groups, [own, before], 100.0)
    assert not awaits(before, groups, [own, before], 100.0)
    assert not awaits(own, groups, [own, replace(before, attempts=1)], 100.0)
    assert not awaits(own, groups, [own, replace(before, state=ReactionState.FAILED)], 100.0)
    assert not awaits(own, groups, [own, replace(before, wish=wish(2))], 100.0)
    assert not awaits(own, groups, [own, replace(before, action="other")], 100.0)
    assert not awaits(own, groups, [own, replace(before, action="unknown")], 100.0)
    assert not awaits(own, groups, [own, before], 101.0 + GROUP_SECONDS)


def test_delivery_has_the_same_id_whichever_daemon_makes_it() -> None:
    assert wish(1, id=1).delivery == wish(1, id=2, witnesses=(), why="another").delivery
    others = [wish(2), wish(1, "m2"), wish(1, incarnation=1), wish(1, new=NODES[5])]
    assert len({one.delivery for one in [wish(1), *others]}) == 5


def test_pause_covers_the_names_that_it_has_until_it_ends() -> None:
    everything = ActionPause("", "", "", 0.0, None, "ann", "")
    assert everything.covers("act", "kvdb", "m1", 1e9)
    one = ActionPause("act", "", "m1", 0.0, 100.0, "ann", "")
    assert one.covers("act", "kvdb", "m1", 99.0)
    assert not one.covers("act", "kvdb", "m1", 100.0)
    assert not one.covers("other", "kvdb", "m1", 99.0)
    assert not one.covers("act", "kvdb", "m2", 99.0)
