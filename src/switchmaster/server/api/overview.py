"""
The overview: how many masters are in which state, which need attention, and one part of the list.

Made here and not in the browser, so that its size does not grow with the number of masters. Masters that need attention
come first within each deployment. No I/O and no clock.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from ...belief.failover import Outcome
from ...belief.topology import Health, MasterState, Topology
from ...render import Line, sentinel_line
from ...wire.facts import LinkState
from .belief_lines import detailed_master_line

__all__ = ["DISAGREE", "Overviews", "shown_health", "troubled"]

DISAGREE: Final = "disagree"
"""The filter for masters for which Sentinels give different addresses, and no failover explains it."""
URGENT: Final = 12
"""Most masters that need attention, with their whole lines."""

_ORDER: Final = (Health.FAILING_OVER, Health.DOWN, Health.SUSPECTED, Health.UNKNOWN, Health.OK)


class _Judged(NamedTuple):
    """A master, and what the overview needs to know of it."""

    master: MasterState
    health: Health
    trouble: bool
    disagrees: bool


class _Digest(NamedTuple):
    """What is known of the masters of one topology."""

    topology: Topology
    judged: dict[str, _Judged]
    ordered: list[_Judged]
    """Those that need attention first, then by name."""
    states: dict[str, int]
    """How many of them are in which state."""


class Overviews:
    """
    Makes overviews, and judges a master again only when its state is another object; states never change.

    Several threads may call it.
    """

    def __init__(self) -> None:
        self._digests: dict[str, _Digest] = {}

    def line(self, topologies: Sequence[Topology], words: Sequence[str], state: str | None, limit: int) -> Line:
        """
        Return the overview of some deployments.

        Args:
            topologies: the belief about each.
            words: only masters whose name, deployment or address contains all of these, in any case.
            state: only masters in this state, a health or `DISAGREE`; None for all.
            limit: most masters of the list.
        """
        states = dict.fromkeys((*map(str, _ORDER), DISAGREE), 0)
        urgent: list[tuple[int, str, MasterState]] = []
        deployments: list[Line] = []
        wanted = [word.lower() for word in words]
        for topology in topologies:
            name, digest = topology.deployment, self._digest(topology)
            for key, number in digest.states.items():
                states[key] += number
            if any(one.state is LinkState.LIVE for one in topology.sentinels.values()):
                troubled = itertools.takewhile(_TROUBLE, digest.ordered)
                urgent += [(_rank(one.master), name, one.master) for one in troubled]
            found = digest.ordered
            if state is not None or wanted:
                found = [one for one in found if _stands(one, state) and _has(name, one.master, wanted)]
            drawn, limit = found[:limit], limit - len(found[:limit])
            deployments.append(
                {
                    "deployment": name,
                    "masters": len(topology.masters),
                    "found": len(found),
                    "items": [detailed_master_line(name, one.master) for one in drawn],
                    "sentinels": [sentinel_line(name, one) for _, one in sorted(topology.sentinels.items())],
                }
            )
        urgent.sort(key=lambda one: one[0])
        return {
            "type": "overview",
            "masters": sum(line["masters"] for line in deployments),
            "found": sum(line["found"] for line in deployments),
            "states": states,
            "troubled": len(urgent),
            "urgent": [detailed_master_line(of, master) for _, of, master in urgent[:URGENT]],
            "deployments": deployments,
        }

    def forget_all_but(self, deployments: Container[str]) -> None:
        """Forget the deployments that are watched no longer."""
        for name in [name for name in self._digests if name not in deployments]:
            self._digests.pop(name, None)

    def _digest(self, topology: Topology) -> _Digest:
        before = self._digests.get(topology.deployment)
        if before is not None and before.topology is topology:
            return before
        known: dict[str, _Judged] = {} if before is None else before.judged
        judged = {}
        for name, master in sorted(topology.masters.items()):
            one = known.get(name)
            judged[name] = one if one is not None and one.master is master else _judge(master)
        ordered = sorted(judged.values(), key=lambda one: not one.trouble)
        states = dict(Counter(map(_HEALTH, ordered)))
        states[DISAGREE] = sum(map(_DISAGREES, ordered))
        digest = self._digests[topology.deployment] = _Digest(topology, judged, ordered, states)
        return digest


_HEALTH: Final = attrgetter("health")
_TROUBLE: Final = attrgetter("trouble")
_DISAGREES: Final = attrgetter("disagrees")


def _judge(master: MasterState) -> _Judged:
    return _Judged(master, shown_health(master), troubled(master), disagrees(master))


def shown_health(master: MasterState) -> Health:
    """Return a master's health; a failover counts as under way until its leader has finished."""
    if _promoted(master) and master.health is not Health.UNKNOWN:
        return Health.FAILING_OVER
    return master.health


def disagrees(master: MasterState) -> bool:
    """Return whether Sentinels disagree and no failover explains it."""
    return bool(master.disagreeing) and not _promoted(master)


def troubled(master: MasterState) -> bool:
    """Return whether a master needs attention: whether ``troubles`` in the page's ``words.js`` says anything of it."""
    electorate, failover = master.electorate, master.failover
    if (
        master.health is not Health.OK
        or electorate.obstacle is not None
        or electorate.absent
        or electorate.unaware
        or master.disagreeing
    ):
        return True
    if failover is not None:
        # During a failover the replicas are being reconfigured.
        return failover.outcome is not Outcome.ABORTED
    if not master.replicas:
        return master.address is not None
    return any(replica.down_by or replica.link_up is False for replica in master.replicas)


def _promoted(master: MasterState) -> bool:
    return master.failover is not None and master.failover.outcome is Outcome.COMPLETED


def _rank(master: MasterState) -> int:
    led, impossible = master.failover is not None, master.electorate.obstacle is not None
    return _ORDER.index(shown_health(master)) - 10 * led - 20 * impossible


def _stands(one: _Judged, wanted: str | None) -> bool:
    if wanted is None:
        return True
    return one.disagrees if wanted == DISAGREE else one.health == wanted


def _has(deployment: str, master: MasterState, words: Iterable[str]) -> bool:
    if not words:
        return True
    text = f"{master.name}\n{deployment}\n{'' if master.address is None else master.address}".lower()
    return all(word in text for word in words)
