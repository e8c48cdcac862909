"""
An inspection for one command: all Sentinels and nodes asked once; unreachable Sentinels are reported on standard error.

If no Sentinel answers, or a requested master is not monitored, an error is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..doctor.inspection import Inspection
from ..errors import AccessRefused, NoSentinelReachable, UnknownMaster
from .deployment_options import DeploymentOptions
from .output import complain

__all__ = ["inspect_once"]


def inspect_once(deployment: DeploymentOptions, masters: Iterable[str] = ()) -> Inspection:
    """
    Ask a deployment everything once.

    Args:
        deployment: the Sentinels and their credentials.
        masters: the masters of interest; empty for those of the URL or the file, or all.

    Raises:
        NoSentinelReachable: no Sentinel answered in time.
        AccessRefused: they refuse the login, or every query.
        UnknownMaster: no Sentinel monitors one of `masters`.
    """
    names = tuple(masters) or deployment.settings.masters
    found = _inspect(deployment, names)
    _check(found)
    lacking = [name for name in names or () if name not in found.masters]
    if lacking:
        answered = [one.name for one in found.sentinels if one.answered]
        raise UnknownMaster(lacking[0], _inspect(deployment, None).masters, answered)
    for one in found.sentinels:
        if not one.answered:
            complain(f"the Sentinel {one.name} gives no answer: {one.reason or 'it refuses our questions'}")
    return found


def _inspect(deployment: DeploymentOptions, names: tuple[str, ...] | None) -> Inspection:
    from ..net.inspector import Inspector

    arguments: dict[str, Any] = deployment.watcher_arguments(names or ())
    arguments["masters"] = names
    del arguments["poll"]
    return asyncio.run(Inspector(arguments.pop("sentinels"), **arguments).inspect())


def _check(found: Inspection) -> None:
    if found.masters:
        return
    refused = [one for one in found.sentinels if one.refusal is not None or one.lacks("SENTINEL", "MASTERS")]
    reasons = {
        str(one.name): one.reason or "our user may not send SENTINEL MASTERS"
        for one in found.sentinels
        if one in refused or not one.answered
    }
    if refused:
        lacking = [one.name for one in refused if one.answered]
        raise AccessRefused(reasons, found.seconds, lacking)
    if not any(one.answered for one in found.sentinels):
        raise NoSentinelReachable(reasons, found.seconds)
