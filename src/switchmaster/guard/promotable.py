"""
Which replica a Sentinel would promote, by the rules of sentinelSelectSlave() in sentinel.c (Redis 2.8 to Valkey 9.1).

A replica is out if it is down, disconnected, has priority 0, did not answer PING or INFO for too long, or lost its
master long before the master died. Of the others the lowest priority wins, then the highest offset, then the smallest
run id. Each Sentinel judges by what it sees itself, so two of them may choose differently.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..model import Address
from ..wire.replies import MasterReply, ReplicaReply

__all__ = ["PromotionCandidate", "PromotionCheck", "PromotionRule", "chosen", "judged", "promotable"]

PING_LIMIT_MS: Final = 5_000
"""5 x SENTINEL_PING_PERIOD: the longest age of a replica's last valid answer to PING."""
INFO_LIMIT_MS: Final = 30_000
"""3 x SENTINEL_INFO_PERIOD: the longest age of a replica's last INFO while its master is not SDOWN."""
INFO_LIMIT_DOWN_MS: Final = 5_000
"""The same while the master is SDOWN: Sentinel then asks each second."""
LINK_DOWN_AFTERS: Final = 10
"""How many down-after-milliseconds a replica may have been without its master before the master was SDOWN."""
_DOWN: Final = {"s_down", "o_down"}


class PromotionRule(enum.StrEnum):
    """The rules of sentinelSelectSlave(), in its order."""

    DOWN = "down"
    """Neither SDOWN nor ODOWN."""
    DISCONNECTED = "disconnected"
    """The Sentinel has a connection to it."""
    PING = "ping"
    """It gave a valid answer to PING in the last 5 s."""
    PRIORITY = "priority"
    """``replica-priority`` is not 0."""
    INFO = "info"
    """It answered INFO in the last 30 s; in the last 5 s while the master is SDOWN."""
    LINK = "link"
    """Its link to the master was not down for more than 10 x down-after-milliseconds before the master was SDOWN."""


class PromotionCheck(NamedTuple):
    """One rule, applied to one replica."""

    rule: PromotionRule
    passed: bool
    value: int | None
    """What was seen: milliseconds, or the priority; None for the flags, and for an INFO that never came."""
    limit: int | None
    """The most milliseconds that pass; None where the rule has no limit."""


@dataclass(frozen=True, slots=True)
class PromotionCandidate:
    """One replica with each rule's verdict."""

    replica: ReplicaReply
    checks: tuple[PromotionCheck, ...]

    @property
    def fits(self) -> bool:
        """Whether Sentinel may promote it."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[PromotionCheck, ...]:
        """The rules that keep it from being promoted."""
        return tuple(check for check in self.checks if not check.passed)


def judged(
    master: MasterReply, replicas: Iterable[ReplicaReply], *, dies_now: bool = False
) -> list[PromotionCandidate]:
    """
    Apply every rule to every replica.

    Args:
        master: the Sentinel's word on the master.
        replicas: its word on the replicas.
        dies_now: judge as when the master died now, and was suspected down-after-milliseconds later: a link that is
            down already is then down for that much longer. False judges for a failover at this moment.

    Returns:
        Those that may be promoted, the one that Sentinel would choose first; then the others, in the same order.
    """
    ahead = master.down_after_ms if dies_now and "s_down" not in master.flags else 0
    found = [PromotionCandidate(each, _checks(master, each, ahead)) for each in replicas]
    return sorted(found, key=lambda each: (not each.fits, *_rank(each.replica)))


def promotable(master: MasterReply, replicas: Iterable[ReplicaReply]) -> list[ReplicaReply]:
    """
    Return the replicas that may be promoted, the one that Sentinel would choose first.

    Args:
        master: the Sentinel's word on the master.
        replicas: its word on the replicas.
    """
    return [each.replica for each in judged(master, replicas) if each.fits]


def chosen(master: MasterReply, replicas: Iterable[ReplicaReply]) -> Address | None:
    """Return the replica that Sentinel would promote; None if there is none."""
    fit = promotable(master, replicas)
    return fit[0].address if fit else None


def _rank(replica: ReplicaReply) -> tuple[int, int, str]:
    # A replica without a run id comes after all others: "~" is above every hexadecimal digit.
    return replica.priority, -replica.offset, replica.run_id.lower() or "~"


def _checks(master: MasterReply, replica: ReplicaReply, ahead: int) -> tuple[PromotionCheck, ...]:
    down = "s_down" in master.flags
    info_limit = INFO_LIMIT_DOWN_MS if down else INFO_LIMIT_MS
    never = not replica.run_id and not replica.info_age_ms
    link_limit = LINK_DOWN_AFTERS * master.down_after_ms + (master.s_down_ms if down else 0)
    link_down = replica.master_link_down_ms
    if link_down:
        link_down += ahead
    return (
        PromotionCheck(PromotionRule.DOWN, not replica.flags & _DOWN, None, None),
        PromotionCheck(PromotionRule.DISCONNECTED, "disconnected" not in replica.flags, None, None),
        PromotionCheck(
            PromotionRule.PING, replica.last_ok_ping_ms <= PING_LIMIT_MS, replica.last_ok_ping_ms, PING_LIMIT_MS
        ),
        PromotionCheck(PromotionRule.PRIORITY, replica.priority > 0, replica.priority, None),
        PromotionCheck(
            PromotionRule.INFO,
            not never and replica.info_age_ms <= info_limit,
            None if never else replica.info_age_ms,
            info_limit,
        ),
        PromotionCheck(PromotionRule.LINK, link_down <= link_limit, link_down, link_limit),
    )
