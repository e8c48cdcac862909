"""
Inspections for the verbs that judge a deployment (`doctor`, `explain`, and the plan of `failover`), and what the
configuration says about them.

`inspect_once` is for a command that does nothing else: unreachable Sentinels are reported on standard error, and if no
Sentinel answers, or a requested master is not monitored, an error is raised.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..doctor.inspection import Inspection
from ..errors import AccessRefused, NoSentinelReachable, UnknownMaster
from .deployment_options import DeploymentOptions
from .output import complain

if TYPE_CHECKING:
    from ..server.settings.doctor_settings import DoctorSettings

__all__ = ["configured_doctor", "inspect_deployment", "inspect_once"]


def configured_doctor(config: str | None) -> DoctorSettings | None:
    """Return the zones and suppressions of the file of ``--config``, or of the environment; None without a file."""
    file = config or os.environ.get("SWITCHMASTER_CONFIG")
    if not file:
        return None
    from ..server.settings.doctor_settings import read_doctor_settings

    return read_doctor_settings(Path(os.path.expanduser(file)))


async def inspect_deployment(deployment: DeploymentOptions, names: Iterable[str] | None) -> Inspection:
    """
    Ask a deployment everything once; it never raises for what a server does.

    Args:
        deployment: the Sentinels and their credentials.
        names: the masters of interest; None for all.
    """
    from ..net.inspector import Inspector

    masters = None if names is None else tuple(names)
    arguments: dict[str, Any] = deployment.watcher_arguments(masters or ())
    arguments["masters"] = masters
    del arguments["poll"]
    return await Inspector(arguments.pop("sentinels"), **arguments).inspect()


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
    found = asyncio.run(inspect_deployment(deployment, names))
    _check(found)
    lacking = [name for name in names or () if name not in found.masters]
    if lacking:
        answered = [one.name for one in found.sentinels if one.answered]
        raise UnknownMaster(lacking[0], asyncio.run(inspect_deployment(deployment, None)).masters, answered)
    for one in found.sentinels:
        if not one.answered:
            complain(f"the Sentinel {one.name} gives no answer: {one.reason or 'it refuses our questions'}")
    return found


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
