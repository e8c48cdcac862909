"""
The belief as JSON: the lines of `switchmaster.render`, with what a page needs in addition.

Pure except for look-ups in `ServedState`; the time is an argument. A Topology is immutable, so everything but a look-up
may run in a thread.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from ...belief.topology import MasterState, Topology
from ...errors import UsageError
from ...link.counters import LinkCounters
from ...model import Address, SentinelName
from ...render import Line, failover_line, iso, master_line, sentinel_line, switch_line
from ...wire.facts import LinkState
from ..settings.http_settings import HttpSettings
from .answers import rendered
from .claim_lines import share_line
from .served_state import LinkReadings, ServedState

__all__ = [
    "all_masters",
    "deployment_line",
    "detailed_master_line",
    "master_page",
    "same_address",
    "sentinel_lines",
    "status_body",
    "topology_body",
]

Place = tuple[str, str]
"""Deployment and master."""


def status_body(state: ServedState, settings: HttpSettings, now: float) -> Line:
    """
    Return the version, the deployments, the journal's state and the access rules of this daemon.

    Args:
        state: what is served.
        settings: who has access.
        now: seconds since 1970.
    """
    writer = state.writer
    trouble = None if writer is None else writer.trouble
    return {
        "version": state.version,
        "started": iso(state.started),
        "time": iso(now),
        "deployments": list(state.chosen(None)),
        "share": share_line(state.claims),
        "journal": {
            "kept": state.reader is not None,
            "available": state.reader is not None and trouble is None,
            "reason": None if trouble is None else str(trouble),
            "waiting": 0 if writer is None else writer.waiting,
            "dropped": 0 if writer is None else writer.counters.dropped,
        },
        "access": {
            "read": "open" if settings.reading_is_open else "token",
            "act": "nobody" if settings.token is None else "token",
        },
    }


def deployment_line(topology: Topology, hearing: bool, established: bool) -> Line:
    """Return the line of a deployment: counts of masters and Sentinels by state."""
    masters, sentinels = topology.masters.values(), topology.sentinels.values()
    health = Counter([master.health for master in masters])
    return {
        "type": "deployment",
        "deployment": topology.deployment,
        "hearing": hearing,
        "established": established,
        "masters": len(masters),
        "health": {str(name): count for name, count in health.items()},
        "failovers": sum(master.failing_over for master in masters),
        "failover_impossible": sum(master.electorate.obstacle is not None for master in masters),
        "disagreements": sum(bool(master.disagreeing) for master in masters),
        "sentinels": len(sentinels),
        "connected": sum(sentinel.state is LinkState.LIVE for sentinel in sentinels),
    }


def detailed_master_line(deployment: str, state: MasterState) -> Line:
    """Return a master's line with its open failover, its last switch, and the Sentinels that give another address."""
    return master_line(deployment, state) | {
        "disagreeing": [opinion.sentinel for opinion in state.disagreeing],
        "failover": None if state.failover is None else failover_line(state.failover),
        "switch": None if state.switch is None else switch_line(state.switch),
    }


def topology_body(topology: Topology) -> bytes:
    """
    Return the whole belief about one deployment, as JSON.

    It is made master by master: one call for all would block every other thread, the loop's too, until it is done.
    """
    name = topology.deployment
    masters = b",".join(rendered(detailed_master_line(name, state)) for _, state in sorted(topology.masters.items()))
    sentinels = [sentinel_line(name, state) for _, state in sorted(topology.sentinels.items())]
    head = rendered({"type": "topology", "deployment": name})[:-1]
    return head + b',"masters":[' + masters + b'],"sentinels":' + rendered(sentinels) + b"}"


def sentinel_lines(topology: Topology, links: LinkReadings, now: float) -> list[Line]:
    """
    Return the lines of a deployment's Sentinels: link, last byte, and the masters for which they give another address.

    Args:
        topology: the belief.
        links: each Sentinel's silence in seconds, and its link's counters.
        now: seconds since 1970.
    """
    disagrees: dict[SentinelName, list[str]] = {}
    for name, state in sorted(topology.masters.items()):
        for opinion in state.disagreeing:
            disagrees.setdefault(opinion.sentinel, []).append(name)
    lines = []
    for name, sentinel in sorted(topology.sentinels.items()):
        silence, counters = links.get(name, (None, LinkCounters()))
        lines.append(
            sentinel_line(topology.deployment, sentinel)
            | {
                "connected": sentinel.state is LinkState.LIVE,
                "last_heard": None if silence is None else iso(now - silence),
                "events": counters.events,
                "failures": counters.failures,
                "disagrees_on": disagrees.get(name, []),
            }
        )
    return lines


def all_masters(topologies: Iterable[Topology]) -> Iterator[tuple[str, MasterState]]:
    """Yield all masters, each with its deployment, by name within each deployment."""
    for topology in topologies:
        for _, state in sorted(topology.masters.items()):
            yield topology.deployment, state


def master_page(
    masters: Iterable[tuple[str, MasterState]], cursor: str | None, limit: int, health: str | None = None
) -> tuple[list[Line], str | None]:
    """
    Return a page of masters.

    Args:
        masters: each with its deployment, in order of deployment and name.
        cursor: the cursor of the page; None for the first.
        limit: most masters of the page.
        health: only masters with this health; None for all.

    Returns:
        The lines, and the next page's cursor.

    Raises:
        UsageError: the cursor is not one of this list.
    """
    after = None if cursor is None else _read_cursor(cursor)
    found: list[tuple[str, MasterState]] = []
    for of, state in masters:
        if (after is not None and (of, state.name) <= after) or (health is not None and state.health != health):
            continue
        if len(found) == limit:
            last, one = found[-1]
            return [detailed_master_line(*each) for each in found], _cursor((last, one.name))
        found.append((of, state))
    return [detailed_master_line(*each) for each in found], None


def same_address(one: Address, other: Address) -> bool:
    """Return whether two addresses are equal, however their IP addresses are written."""
    return one.port == other.port and _plain(one.host) == _plain(other.host)


def _plain(host: str) -> str:
    try:
        return ip_address(host).compressed
    except ValueError:
        return host.lower().rstrip(".")


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode("ascii")).decode("ascii").rstrip("=")


def _read_cursor(cursor: str) -> Place:
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        deployment, name = place
        if not (isinstance(deployment, str) and isinstance(name, str)):
            raise ValueError
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise UsageError("this is not a cursor of this list: use `next` of the previous page") from None
    return deployment, name
