"""
A Watcher for one command: started, checked, and closed; unreachable Sentinels are reported on standard error.

If no Sentinel can be reached, or a requested master is not monitored, an error is raised.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..belief.topology import Topology
from ..errors import UnknownMaster
from ..model import SentinelName
from ..wire.facts import LinkState
from .deployment_options import DeploymentOptions
from .output import complain

if TYPE_CHECKING:
    from ..net.sync import Watcher

__all__ = ["command_watcher", "links_settled", "report_disagreements", "report_unreached"]

SETTLE_POLL_SECONDS: Final = 0.02


@contextmanager
def command_watcher(deployment: DeploymentOptions, masters: Iterable[str] = (), **more: Any) -> Iterator[Watcher]:
    """
    Run a Watcher for the length of a block.

    Args:
        deployment: the Sentinels and their credentials.
        masters: the masters to follow; empty for all.
        more: further arguments of the Watcher, such as `subscribe=False` to ask once.

    Raises:
        NoSentinelReachable: no Sentinel answered in time.
        AccessRefused: they refuse the login, or every query.
        UnknownMaster: no Sentinel monitors one of `masters`.
    """

    names = tuple(masters) or deployment.settings.masters or ()
    with _watcher(deployment, names, more) as watcher:
        for name in names:
            _check_known(watcher, name, deployment)
        yield watcher


def _watcher(deployment: DeploymentOptions, names: tuple[str, ...], more: Mapping[str, Any]) -> Watcher:
    from ..net.sync import Watcher

    arguments = {**deployment.watcher_arguments(names), **more}
    return Watcher(arguments.pop("sentinels"), **arguments)


def _check_known(watcher: Watcher, name: str, deployment: DeploymentOptions) -> None:
    try:
        watcher.master(name)
    except UnknownMaster as error:
        # This Watcher follows no other master; the error should name the existing ones.
        everything = replace(deployment, settings=replace(deployment.settings, masters=None))
        with _watcher(everything, (), {"discover": False, "probe": False, "subscribe": False}) as other:
            raise UnknownMaster(name, other.masters(), error.sentinels) from None


def links_settled(watcher: Watcher, limit: float) -> Topology:
    """
    Wait until every Sentinel, discovered ones included, has answered or failed.

    Args:
        watcher: a running Watcher.
        limit: seconds to wait at most; then the belief as it is.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        topology = watcher.topology
        if all(_is_settled(topology, name) for name in topology.sentinels):
            return topology
        time.sleep(SETTLE_POLL_SECONDS)
    return watcher.topology


def report_unreached(topology: Topology) -> set[SentinelName]:
    """Report on standard error which Sentinels are not connected, and why; return their names."""
    unreached = {name: state for name, state in topology.sentinels.items() if state.state is not LinkState.LIVE}
    for name, state in sorted(unreached.items()):
        how = "could not be reached" if state.refusal is None else "refuses us"
        complain(f"the Sentinel {name} {how}: {state.reason or 'no answer yet'}")
    return set(unreached)


def report_disagreements(topology: Topology) -> None:
    """Report on standard error which Sentinels monitor other masters, or another node, than the rest."""
    for name, state in sorted(topology.masters.items()):
        for sentinel in state.electorate.unaware:
            complain(f"the Sentinel {sentinel} does not monitor {name!r}: does it belong to another deployment?")
        for opinion in state.disagreeing:
            complain(
                f"the Sentinel {opinion.sentinel} gives {opinion.address} for the master {name!r}, not "
                f"{state.address}: "
                "it is behind, or belongs to another deployment"
            )


def _is_settled(topology: Topology, name: SentinelName) -> bool:
    state = topology.sentinels[name]
    return state.answered if state.state is LinkState.LIVE else bool(state.reason)
