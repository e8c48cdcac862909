"""
Which wish an action takes next, and when it may be carried out.

Pure: rows of the journal, the belief and the time go in, decisions come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..journal.reaction_rows import ReactionRow, ReactionState, RunCause, Target, WishStep
from ..journal.wishes import Wish, is_newer, newest
from ..model import Address, Grade

__all__ = ["GROUPS", "GROUP_SECONDS", "awaits", "is_expired", "is_ripe", "next_step"]

GROUPS: Final = ("cut", "point", "notify")
"""In the order in which they are carried out for one switch."""
GROUP_SECONDS: Final = 30.0
"""Seconds that a group waits for those before it, at most."""


def next_step(target: Target, row: ReactionRow, unseen: Sequence[Wish], standing: Wish | None) -> WishStep | None:
    """
    Return what becomes of a row.

    Args:
        target: the action and the master.
        row: as it is.
        unseen: the switches that it has not seen, in the order of the journal.
        standing: where the master is; None if that is not known, or no matter of this action.

    Returns:
        None if nothing changes.
    """
    return _next_of_every(row, unseen) if target.every else _next_newest(row, unseen, standing)


def _next_of_every(row: ReactionRow, unseen: Sequence[Wish]) -> WishStep | None:
    if row.state is ReactionState.PENDING or not unseen:
        return None
    for wish in unseen:
        # One that another daemon wrote late, after a newer one, is no news any more.
        if row.wish is None or is_newer(wish, row.wish):
            return WishStep(wish.switch, wish)
    return WishStep(unseen[-1].switch)


def _next_newest(row: ReactionRow, unseen: Sequence[Wish], standing: Wish | None) -> WishStep | None:
    seen = unseen[-1].switch if unseen else row.seen
    best = newest(unseen)
    if best is not None and (row.wish is None or is_newer(best, row.wish)):
        return WishStep(seen, best)
    if standing is not None and (row.wish is None or (standing.new != row.wish.new and is_newer(standing, row.wish))):
        return WishStep(seen, standing, RunCause.STANDING)
    return WishStep(seen) if unseen else None


def is_ripe(wish: Wish, needed: Grade, believed: Address | None, grade: Grade | None) -> bool:
    """
    Return whether a wish is supported well enough.

    Args:
        wish: what is to be carried out.
        needed: the least grade that the action demands.
        believed: where this daemon believes the master to be now; None if it does not know.
        grade: how well that is supported.
    """
    if Grade[str(wish.line["grade"]).upper()] >= needed:
        return True
    return believed == wish.new and grade is not None and grade >= needed


def is_expired(wish: Wish, max_age: float | None, now: float) -> bool:
    """Return whether a switch is too old to be worth telling; ``max_age`` is in seconds, None for no limit."""
    return max_age is not None and wish.switch != 0 and now - wish.time > max_age


def awaits(
    row: ReactionRow, groups: Mapping[tuple[str, str], str], siblings: Iterable[ReactionRow], now: float
) -> bool:
    """
    Return whether a row must wait for an action of an earlier group.

    Each action before it gets one attempt for the same switch first. One that fails then retries beside the others: a
    target that is away must not keep the others from following.

    Args:
        row: what is to be carried out.
        groups: the group of each configured action, by name and place.
        siblings: the rows of the same master.
        now: seconds since 1970.
    """
    if row.wish is None or now - row.wished > GROUP_SECONDS:
        return False
    own = GROUPS.index(groups[row.action, row.place])
    for other in siblings:
        group = groups.get((other.action, other.place))
        if group is None or GROUPS.index(group) >= own or other.wish is None:
            continue
        untried = other.state is ReactionState.PENDING and not other.attempts
        if untried and other.wish.delivery == row.wish.delivery:
            return True
    return False
