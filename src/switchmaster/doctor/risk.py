"""
Data at risk: for one master, what a crash can cost, and how long each kind of crash would last, in seconds.

`risk_of` computes it from one inspection. Times are those of sentinel.c and the measurements of
docs/topics/protocol.md, 5: they are the least that must be expected, for a deployment whose rules find no error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from ..guard.promotable import promotable
from .inspection import MasterInspection
from .rules.durability import (
    comes_back_without_data,
    promotion_seconds,
    restarts_by_itself,
    writes_at_risk,
    written_per_second,
)
from .rules.places import on_hosts, place_of, voting
from .symptom import RULES, Severity

__all__ = ["AtRisk", "Risk", "Scenario", "risk_of"]

ANNOUNCED_SECONDS: Final = 0.8
"""From the promotion to the first +switch-master (docs/topics/protocol.md, 5.2), for clients that wait for it."""
CONVERT_SECONDS: Final = 18.0
"""After which Sentinel makes a second master a replica, at the latest: 8 s, looked at with each INFO (every 10 s)."""
SAFE_RULES: Final = ("Q03", "Q05", "R02", "S05", "R10", "C09", "A01", "A03", "A05")
"""Rules that say that a failover can't succeed."""


@dataclass(frozen=True, slots=True)
class AtRisk:
    """What can be lost of one kind, as a sentence, and how grave that is."""

    kind: str
    """``wipe``, ``lost writes`` or ``failover``."""
    severity: Severity | None
    """None if nothing is at risk."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of crash."""

    name: str
    """``process dies``, ``host dies`` or ``network parts``."""
    seconds: float | None
    """Without a writable master, at best; None if it would not fail over at all."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Risk:
    """What is at risk of one master."""

    master: str
    losses: tuple[AtRisk, ...]
    scenarios: tuple[Scenario, ...]


def risk_of(found: MasterInspection) -> Risk:
    """Return what is at risk of one master."""
    obstacles = _obstacles(found)
    losses = (_wipe(found), _lost_writes(found), _failover(found, obstacles))
    scenarios = (_process(found, obstacles), _host(found, obstacles), _partition(found, obstacles))
    return Risk(found.name, losses, scenarios)


def _obstacles(found: MasterInspection) -> list[str]:
    """Return why a failover could not succeed now, as sentences."""
    sentences = [] if found.replicas else ["there is no replica"]
    for rule in SAFE_RULES:
        one = RULES[rule]
        if one.of_master is not None:
            grave = [each for each in one.of_master(found) if (each.severity or one.severity) is Severity.ERROR]
            sentences += [f"{each.sentence} ({rule})" for each in grave[:1]]
    tilted = [one.name for one in voting(found) if one.info is not None and one.info.tilt]
    if tilted:
        sentences.append(f"{len(tilted)} of {found.known_sentinels} Sentinels are in TILT (C09)")
    return sentences


def _wipe(found: MasterInspection) -> AtRisk:
    master = found.master
    empty = None if master is None else comes_back_without_data(master)
    if master is None or empty is None:
        return AtRisk("wipe", None, "not known: persistence and the setting save could not be read")
    if not empty:
        return AtRisk("wipe", None, "a restarted master comes back with its data")
    restart = restarts_by_itself(master)
    within = promotion_seconds(found)
    return AtRisk(
        "wipe",
        Severity.ERROR if restart else Severity.WARNING,
        f"a crash can wipe everything: the master keeps nothing on disk; if it is restarted within {within:.1f} s, its "
        f"replicas delete their data too{f'; something restarts it ({restart})' if restart else ''}",
    )


def _lost_writes(found: MasterInspection) -> AtRisk:
    master, least = found.master, writes_at_risk(found)
    written = None if master is None else master.number("replication", "master_repl_offset")
    behind = [
        written - one.role.offset
        for one in found.replicas
        if written is not None and one.role is not None and one.role.offset is not None and one.role.link_up
    ]
    now = f"now {min(behind)} to {max(behind)} bytes behind" if behind else "lag not known"
    if least is None:
        return AtRisk("lost writes", None, f"not known: min-replicas-to-write could not be read; replicas are {now}")
    if least[0] == 0:
        rate = None if master is None else written_per_second(master)
        rated = "" if not rate else f"; {rate:.0f} bytes/s are written"
        apart = len(on_hosts(found.nodes.values())) > 1
        return AtRisk(
            "lost writes",
            Severity.WARNING if apart else None,
            f"in a crash what a replica has not got ({now}); in a partition everything that clients on the master's "
            f"side write while it lasts, without a limit (min-replicas-to-write 0{rated})",
        )
    return AtRisk(
        "lost writes",
        None,
        f"at most {least[1]} s of acknowledged writes in a partition (min-replicas-max-lag), in a crash what a replica "
        f"has not got ({now})",
    )


def _failover(found: MasterInspection, obstacles: list[str]) -> AtRisk:
    if obstacles:
        return AtRisk("failover", Severity.ERROR, f"it can't fail over: {'; '.join(obstacles)}")
    newest = found.newest
    fit = [] if newest is None else promotable(newest.master, newest.replicas or ())
    best = f"; {fit[0].address} would be chosen" if fit else ""
    return AtRisk(
        "failover", None, f"it can fail over: {found.majority} of {found.known_sentinels} Sentinels must agree{best}"
    )


def _process(found: MasterInspection, obstacles: list[str]) -> Scenario:
    if obstacles:
        return Scenario("process dies", None, obstacles[0])
    return Scenario("process dies", promotion_seconds(found), _phases(found))


def _host(found: MasterInspection, obstacles: list[str]) -> Scenario:
    master = found.master
    if obstacles or master is None:
        return Scenario("host dies", None, obstacles[0] if obstacles else "the master's host is not known")
    host = place_of(master)
    gone = sum(place_of(one) == host for one in voting(found))
    left = found.known_sentinels - gone
    replicas = sum(place_of(one) != host for one in found.replicas)
    if left < found.majority:
        return Scenario("host dies", None, f"{left} Sentinels are left without {host}; {found.majority} must agree")
    if not replicas:
        return Scenario("host dies", None, f"all replicas are on {host} too")
    return Scenario(
        "host dies", promotion_seconds(found), f"{left} Sentinels and {replicas} replicas are left; {_phases(found)}"
    )


def _partition(found: MasterInspection, obstacles: list[str]) -> Scenario:
    if obstacles:
        return Scenario("network parts", None, obstacles[0])
    least = writes_at_risk(found)
    stops = (
        f"the old master stops accepting writes after {least[1]} s"
        if least is not None and least[0] > 0
        else "the old master accepts writes until it is made a replica, up to "
        f"{CONVERT_SECONDS:.0f} s after the network is whole again, and all of them are lost"
    )
    return Scenario("network parts", promotion_seconds(found), f"{_phases(found)}; {stops}")


def _phases(found: MasterInspection) -> str:
    told = list(found.answers.values())
    down_after = max((one.master.down_after_ms for one in told), default=0) / 1000
    timeout = max((one.master.failover_timeout_ms for one in told), default=0) / 1000
    at_once = max(1, min((one.master.parallel_syncs for one in told), default=1))
    others = max(0, len(found.replicas) - 1)
    save = None if found.master is None else found.master.number("persistence", "rdb_last_bgsave_time_sec")
    turns = ceil(others / at_once)
    copy = f", {turns * save} s more if the replicas need full copies" if save and save > 0 and turns else ""
    return (
        f"{down_after:g} s until it is noticed (down-after), 0.4 s to promote; clients that wait for +switch-master "
        f"{ANNOUNCED_SECONDS:g} s more; {2 * timeout:g} s more if the first attempt fails (2 x failover-timeout){copy}"
    )
