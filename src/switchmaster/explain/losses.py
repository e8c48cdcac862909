"""
What happens to a master if hosts die: the forecast again, as the Sentinels that are left would see it.

A host's death takes everything on it at once: data nodes and Sentinels. Dead Sentinels still count in the majority, and
dead replicas are SDOWN by the time a leader chooses: both took as long to die as the master did.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..doctor.inspection import Inspection
from ..errors import UsageError
from ..model import Address, RunId, SentinelName, is_ip
from ..wire.replies import ReplicaReply
from .forecast import Forecast, Likelihood, forecast
from .viewpoint import Viewpoint

__all__ = ["ZONE", "Aftermath", "Dead", "Fate", "aftermath", "hosts_of", "read_dead", "same_hosts"]

ZONE: Final = "zone:"
"""Begins the name of a zone where a host is expected."""


@dataclass(frozen=True, slots=True)
class Dead:
    """What dies: hosts with all that is on them, and single servers."""

    hosts: frozenset[str] = frozenset()
    servers: frozenset[Address] = frozenset()

    def takes(self, address: Address) -> bool:
        """Return whether the server at an address dies."""
        return address.host in self.hosts or address in self.servers


class Fate(enum.StrEnum):
    """What becomes of a master."""

    UNTOUCHED = "untouched"
    """It lives, and could still be failed over."""
    UNPROTECTED = "unprotected"
    """It lives, and could not be failed over any more."""
    FAILS_OVER = "fails-over"
    """It dies, and a replica is promoted."""
    DEPENDS = "depends"
    """It dies, and whether a replica is promoted depends on which Sentinel is elected."""
    LOST = "lost"
    """It dies, and no replica is promoted: there is no master until somebody acts."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """One master after the deaths."""

    address: Address | None
    """Where the master is before it."""
    fate: Fate
    dies: bool
    """Whether the master itself dies."""
    replicas_lost: tuple[Address, ...]
    sentinels_lost: tuple[SentinelName, ...]
    left: tuple[Viewpoint, ...]
    """What the Sentinels that are left would see."""
    forecast: Forecast
    """Of the failover that follows; if the master lives, of the next one."""


def hosts_of(views: Iterable[Viewpoint]) -> dict[str, tuple[str, ...]]:
    """
    Return every host of a master's servers, with what is on it, such as ``master 10.0.0.1:6379``.

    Args:
        views: what each Sentinel answered about the master.
    """
    found: dict[str, set[str]] = {}
    for view in views:
        found.setdefault(view.host, set()).add(f"Sentinel {view.sentinel}")
        if view.gives is not None:
            found.setdefault(view.gives.host, set()).add(f"master {view.gives}")
        for replica in view.replicas:
            if replica.address != view.gives:
                found.setdefault(replica.address.host, set()).add(f"replica {replica.address}")
    return {host: tuple(sorted(there)) for host, there in sorted(found.items())}


def same_hosts(found: Inspection) -> tuple[frozenset[str], ...]:
    """
    Return the names and addresses that mean one host: a host name, and the IP address that it led to.

    Only names are resolved so: what different IP addresses lead to may be a proxy in front of several hosts.

    Args:
        found: what was collected about a deployment.
    """
    groups: dict[str, set[str]] = {}
    for server in (*found.sentinels, *found.nodes):
        host, ip = server.address.host, server.dialled_ip
        if ip is not None and not is_ip(host):
            groups.setdefault(ip, {ip}).add(host)
    return tuple(frozenset(group) for group in groups.values())


def read_dead(
    words: Iterable[str],
    hosts: Mapping[str, Iterable[str]],
    zones: Mapping[str, str],
    same: Iterable[frozenset[str]] = (),
) -> Dead:
    """
    Read what dies.

    Args:
        words: each ``HOST``, ``HOST:PORT`` for a single server, or ``zone:NAME`` for all hosts of a zone.
        hosts: the hosts that exist, as `hosts_of` returns them, of all masters.
        zones: the zone of each host, as far as it is known.
        same: names that mean one host, as `same_hosts` returns them.

    Raises:
        UsageError: there is no such host, server or zone; the sentence names those that there are.
    """
    dead, servers = set[str](), set[Address]()
    names = {name: group for group in same if group & hosts.keys() for name in group}
    there = {line.rpartition(" ")[2] for lines in hosts.values() for line in lines}
    for word in words:
        if word.startswith(ZONE):
            zone = word.removeprefix(ZONE)
            found = {host for host in [*hosts, *names] if zones.get(host) == zone}
            if not found:
                known = ", ".join(sorted({zones[host] for host in hosts if host in zones})) or "none"
                raise UsageError(f"no host of this deployment is in the zone {zone!r}; zones with hosts: {known}")
            dead |= found
        elif word in hosts or word in names:
            dead.add(word)
        elif word in there:
            servers.add(Address.parse(word))
        else:
            raise UsageError(f"no server of this deployment is on {word!r}; its hosts: {', '.join(hosts)}")
    every = dead.union(*(names[host] for host in dead if host in names))
    return Dead(frozenset(every), frozenset(servers))


def aftermath(
    name: str, views: Sequence[Viewpoint], dead: Dead, cooling: Mapping[SentinelName, float] | None = None
) -> Aftermath:
    """
    Say what becomes of a master if servers die.

    Args:
        name: the master's.
        views: what each Sentinel answered about it.
        dead: what dies.
        cooling: as for `forecast.forecast`.
    """
    before = forecast(name, views, cooling=cooling)
    dies = before.address is not None and dead.takes(before.address)
    lost = tuple(sorted(view.sentinel for view in views if _is_dead(view, dead)))
    ids = {view.run_id for view in views if view.run_id is not None and _is_dead(view, dead)}
    left = tuple(_without(view, dead, ids) for view in views if not _is_dead(view, dead))
    after = forecast(name, left, cooling=cooling)
    replicas = {one.address for view in views for one in view.replicas if dead.takes(one.address)}
    return Aftermath(
        before.address,
        _fate(dies, after.likelihood),
        dies,
        tuple(sorted(replicas - {before.address})) if before.address is not None else tuple(sorted(replicas)),
        lost,
        left,
        after,
    )


def _fate(dies: bool, likelihood: Likelihood) -> Fate:
    if not dies:
        return Fate.UNPROTECTED if likelihood is Likelihood.NO else Fate.UNTOUCHED
    return {Likelihood.YES: Fate.FAILS_OVER, Likelihood.DEPENDS: Fate.DEPENDS, Likelihood.NO: Fate.LOST}[likelihood]


def _is_dead(view: Viewpoint, dead: Dead) -> bool:
    return dead.takes(view.address) or dead.takes(Address(view.host, view.address.port))


def _without(view: Viewpoint, dead: Dead, ids: Collection[RunId]) -> Viewpoint:
    """Return what a Sentinel would see once the dead are SDOWN for it."""
    others = tuple(
        replace(other, flags=other.flags | {"s_down"}) if other.run_id in ids or dead.takes(other.address) else other
        for other in view.others
    )
    replicas: tuple[ReplicaReply, ...] = tuple(
        replace(one, flags=one.flags | {"s_down"}) if dead.takes(one.address) else one for one in view.replicas
    )
    if view.quorum is None:
        return replace(view, others=others, replicas=replicas)
    died = sum(
        "s_down" in new.flags and "s_down" not in old.flags for new, old in zip(others, view.others, strict=True)
    )
    # CKQUORUM's sentence would be another one, so only its number is kept.
    return replace(
        view,
        others=others,
        replicas=replicas,
        quorum=replace(view.quorum, usable=view.quorum.usable - died, message=""),
    )
